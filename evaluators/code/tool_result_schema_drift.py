"""Type `tool_result_schema_drift`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from schemas.score import TargetKind
from schemas.trace import Span, SpanKind

from ..profiles.content import Content, content_of
from ..profiles.drifting import SchemaDrift, SchemaDriftOptions
from ..profiles.evaluator import Observed
from ..profiles.shape import shape_of, written
from ..protocol import Answer, Target


class ToolResultSchemaDrift(SchemaDrift):
    """Fails where a tool's answer is shaped otherwise than the tool's answers usually are.

    Learned for each tool: which keys its answers have, at every depth, and of which types the values are. Labels: `renamed_key`
    (a key is missing and a new one took its place), `retyped` (a value of another type), `null` (a value that never was null),
    `missing_key`, and `new_key`, which passes unless `new_keys: fail`. Keys that are there now and then are optional and pass,
    so do values that are null now and then, new values, empty lists, and keys that are data (ids, dates). A deviation fails
    once five answers show what is usual (twenty, where the tool is known to vary in this way); until then, and until
    three answers at all, the decision waits for its profile (`skipped: learning`). After a lasting change of the tool the new
    shape becomes the usual one within some tens of answers. Answers that are text are no targets.
    """

    targets: ClassVar[frozenset[TargetKind]] = frozenset(("span",))

    @classmethod
    def default_span_kinds(cls, options: SchemaDriftOptions) -> frozenset[SpanKind]:
        return frozenset(("tool",))

    def observe(self, target: Target) -> Iterable[Observed]:
        span = target.span
        content = _structured(span)
        if span is None or content is None:
            return ()
        return (Observed(_subject(span), written(shape_of(content.value))),)

    def evaluate(self, target: Target) -> Iterable[Answer]:
        span = target.span
        content = _structured(span)
        if span is None or content is None:
            return ()
        subject = _subject(span)
        return (
            self.judge(span, f"the answer of {subject}", content.value, content.path, self.profile(target, subject)),
        )


def _subject(span: Span) -> str:
    return span.tool_name or span.name


def _structured(span: Span | None) -> Content | None:
    """The answer where it is an object or a list with something in it."""
    if span is None or span.truncated or span.status == "error" or span.error_type is not None:
        return None
    content = content_of(span.result)
    return content if isinstance(content.value, dict | list) and content.value else None
