"""How often the evaluator `pii` is right about a text, beside an e-mail pattern: ``python -m tests.benchmarks.pii``.

Data: `tests/sinks/pii_made.py`, seed 2, the texts with personal data of a kind that has a rule or none, and the look-alikes. Alone it
reads the text as it came; in the stream redaction reads it first.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from evaluators.code.pii import KINDS
from schemas.ids import Hasher
from schemas.settings.pipeline import RedactionSettings
from sinks.redact import Redactor
from tests.benchmarks.redaction import EMAIL_ONLY, SEED
from tests.evaluators.making import said, score_of
from tests.sinks.pii_made import NOT_COVERED, made

REDACTOR = Redactor(RedactionSettings(), Hasher(b"benchmark"))


def flags(text: str) -> bool:
    """Whether the evaluator finds personal data."""
    return score_of("{type: pii}", said(text)).passed is False


WAYS: dict[str, Callable[[str], bool]] = {
    "pii, after redaction": lambda text: flags(REDACTOR.text(text)),
    "pii alone": flags,
    "e-mail pattern": lambda text: EMAIL_ONLY.search(text) is not None,
}


def main() -> None:
    texts = made(SEED)
    personal = [one for one in texts if one.kind and (one.kind in KINDS or one.kind in NOT_COVERED)]
    alike = [one for one in texts if one.kind is None]
    covered = [one for one in personal if one.kind not in NOT_COVERED]
    table = Table(
        title=f"{len(personal)} texts with personal data ({len(covered)} of kinds with a rule), {len(alike)} look-alikes"
    )
    for column in ("", *WAYS):
        table.add_column(column, justify="right" if column else "left")
    found = {
        way: ({id(one) for one in personal if says(one.text)}, sum(says(one.text) for one in alike))
        for way, says in WAYS.items()
    }
    for form in dict.fromkeys(one.form for one in personal):
        of = [one for one in personal if one.form == form]
        table.add_row(
            f"recall {form}", *(f"{sum(id(one) in right for one in of) / len(of):.3f}" for right, _ in found.values())
        )
    for name, of in (("recall, kinds with a rule", covered), ("recall, all", personal)):
        table.add_row(name, *(f"{sum(id(one) in right for one in of) / len(of):.3f}" for right, _ in found.values()))
    table.add_row("precision", *(f"{len(right) / max(len(right) + wrong, 1):.3f}" for right, wrong in found.values()))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
