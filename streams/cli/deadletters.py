"""`evalstream deadletters`: the records that could not be read or worked on, and publishing them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams import exits
from streams.cli import console, options

if TYPE_CHECKING:
    from sinks.warehouse import LetterFilter, StoredLetter
    from streams.cli.locate import Located
    from streams.requeue import Requeued

deadletters = typer.Typer(help="Records that could not be read or worked on.", no_args_is_help=True)

SHOWN_ID_CHARS = 12
LEAST_ID_CHARS = 4
SHOWN_PAYLOAD_CHARS = 4_000

Reason = Annotated[str | None, typer.Option(metavar="WORD", help="Of this reason, e.g. poison.", show_default=False)]
Component = Annotated[str | None, typer.Option(metavar="NAME", help="Written by this one.", show_default=False)]
Topic = Annotated[str | None, typer.Option(metavar="NAME", help="From this topic.", show_default=False)]
Since = Annotated[
    str | None, typer.Option(metavar="T", help="Records written since then: ISO 8601 or seconds.", show_default=False)
]
Until = Annotated[str | None, typer.Option(metavar="T", help="Records written before then.", show_default=False)]


@deadletters.command("list")
def list_letters(
    reason: Reason = None,
    component: Component = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only those not published again.", show_default=False)
    ] = False,
    limit: options.Limit = 50,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Show dead letters, the newest first.

    Example: evalstream deadletters list --reason poison --since 2026-01-31
    """
    from streams.cli.reading import reading

    chosen = _filter((), reason, component, topic, since, until, requeued=False if waiting else None)
    with reading(config, data) as warehouse:
        found = warehouse.dead_letters(chosen, limit)
        total = warehouse.count_dead_letters(chosen)
    if as_json:
        for stored in found:
            console.emit_json(_document(stored))
        return
    columns = ["id", "written", "component", "reason", "position", "bytes", "published again", "detail"]
    rows = [
        [
            stored.letter_id[:SHOWN_ID_CHARS],
            stored.letter.time,
            stored.letter.component,
            stored.letter.reason,
            _position(stored),
            stored.letter.size_bytes,
            stored.requeued_at,
            stored.letter.detail,
        ]
        for stored in found
    ]
    console.show_table(f"{total} dead letters", columns, rows, right=["bytes"])
    if total > len(found):
        console.note(f"the newest {len(found)} are shown; --limit shows more")


@deadletters.command("show")
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, or the beginning of it.", show_default=False)],
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Show one dead letter: reason, detail, position, and its bytes where they were kept.

    Bytes are kept, redacted, with the setting `redaction.keep_dead_letter_payloads`.

    Example: evalstream deadletters show 3f9a0c1b2d4e
    """
    from sinks.warehouse import LetterFilter
    from streams.cli.reading import reading

    with reading(config, data) as warehouse:
        found = warehouse.dead_letters(LetterFilter(ids=(letter_id,)), 2)
    if len(found) != 1:
        console.fail(f"{'several' if found else 'no'} dead letters have an id that begins with {letter_id}")
        raise typer.Exit(exits.NEGATIVE)
    if as_json:
        console.emit_json(_document(found[0]))
        return
    _show(found[0])


@deadletters.command("requeue")
def requeue(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID...]", help="Ids or beginnings of them.", show_default=False)
    ] = None,
    reason: Reason = None,
    component: Component = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.", show_default=False)] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also those that were published again before.", show_default=False)
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only look what is still there.", show_default=False)
    ] = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Publish records again, to the topic and partition they came from, after what was wrong is mended.

    The original bytes are read from the topic while its retention has them, else what was kept is taken. Each letter is marked, and
    a second call passes it over. The exit code is 1 when some are gone.

    Example: evalstream deadletters requeue --reason internal_error --since 2026-01-31 --dry-run
    """
    import asyncio

    from schemas.errors import ConfigError
    from streams.cli.locate import locate, need_broker

    chosen = _filter(tuple(ids or ()), reason, component, topic, since, until, requeued=None if again else False)
    if not every and not any((ids, reason, component, topic, since, until)):
        raise ConfigError("say which: ids, a filter such as --reason, or --all")
    found = locate(config, data)
    need_broker(found)
    outcomes = asyncio.run(_requeue(found, chosen, dry_run))
    lost = [one for one in outcomes if one.outcome != "requeued"]
    if as_json:
        for one in outcomes:
            console.emit_json({"letter_id": one.letter_id, **_said(one), "dry_run": dry_run})
    else:
        _show_outcomes(outcomes, dry_run)
    raise typer.Exit(exits.NEGATIVE if lost else exits.OK)


async def _requeue(found: Located, chosen: LetterFilter, dry_run: bool) -> list[Requeued]:
    from streams.cli.run import hasher_of
    from streams.cli.sending import connected
    from streams.opening import open_existing
    from streams.requeue import requeue

    warehouse, hasher = open_existing(found.settings), hasher_of(found.settings, found.data)
    try:
        warehouse.use_key(hasher)
        letters = warehouse.dead_letters(chosen)
        with console.progress("reading" if dry_run else "publishing", len(letters)) as told:
            if dry_run:
                return await requeue(letters, found.settings.kafka, warehouse, hasher, None, told)
            async with connected(found.settings.kafka) as producer:
                return await requeue(letters, found.settings.kafka, warehouse, hasher, producer, told)
    finally:
        warehouse.close()


def _filter(
    ids: tuple[str, ...],
    reason: str | None,
    component: str | None,
    topic: str | None,
    since: str | None,
    until: str | None,
    *,
    requeued: bool | None,
) -> LetterFilter:
    from schemas.errors import ConfigError
    from sinks.warehouse import LetterFilter
    from streams.cli.reading import moment

    if any(len(one) < LEAST_ID_CHARS for one in ids):
        raise ConfigError(f"an id, or the beginning of one, has at least {LEAST_ID_CHARS} characters")
    return LetterFilter(
        ids, reason, component, topic, moment(since, "--since"), moment(until, "--until"), requeued=requeued
    )


def _document(stored: StoredLetter) -> dict[str, Any]:
    return {**stored.letter.model_dump(mode="json"), "letter_id": stored.letter_id, "requeued_at": stored.requeued_at}


def _position(stored: StoredLetter) -> str:
    source = stored.letter.source
    epoch = f" (epoch {source.epoch})" if source.epoch else ""
    return f"{source.topic}-{source.partition}@{source.offset}{epoch}"


def _show(stored: StoredLetter) -> None:
    from base64 import b64decode

    from rich.text import Text

    letter = stored.letter
    lines = {
        "id": stored.letter_id,
        "reason": letter.reason,
        "detail": letter.detail,
        "component": letter.component,
        "position": _position(stored),
        "key": letter.key,
        "written": letter.time,
        "bytes": letter.size_bytes,
        "digest": letter.digest,
        "published again": stored.requeued_at or "no",
    }
    terminal = console.terminal()
    for name, value in lines.items():
        terminal.print(Text(f"{name:>15}  {console.shown(value)}"))
    if letter.payload is None:
        terminal.print(Text("the bytes were not kept (redaction.keep_dead_letter_payloads)"))
        return
    text = b64decode(letter.payload).decode("utf-8", "backslashreplace")
    plain = "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
    terminal.print(Text(f"\n{plain[:SHOWN_PAYLOAD_CHARS]}"))
    if len(plain) > SHOWN_PAYLOAD_CHARS:
        console.note(f"{len(plain) - SHOWN_PAYLOAD_CHARS} more characters: --json has all that was kept")


def _said(one: Requeued) -> dict[str, Any]:
    from streams.requeue import EXPLAINED

    return {"outcome": one.outcome, "origin": one.origin, "detail": EXPLAINED[one.outcome]}


def _show_outcomes(outcomes: list[Requeued], dry_run: bool) -> None:
    from collections import Counter

    from streams.requeue import EXPLAINED

    if not outcomes:
        console.note("no dead letter is chosen that was not published again before")
        return
    counts = Counter((one.outcome, one.origin) for one in outcomes)
    would = "could be " if dry_run else ""
    rows = [
        [outcome, count, f"{would}{EXPLAINED[outcome]}, from the {origin}" if origin else EXPLAINED[outcome]]
        for (outcome, origin), count in sorted(counts.items(), key=str)
    ]
    console.show_table(f"{len(outcomes)} dead letters", ["outcome", "letters", "meaning"], rows, right=["letters"])
    for one in [one for one in outcomes if one.outcome != "requeued"][:20]:
        console.fail(f"{one.letter_id[:SHOWN_ID_CHARS]}: {EXPLAINED[one.outcome]}")
