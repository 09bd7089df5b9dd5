"""Precision and recall of redaction on made-up texts, beside a bare regular expression: ``python -m tests.benchmarks.redaction``.

Recall: the share of labelled values of which no six characters in a row are left in the text. Precision: of all that was swapped, the share that lay in
a labelled value. Data: `tests/sinks/pii_made.py`, seed 2 (the rules were written with other texts at hand, `tests/sinks/pii_set.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import re2
from rich.console import Console
from rich.table import Table

from schemas.ids import Hasher
from schemas.settings.pipeline import RedactionSettings
from sinks.redact import Redactor
from tests.sinks.pii_made import NOT_COVERED, Labelled, made

SEED = 2
TOKEN = re2.compile(r"\[[A-Z_]+:[0-9a-z]+\]")
EMAIL_ONLY = re2.compile(r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9.\-]+\.[A-Za-z]{2,}")
NAIVE = re2.compile(
    EMAIL_ONLY.pattern
    + r"|\+?\d[\d ().\-]{7,}\d|(?:\d[ \-]?){13,16}|\d{3}-\d{2}-\d{4}|(?:\d{1,3}\.){3}\d{1,3}|(?:sk|ghp|hf|xoxb)[-_][A-Za-z0-9_\-]{16,}"
)

LEFT_CHARS = 6

Redact = Callable[[str], str]
WAYS: dict[str, Redact] = {
    "evalstream": Redactor(RedactionSettings(), Hasher(b"benchmark")).text,
    "e-mail regex alone": lambda text: EMAIL_ONLY.sub("[X:0]", text),
    "six common regexes": lambda text: NAIVE.sub("[X:0]", text),
}


@dataclass
class Tally:
    """Of one way, over a set of texts."""

    values: Counter[str] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)
    swapped_rightly: int = 0
    swapped_wrongly: int = 0
    texts_changed: Counter[str] = field(default_factory=Counter)

    @property
    def precision(self) -> float:
        swapped = self.swapped_rightly + self.swapped_wrongly
        return self.swapped_rightly / swapped if swapped else 1.0

    def recall(self, forms: Sequence[str]) -> float:
        """Of several forms together."""
        return sum(self.gone[form] for form in forms) / max(sum(self.values[form] for form in forms), 1)


def tally(redact: Redact, texts: Sequence[Labelled]) -> Tally:
    """Count over texts."""
    found = Tally()
    for one in texts:
        redacted = redact(one.text)
        tokens = len(TOKEN.findall(redacted))
        if one.kind is None:
            found.swapped_wrongly += tokens
            found.texts_changed[one.form] += bool(tokens)
            continue
        secret = _secret(one)
        gone = _is_gone(secret, TOKEN.sub("", redacted))
        found.values[one.form] += 1
        found.gone[one.form] += gone
        right = min(tokens, 1) if gone else 0
        found.swapped_rightly += right
        found.swapped_wrongly += tokens - right
    return found


def _is_gone(secret: str, left: str) -> bool:
    """Whether no six characters of it that follow each other are left."""
    size = min(len(secret), LEFT_CHARS)
    return not any(secret[i : i + size] in left for i in range(len(secret) - size + 1))


def _secret(one: Labelled) -> str:
    """What must go: of a URL the password, of a key the lines, of a number behind a word the number."""
    if one.kind == "URL_PASSWORD":
        return one.value.split(":")[2].split("@")[0]
    if one.kind == "PRIVATE_KEY":
        return one.value.splitlines()[1]
    for before in ("phone: ", "DB_PASSWORD=", "my password is "):
        if one.value.startswith(before):
            return one.value.removeprefix(before)
    return one.value


def main() -> None:
    texts = made(SEED)
    forms = list(dict.fromkeys(one.form for one in texts if one.kind))
    covered = [form for form in forms if form.split(":")[0] not in NOT_COVERED]
    tallies = {way: tally(redact, texts) for way, redact in WAYS.items()}
    table = Table(
        title=f"{len(texts)} texts, {sum(one.kind is None for one in texts)} of them look-alikes (seed {SEED})"
    )
    for column in ("", *WAYS):
        table.add_column(column, justify="left" if not column else "right")
    for form in forms:
        table.add_row(f"recall {form}", *(f"{t.recall([form]):.3f}" for t in tallies.values()))
    table.add_row("recall, kinds with a rule", *(f"{t.recall(covered):.3f}" for t in tallies.values()))
    table.add_row("recall, all kinds", *(f"{t.recall(forms):.3f}" for t in tallies.values()))
    table.add_row("precision", *(f"{t.precision:.3f}" for t in tallies.values()))
    for form in sorted({one.form for one in texts if one.kind is None}):
        count = sum(one.form == form for one in texts)
        if any(t.texts_changed[form] for t in tallies.values()):
            table.add_row(f"changed: {form}", *(f"{t.texts_changed[form]}/{count}" for t in tallies.values()))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
