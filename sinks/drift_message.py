"""A drift event as a message for Slack's incoming webhooks (and what is compatible with them)."""

from __future__ import annotations

from typing import Any

from schemas.drift_event import DriftEvent

MAX_CHARS = 2900


def drift_message(event: DriftEvent) -> dict[str, Any]:
    """What changed, since when, by how much and why."""
    segment = event.segment
    where = "/".join(part for part in (segment.project, segment.environment) if part)
    if segment.dimension:
        where += f" · {segment.dimension} = {segment.dimension_value}"
    again = "size told again" if event.revision else event.change.replace("_", " ")
    title = f"{segment.evaluator} has changed ({again}): {event.explanation}"
    lines = [f":bar_chart: *drift* {escaped(title)}", escaped(where)]
    lines += [f"• {escaped(event.cause.explanation)}"] if event.cause else []
    lines += [
        f"• {escaped(change.label)}: {escaped(change.before or '-')} → {escaped(change.after or '-')}"
        for change in event.labels_changed
    ]
    text = "\n".join(lines)[:MAX_CHARS]
    return {
        "text": f"drift: {escaped(title)}"[:MAX_CHARS],
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}}],
    }


def escaped(text: str) -> str:
    """Text that Slack reads as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
