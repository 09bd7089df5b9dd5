"""Type `pii`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from pydantic import Field

from schemas.patterns import compiled
from schemas.personal_data import matches
from schemas.score import Evidence
from schemas.trace import Span, SpanKind

from ..base import CodeEvaluator, Environment, Identity
from ..protocol import Answer, Target, Verdict
from ..text import KINDS_WITH_TEXT, Piece, TextChoice, TextOptions, pieces

KINDS = frozenset(
    (
        *("EMAIL", "PHONE", "CREDIT_CARD", "SSN", "IBAN", "IP_ADDRESS", "IP", "PERSON", "NAME", "ADDRESS", "PASSPORT"),
        *("DATE_OF_BIRTH", "NATIONAL_ID", "DRIVER_LICENSE", "TAX_ID", "BANK_ACCOUNT", "MAC_ADDRESS"),
    )
)
"""Kinds of redaction's tokens that are personal data; patterns find some of them."""
_TOKEN = compiled(r"\[([A-Z][A-Z0-9_]*):[0-9a-f]{6}\]")
_PREFIXES: Mapping[TextChoice, tuple[str, ...]] = {
    "output": ("output",),
    "input": ("input",),
    "arguments": ("arguments",),
    "result": ("result",),
    "all": ("",),
}


class PiiOptions(TextOptions):
    kinds: tuple[str, ...] | None = Field(
        None, description="Kinds that count, as in redaction tokens, e.g. [EMAIL, PHONE]; default: all personal data."
    )


class Pii(CodeEvaluator[PiiOptions]):
    """Fails where a text holds personal data; the value is how many pieces.

    Counts what redaction has replaced (its tokens such as `[EMAIL:3fa9c1]`, and its findings on the span) and what
    redaction's patterns find in the rest: e-mail addresses, telephone numbers, payment cards (Luhn), IBANs (mod 97), US
    social security numbers and addresses of machines. Names and postal addresses have no pattern: they are seen only where redaction has a rule for them.
    Says where, never what. Whether the user may see the data is not asked.
    """

    Options = PiiOptions

    def __init__(self, identity: Identity, options: PiiOptions, environment: Environment) -> None:
        super().__init__(identity, options, environment)
        self._kinds = frozenset(kind.upper() for kind in options.kinds) if options.kinds is not None else KINDS

    @classmethod
    def default_span_kinds(cls, options: PiiOptions) -> frozenset[SpanKind]:
        return KINDS_WITH_TEXT[options.text]

    def evaluate(self, target: Target) -> Iterable[Answer]:
        found = pieces(target, self.options.text)
        replaced = self._findings(target.span)
        if not found and not replaced:
            return ()
        counts: Counter[str] = Counter()
        evidence: list[Evidence] = []
        for piece in found:
            here = self._in_text(piece.text)
            counts += here
            evidence += [_evidence(piece, kind) for kind in sorted(here)]
        for kind, number in replaced.items():
            counts[kind] = max(counts[kind], number)
        total = sum(counts.values())
        if not total:
            return (Verdict(value=0.0, label="none", passed=True),)
        listed = ", ".join(f"{kind} {number}" for kind, number in sorted(counts.items()) if number)
        return (
            Verdict(
                value=float(total),
                label="pii",
                passed=False,
                explanation=f"personal data: {listed}",
                evidence=tuple(evidence),
                attributes=dict(sorted(counts.items())),
            ),
        )

    def _in_text(self, text: str) -> Counter[str]:
        tokens = [match.group(1) for match in _TOKEN.finditer(text)] if "[" in text else []
        rest = _TOKEN.sub(" ", text) if tokens else text
        found = Counter(kind for kind in tokens if kind in self._kinds)
        found.update(kind for kind, _ in matches(rest) if kind in self._kinds)
        return found

    def _findings(self, span: Span | None) -> Counter[str]:
        """What redaction found in the part of the span that is looked at."""
        found: Counter[str] = Counter()
        prefixes = _PREFIXES[self.options.text]
        for finding in span.findings if span is not None else ():
            if finding.kind.upper() in self._kinds and finding.path.startswith(prefixes):
                found[finding.kind.upper()] += finding.count
        return found


def _evidence(piece: Piece, kind: str) -> Evidence:
    return Evidence(span_id=piece.span_id, path=piece.path, quote=kind)
