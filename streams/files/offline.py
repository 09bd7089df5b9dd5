"""The same evaluation without Kafka: files in, decisions out, in file order.

What the workers do with a record is done here with a trace: fragments are assembled and redacted, the record that
assemble would write is made and read again, and the same suite decides. So counts and values are those of the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Literal

from drift.segments import dimension_names, dimensions
from evaluators.profiles.evaluator import LEARNING
from evaluators.run import Decided, Suite
from schemas.errors import InvalidRecord
from schemas.files import FileRecord
from schemas.ids import Hasher, plain_digest
from schemas.merge import merge_traces, with_digests
from schemas.native import read_trace
from schemas.otlp import TraceFragment, assemble, decode
from schemas.score import DecisionKey
from schemas.session import SessionClosed, SessionMember
from schemas.settings import Settings
from schemas.trace import Session, Trace
from sinks.redact import Redactor
from sinks.warehouse import Known, TraceDecisions, Warehouse, subjects_of
from streams.files.profiles import AllBut, FileProfiles
from streams.files.publishing import Problem, lines_of
from streams.gathering.shrink import shrink
from streams.kafka.otlp_records import RECORD_OVERHEAD_BYTES

BATCH_TRACES = 50
Keeping = Literal["all", "nothing"]
Learning = Literal["files", "nothing"]


@dataclass
class _Gathered:
    """What the files say about one trace."""

    fragments: list[TraceFragment] = field(default_factory=list)
    natives: list[Trace] = field(default_factory=list)


class Offline:
    """Evaluates traces in this process.

    Parameters
    ----------
    warehouse : where traces and decisions are stored; what it already holds is not decided again.
    keeping : "all" stores traces and decisions, "nothing" only looks at what the warehouse holds.
    learning : "files" learns profiles from the traces, in their order; "nothing" goes by those of the warehouse.
    """

    def __init__(
        self,
        settings: Settings,
        suite: Suite,
        hasher: Hasher,
        warehouse: Warehouse | None = None,
        keeping: Keeping = "all",
        learning: Learning = "files",
    ) -> None:
        self._settings, self._suite, self._hasher = settings, suite, hasher
        self._warehouse, self._keeping = warehouse, keeping
        self._redactor = Redactor(settings.redaction, hasher)
        self._dimensions = dimension_names(settings.monitor)
        self.deleted = 0
        """Traces that were left out, since a person had them deleted."""
        self._learn = learning == "files"
        keep = self._learn and keeping == "all"
        self._profiles = FileProfiles(suite, settings.monitor.max_profiles, warehouse, keep=keep)

    def traces_in(self, files: Iterable[Path], on_problem: Callable[[Problem], None]) -> Iterator[Trace]:
        """The traces of `files` in order of appearance, each whole, redacted, as evaluate would read it."""
        gathered: dict[str, _Gathered] = {}
        for file in files:
            for place, record in lines_of(file, on_problem):
                try:
                    self._take(record, gathered)
                except InvalidRecord as error:
                    on_problem(Problem(place, error.reason, error.detail))
        for trace_id in list(gathered):
            yield self._whole(gathered.pop(trace_id))

    def evaluate(self, traces: Iterable[Trace]) -> Iterator[tuple[Trace, Decided]]:
        """Decide traces, then what had to wait for a profile, then the sessions among the traces; a session's decisions
        come with its newest trace."""
        of_session: dict[str, list[Trace]] = {}
        for batch in _chunks(traces, BATCH_TRACES):
            for trace, decided in self._decide(batch):
                if trace.session_id:
                    of_session.setdefault(trace.session_id, []).append(trace)
                yield trace, decided
            self._profiles.save()
        for trace, keys in self._profiles.held():
            decided = self._decided(trace, AllBut(keys))
            self.store(trace.trace_id, decided)
            yield trace, Decided(decided.scores)
        if self._has_session_evaluators():
            for session_id in of_session:
                yield self._decide_session(session_id, of_session[session_id])

    def read_record(self, data: bytes) -> Trace:
        """A record of the topic `traces`, as evaluate reads it. Raises `InvalidRecord`."""
        settings = self._settings
        trace = read_trace(
            data, self._hasher, default_project=settings.project, default_environment=settings.environment
        )
        return self._redactor.trace(trace)

    def read_records(self, records: Iterable[tuple[str, bytes]]) -> tuple[list[Trace], list[Problem]]:
        """Records of the topic `traces` with their places, and those that cannot be read."""
        traces, problems = [], []
        for place, data in records:
            try:
                traces.append(self.read_record(data))
            except InvalidRecord as error:
                problems.append(Problem(place, error.reason, error.detail))
        return traces, problems

    def store(self, trace_id: str, decided: Decided) -> None:
        """Keep decisions; judge requests are left out, for nobody would answer them."""
        if self._warehouse is not None and self._keeping == "all":
            made = TraceDecisions(trace_id, decided.scores, (), decided.passed_over)
            self._warehouse.write_decisions([made])

    def _take(self, record: FileRecord, gathered: dict[str, _Gathered]) -> None:
        if record.kind == "native":
            trace = self.read_record(record.data)
            gathered.setdefault(trace.trace_id, _Gathered()).natives.append(trace)
            return
        for fragment in decode(record.data, self._hasher):
            gathered.setdefault(fragment.trace_id, _Gathered()).fragments.append(fragment)

    def _whole(self, found: _Gathered) -> Trace:
        pieces = list(found.natives)
        if found.fragments:
            settings = self._settings
            trace = assemble(
                found.fragments, default_project=settings.project, default_environment=settings.environment
            )
            pieces.insert(0, self.read_record(self._as_record(self._redactor.trace(trace))))
        if len(pieces) == 1:
            return pieces[0]
        pairs = {(span.span_id, span.digest) for piece in pieces for span in piece.spans}
        return with_digests(reduce(merge_traces, pieces), pairs)

    def _as_record(self, trace: Trace) -> bytes:
        data = trace.to_bytes()
        limit = int(self._settings.kafka.max_record_mb * 2**20) - RECORD_OVERHEAD_BYTES
        return data if len(data) <= limit else shrink(trace, limit).to_bytes()

    def _decide(self, traces: Sequence[Trace]) -> Iterator[tuple[Trace, Decided]]:
        whole = {trace.trace_id: trace for trace in traces}
        known: Mapping[str, Known] = {}
        waiting: Mapping[str, Mapping[DecisionKey, datetime]] = {}
        if self._warehouse is not None:
            if self._keeping == "nothing":
                gone = self._warehouse.tombstoned({subject for trace in traces for subject in subjects_of(trace)})
                whole = {trace.trace_id: trace for trace in traces if gone.isdisjoint(subjects_of(trace))}
            else:
                whole = {trace_id: kept.trace for trace_id, kept in self._warehouse.store_traces(traces).items()}
            self.deleted += len({trace.trace_id for trace in traces} - whole.keys())
            known = self._warehouse.known_decisions(list(whole))
            waiting = self._warehouse.skipped(LEARNING, trace_ids=list(whole))
        for trace_id, trace in whole.items():
            again = waiting.get(trace_id, {}).keys()
            decided = self._decided(trace, known[trace_id].keys - again if trace_id in known else frozenset())
            self.store(trace_id, decided)
            if self._learn:
                self._profiles.learn(trace, [score for score in decided.scores if score.key not in again])
                decided = self._profiles.hold(trace, decided)
            yield trace, decided

    def _decided(self, trace: Trace, known: Container[DecisionKey]) -> Decided:
        return self._suite.decide(
            trace,
            known,
            source=None,
            event_time=trace.end,
            now=datetime.now(UTC),
            dimensions=dimensions(trace, self._dimensions),
            profiles=self._profiles.known,
        )

    def _has_session_evaluators(self) -> bool:
        return any(evaluator.target == "session" for evaluator in self._suite.evaluators)

    def _decide_session(self, session_id: str, traces: list[Trace]) -> tuple[Trace, Decided]:
        session = self._session(session_id, traces)
        newest = session.traces[-1]
        known: frozenset[DecisionKey] = frozenset()
        if self._warehouse is not None and (found := self._warehouse.known_decisions([newest.trace_id])):
            known = found[newest.trace_id].keys
        decided = self._suite.decide_session(
            session,
            known,
            source=None,
            event_time=newest.end,
            now=datetime.now(UTC),
            dimensions=dimensions(newest, self._dimensions),
        )
        self.store(newest.trace_id, decided)
        return newest, decided

    def _session(self, session_id: str, traces: list[Trace]) -> Session:
        """The session as the warehouse knows it; without one, of the traces in the files."""
        if self._warehouse is not None and self._keeping == "all":
            members = tuple(_member(session_id, trace) for trace in traces)
            stored = self._warehouse.store_session(SessionClosed(session_id=session_id, members=members))
            if stored is not None:
                return stored
        ordered = tuple(sorted(traces, key=lambda trace: (trace.start, trace.trace_id)))
        return Session(
            session_id=session_id,
            project=max(trace.project for trace in ordered),
            environment=max(trace.environment for trace in ordered),
            traces=ordered,
            revision=sum(trace.revision for trace in ordered),
            fingerprint=plain_digest(sorted((trace.trace_id, trace.fingerprint) for trace in ordered)),
        )


def _member(session_id: str, trace: Trace) -> SessionMember:
    return SessionMember(
        session_id=session_id,
        trace_id=trace.trace_id,
        fingerprint=trace.fingerprint,
        project=trace.project,
        environment=trace.environment,
        event_time=trace.end,
    )


def _chunks(traces: Iterable[Trace], size: int) -> Iterator[list[Trace]]:
    batch: list[Trace] = []
    for trace in traces:
        batch.append(trace)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
