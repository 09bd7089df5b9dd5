"""What a judge is asked about one criterion: a question, the texts it needs, and the verdicts it may give.

A rubric is data, reviewed as data: one YAML file a criterion, shipped ones under `evaluators/rubrics`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from schemas.errors import ConfigError
from schemas.ids import plain_digest
from schemas.settings import Section, SourceMap
from schemas.settings.load import first_error

TextName = Literal["transcript", "history", "goal", "input", "output", "context", "calls", "tools"]
TEXT_NAMES: tuple[TextName, ...] = get_args(TextName)
NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
MAX_RUBRIC_BYTES = 256 * 1024

RubricSource = str | Mapping[str, Any]
"""A shipped rubric's name, a path ending in .yaml or .yml, or the rubric itself."""


class Choice(Section):
    """One of the verdicts. `value` None: the label says all, and nothing enters an average."""

    value: float | None = Field(None, ge=0, le=1)
    passed: bool | None = Field(None, alias="pass")
    meaning: str = ""


class Scale(Section):
    """A range of verdicts; `value` of a score is its place in the range, 0 at `min` and 1 at `max`."""

    min: float = 1.0
    max: float = 5.0
    integer: bool = True
    meanings: Mapping[float, str] = {}

    @model_validator(mode="after")
    def _ordered(self) -> Scale:
        if not self.min < self.max:
            raise ValueError(f"min ({self.min:g}) must be below max ({self.max:g})")
        if self.integer and not (self.min.is_integer() and self.max.is_integer()):
            raise ValueError("min and max of an integer scale must be whole numbers")
        return self


class Rubric(Section):
    """One criterion.

    `inputs` are the texts without which there is nothing to judge, `optional` those that help. With `choices`, each says
    whether it passes, or `pass_threshold` decides by its value; with `score`, `pass_threshold` is on the scale itself.
    """

    name: str = Field(pattern=NAME_PATTERN)
    question: str = Field(min_length=10, description="What is to be judged, as told to the judge.")
    inputs: tuple[TextName, ...] = Field(min_length=1)
    optional: tuple[TextName, ...] = ()
    choices: Mapping[str, Choice] | None = Field(None, description="Best first, by convention.")
    score: Scale | None = None
    pass_threshold: float | None = None
    direction: Literal["higher_is_better", "lower_is_better"] = "higher_is_better"

    @model_validator(mode="after")
    def _consistent(self) -> Rubric:
        if (self.choices is None) == (self.score is None):
            raise ValueError("give exactly one of choices and score")
        if self.choices is not None and len(self.choices) < 2:
            raise ValueError("give at least two choices")
        low, high = (self.score.min, self.score.max) if self.score else (0, 1)
        if self.pass_threshold is not None and not low <= self.pass_threshold <= high:
            raise ValueError(f"pass_threshold must be in [{low:g}, {high:g}], got {self.pass_threshold:g}")
        return self

    @property
    def digest(self) -> str:
        """Changes with anything that is told to the judge or decides what its verdict counts for."""
        return plain_digest(self.model_dump(mode="json", by_alias=True))

    def outcome(self, verdict: str | float) -> tuple[float | None, str | None, bool | None]:
        """(value, label, passed) of a valid verdict."""
        if self.choices is not None:
            choice = self.choices[str(verdict)]
            passed = choice.passed if choice.passed is not None else self._passes(choice.value)
            return choice.value, str(verdict), passed
        assert self.score is not None
        number = float(verdict)
        return (number - self.score.min) / (self.score.max - self.score.min), None, self._passes(number)

    def _passes(self, number: float | None) -> bool | None:
        if self.pass_threshold is None or number is None:
            return None
        return number >= self.pass_threshold if self.direction == "higher_is_better" else number <= self.pass_threshold


def builtin_rubrics() -> tuple[str, ...]:
    """Names of the shipped rubrics."""
    folder = files("evaluators") / "rubrics"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def load_rubric(source: RubricSource, folder: Path) -> Rubric:
    """The rubric that `source` means; a relative path starts at `folder`.

    Raises
    ------
    ConfigError : no such rubric or file, no YAML, or no valid rubric; with the file's line where there is one.
    """
    if isinstance(source, Mapping):
        return _validated(dict(source), SourceMap("", source))
    if source.endswith((".yaml", ".yml")):
        path = folder / source
        try:
            if path.stat().st_size > MAX_RUBRIC_BYTES:
                raise ConfigError("larger than 256 KB: this is no rubric", file=str(path))
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"rubric {source!r} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"is not UTF-8 (byte {error.start})", file=str(path)) from None
        return _from_yaml(text, str(path))
    if source not in builtin_rubrics():
        known = ", ".join(builtin_rubrics())
        raise ConfigError(f"unknown rubric {source!r}; shipped ones: {known}; a file's name must end in .yaml")
    return _from_yaml((files("evaluators") / "rubrics" / f"{source}.yaml").read_text(encoding="utf-8"), source)


def _from_yaml(text: str, file: str) -> Rubric:
    try:
        document = YAML(typ="rt").load(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise ConfigError(f"no valid YAML: {error.problem or error.context}", file=file, line=line) from None
    except (YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"no valid YAML: {type(error).__name__}", file=file) from None
    if not isinstance(document, Mapping):
        raise ConfigError("must be a mapping with name, question, inputs and choices or score", file=file, line=1)
    plain = YAML(typ="safe", pure=True).load(StringIO(text))
    return _validated(plain, SourceMap(file, document))


def _validated(document: Any, source: SourceMap) -> Rubric:
    try:
        return Rubric.model_validate(document)
    except ValidationError as error:
        raise first_error(error, source) from None
