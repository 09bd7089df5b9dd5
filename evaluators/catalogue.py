"""The page of all evaluator types, from their classes: ``python -m evaluators.catalogue > docs/evaluators/catalogue.md``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from .base import BaseEvaluator
from .profiles.evaluator import LearningEvaluator
from .registry import BUILT_IN, evaluator_class

HEAD = """# Evaluators

One entry of `evaluators:` makes one evaluator:

```yaml
evaluators:
  - type: length               # one of the types below, or of an installed package
    name: short_answers        # unique; default: the type
    target: span               # span, trace or session; default: the type's own
    span_kinds: [llm]          # which spans, for `target: span`
    filter: span.agent_name == "clerk"   # see filters.md
    sample_rate: 0.2           # share of traces, chosen by hash: the same on every worker
    context: trace             # decide a span again when its trace grows
    needs_complete: true       # skip traces that a limit has cut
    version: v3                # default: a hash of type, options and implementation
    options: {max: 400}
```

What an evaluator says of a target is recorded as `scored`; as `skipped` with a reason where it applies and can say nothing;
as `failed` with the type of the error where it broke. Where it does not apply, nothing is recorded.

Evaluators that read text have the option `text`: `output` (what the model said; of a trace its final answer), `input` (the
last user message), `arguments` and `result` (of tool calls) or `all`. It also chooses the default `span_kinds`.

A package adds types by the entry-point group `evalstream.evaluators`: a subclass of `evaluators.base.CodeEvaluator`. Nothing
of a package is loaded before the configuration names it: `plugins: [the-package]`.
"""


def page() -> str:
    """The page as Markdown."""
    return "\n".join([HEAD, *(_section(name, evaluator_class(name)) for name, _ in BUILT_IN)])


def _section(name: str, found: type[BaseEvaluator[Any]]) -> str:
    about = inspect.cleandoc(found.__doc__ or "")
    targets = ", ".join(
        f"**{target}**" if target == found.default_target else target for target in sorted(found.targets)
    )
    facts = [f"Targets: {targets}", f"lane: {found.lane}"]
    if found.default_context == "trace":
        facts.append("context: trace")
    if issubclass(found, LearningEvaluator):
        facts.append("learns a [profile](../concepts/profiles.md)")
    if found.default_needs_complete:
        facts.append("needs complete traces")
    lines = [f"## `{name}`", "", about, "", f"{'; '.join(facts)}.", ""]
    options = list(_options(found))
    if options:
        lines += ["| option | type | default | what |", "|---|---|---|---|", *options, ""]
    return "\n".join(lines)


def _options(found: type[BaseEvaluator[Any]]) -> Iterator[str]:
    for name, field in found.Options.model_fields.items():
        cells = (f"`{field.alias or name}`", _type(field.annotation), _default(field), field.description or "")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(annotation: Any) -> str:
    """An annotation as users of YAML read it."""
    origin, inner = get_origin(annotation), [a for a in get_args(annotation) if a is not type(None)]
    if inner and str(origin).endswith("Literal"):
        return ", ".join(f"`{value}`" for value in inner)
    if inner and isinstance(origin, type) and origin.__name__ == "tuple":
        return f"list of {_type(inner[0])}"
    if inner and isinstance(origin, type) and origin.__name__ in ("Mapping", "dict"):
        return f"map of {_type(inner[-1])}"
    if inner:
        return " or ".join(_type(each) for each in inner)
    return {"str": "text", "int": "integer", "float": "number", "Any": "anything"}.get(
        getattr(annotation, "__name__", ""), getattr(annotation, "__name__", str(annotation))
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is PydanticUndefined or value is None or value in ((), {}):
        return ""
    return f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
