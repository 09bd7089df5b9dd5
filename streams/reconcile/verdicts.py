"""Every question to a judge has a decision, or waits in the log; and what the warehouse takes to be asked was asked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from schemas.errors import InvalidRecord
from schemas.judge_request import JudgeRequest
from schemas.score import DecisionKey
from schemas.settings import Topics
from sinks.warehouse import WaitingRequest
from streams.kafka.clock import record_time
from streams.reconcile.ground import Ground
from streams.reconcile.report import Account, Missing

TOLD = "told"
"""Decisions that a check of ours has told of; nobody else needs to."""

LOST = "lost"
"""(trace, evaluator) of which a decision is lost."""

WAITING = "asked"
REQUESTS_AT_ONCE = 2_000


class Verdicts:
    """Checks `judge_requests` against the decisions, and the requests in flight against `judge_requests`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def take(self, records: Sequence[Any]) -> None:
        """Records of `judge_requests`."""
        ground, unread, asked = self._ground, [], []
        for record in records:
            try:
                asked.append((record, JudgeRequest.from_bytes(record.value or b"")))
            except InvalidRecord:
                unread.append(record)
        ground.account_unread("records", Topics.JUDGE_REQUESTS, unread)
        decided = ground.warehouse.decided_keys([request.trace_id for _, request in asked])
        missing = []
        for record, request in asked:
            left = [key for key in _keys(request) if key not in decided]
            ground.report.add("verdicts", "stored", len(_keys(request)) - len(left))
            if left and ground.is_done(Topics.JUDGE_REQUESTS, record):
                missing.append((record, left))
            elif left:
                ground.remember(WAITING, map(key_text, left))
                ground.remember(TOLD, map(key_text, left))
                ground.report.add("verdicts", "in_flight", len(left))
        self._account(missing)

    def finish(self) -> None:
        """Compare what is in flight according to the warehouse with what waits in the log."""
        waiting = self._ground.warehouse.waiting_requests()
        while some := list(islice(waiting, REQUESTS_AT_ONCE)):
            self._compare([one for one in some if self._is_in_range(one)])

    def _account(self, missing: Sequence[tuple[Any, list[DecisionKey]]]) -> None:
        ground = self._ground
        buried = ground.warehouse.letters_at(Topics.JUDGE_REQUESTS, [record.offset for record, _ in missing])
        gone = ground.deleted(keys[0].trace_id for _, keys in missing)
        for record, keys in missing:
            account: Account | None = None
            if (record.partition, record.offset) in buried:
                account = "dead_letter"
            elif keys[0].trace_id in gone:
                account = "deleted"
            elif ground.is_beyond_retention(record_time(record)):
                account = "beyond_retention"
            if account is not None:
                ground.report.add("verdicts", account, len(keys))
                ground.remember(TOLD, map(key_text, keys))
                continue
            for key in keys:
                self._miss("verdict_lost", key, Topics.JUDGE_REQUESTS, record.partition, record.offset)

    def _is_in_range(self, request: WaitingRequest) -> bool:
        source = request.source
        extent = self._ground.log.extents.get((source.topic, source.partition))
        if extent is None or source.epoch != self._ground.epoch(source.topic, source.partition):
            return False
        return extent.begin <= source.offset < extent.end

    def _compare(self, requests: Sequence[WaitingRequest]) -> None:
        ground = self._ground
        waiting = ground.scratch.met(WAITING, (key_text(request.key) for request in requests))
        decided = ground.warehouse.decided_keys([request.key.trace_id for request in requests])
        for request in requests:
            source = request.source
            if key_text(request.key) in waiting or request.key in decided:
                continue
            if source.offset >= ground.done(source.topic, source.partition):
                ground.report.add("verdicts", "in_flight")
            elif self._retention_took_some():
                ground.report.add("verdicts", "beyond_retention")
            else:
                self._miss("request_lost", request.key, source.topic, source.partition, source.offset)

    def _retention_took_some(self) -> bool:
        return any(gap.topic == Topics.JUDGE_REQUESTS for gap in self._ground.warehouse.gaps())

    def _miss(self, reason: Any, key: DecisionKey, topic: str, partition: int, offset: int) -> None:
        """A verdict that is lost, told once however often it was asked."""
        if self._ground.scratch.met(TOLD, [key_text(key)]):
            return
        self._ground.remember(TOLD, [key_text(key)])
        self._ground.remember(LOST, [pair_text(key.trace_id, key.evaluator)])
        details = {
            "verdict_lost": "the judge has come past the question and left no decision",
            "request_lost": "it is in flight according to the warehouse, and no question to the judge waits",
        }
        self._ground.report.miss(
            Missing(
                "verdicts",
                reason,
                trace_id=key.trace_id,
                span_id=key.target_id or None,
                evaluator=key.evaluator,
                topic=topic,
                partition=partition,
                offset=offset,
                detail=details[reason],
            )
        )


def _keys(request: JudgeRequest) -> list[DecisionKey]:
    return [
        DecisionKey(request.trace_id, name, request.evaluator_version, view.target_id, view.target_digest)
        for view in request.views
        for name in request.decisions
    ]


def key_text(key: DecisionKey) -> str:
    """A decision as one text."""
    return "\x1f".join(key)


def pair_text(trace_id: str, evaluator: str) -> str:
    """A trace and an evaluator as one text."""
    return f"{trace_id}\x1f{evaluator}"
