"""What goes to the outbox for alerts and drift events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from schemas.alert import Alert
from schemas.drift_event import DriftEvent
from schemas.settings import Settings, Topics
from sinks.warehouse import Notification


def notifications(alerts: Sequence[Alert], events: Sequence[DriftEvent], settings: Settings) -> list[Notification]:
    """The topics receive everything; webhooks what is to be notified, at the destinations that its rule names, and for drift
    events those of the monitor, unless they are too old."""
    found = [Notification(Topics.DRIFT, "topic", event.to_bytes(), event.event_id) for event in events]
    oldest = datetime.now(UTC) - timedelta(seconds=settings.monitor.max_alert_age_s)
    found += [
        Notification(destination.name, destination.type, event.to_bytes(), event.event_id)
        for event in events
        for destination in settings.notify
        if destination.name in settings.monitor.destinations and event.detected_at >= oldest
    ]
    rules = {rule.name: rule for rule in settings.alerts}
    for alert in alerts:
        found.append(Notification(Topics.ALERTS, "topic", alert.to_bytes(), alert.alert_id))
        chosen = rules[alert.rule].destinations if alert.rule in rules else None
        found += [
            Notification(destination.name, destination.type, alert.to_bytes(), alert.alert_id)
            for destination in settings.notify
            if alert.notify and (chosen is None or destination.name in chosen)
        ]
    return found
