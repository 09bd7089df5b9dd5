"""Type `secrets`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field

from schemas.score import Evidence
from schemas.settings import Section
from schemas.trace import Span, SpanKind

from ..base import CodeEvaluator, Environment, Identity
from ..fresh import FreshText, fresh_texts
from ..protocol import Answer, Context, Target, Verdict
from ..secret_patterns import KINDS, TOKEN, matches


class SecretsOptions(Section):
    kinds: tuple[str, ...] | None = Field(
        None, description="Kinds that count, as in redaction tokens, e.g. [API_KEY, JWT]; default: all secrets."
    )


class Secrets(CodeEvaluator[SecretsOptions]):
    """Fails where a text shows a secret: a key, a token, a password, a private key; the value is how many.

    Looked at are prompts, what models say, arguments, results and retrieved documents, each where it first occurs in the
    trace: the blamed span is the one that brought the secret in, not those that repeat it. Counts what redaction has
    replaced (its tokens such as `[API_KEY:3fa9c1]`, and its findings on the span) and what patterns find in the rest:
    prefixes of some twenty issuers, JWTs, private keys, passwords in URLs, values under telling names. Placeholders and
    values that do not look random are left out. Says where and of which kind, never what.
    """

    Options = SecretsOptions
    default_context: ClassVar[Context] = "trace"

    def __init__(self, identity: Identity, options: SecretsOptions, environment: Environment) -> None:
        super().__init__(identity, options, environment)
        self._kinds = frozenset(kind.upper() for kind in options.kinds) if options.kinds is not None else KINDS

    @classmethod
    def default_span_kinds(cls, options: SecretsOptions) -> frozenset[SpanKind]:
        return frozenset(("agent", "llm", "tool", "retrieval"))

    def evaluate(self, target: Target) -> Iterable[Answer]:
        texts = fresh_texts(target)
        replaced = self._findings(target.span, texts)
        if not texts and not replaced:
            return ()
        counts: Counter[str] = Counter()
        evidence: list[Evidence] = []
        for text in texts:
            here = self._in(text.text)
            counts += here
            evidence += [Evidence(span_id=text.span_id, path=text.path, quote=kind) for kind in sorted(here)]
        for kind, number in replaced.items():
            counts[kind] = max(counts[kind], number)
        if not counts:
            return (Verdict(value=0.0, label="none", passed=True),)
        listed = ", ".join(f"{kind} {number}" for kind, number in sorted(counts.items()))
        places = ", ".join(dict.fromkeys(piece.path for piece in evidence)) or "redacted content"
        return (
            Verdict(
                value=float(sum(counts.values())),
                label="secret",
                passed=False,
                explanation=f"{places}: {listed}; revoke what was shown and keep it out of prompts and tools",
                evidence=tuple(evidence),
                blamed_span_id=evidence[0].span_id if evidence else None,
                attributes=dict(sorted(counts.items())),
            ),
        )

    def _in(self, text: str) -> Counter[str]:
        found = Counter(kind for kind, _ in matches(text) if kind in self._kinds)
        if "[" in text:
            found.update(match.group(1) for match in TOKEN.finditer(text) if match.group(1) in self._kinds)
        return found

    def _findings(self, span: Span | None, texts: list[FreshText]) -> Counter[str]:
        """What redaction found in the span, outside of the messages that other spans have shown before."""
        shown = tuple(text.path for text in texts)
        found: Counter[str] = Counter()
        for finding in span.findings if span is not None else ():
            if finding.kind.upper() not in self._kinds or finding.count < 1:
                continue
            if not finding.path.startswith(("input_messages", "output_messages")) or finding.path.startswith(
                shown or ("\0",)
            ):
                found[finding.kind.upper()] += finding.count
        return found
