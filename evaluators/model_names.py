"""Names of models: whether two names mean the same model.

The same model is known as ``gpt-4o``, ``openai/gpt-4o``, ``gpt-4o-2024-05-13``, ``us.anthropic.claude-3-5-sonnet-20241022-v2:0``
or ``gpt-35-turbo``. Dates, revisions, hosts and words such as *latest* are no part of what a model is; sizes, generations and
variants (*mini*, *turbo*, *sonnet*) are.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

from schemas.patterns import compiled

from .text import whole_text

MAX_CACHED = 4_096
MIN_STAMP_DIGITS = 4  # a run of at least so many digits is a date, a revision or a context size

Likeness = Literal["same", "other_version", "other_model", "unknown"]

_PARTS = compiled(r"[a-z]+\d*[a-z]*|\d+[a-z]*\d*[a-z]*")
_DATE = compiled(r"\d{4}-\d\d-\d\d|\d{8}|(?:[-@])\d{4}(?:\b)|-\d\d-\d\d\b|-\d\d-20\d\d\b")
_REVISION = compiled(r"\A(?:v\d|0+\d?|\d{4,})\z")
_TURBO_PREVIEW = compiled(r"\bgpt-4-(?:0125|1106)(?:-vision)?-preview\b|\bgpt-4-turbo-preview\b")
_HOSTS = frozenset(
    (
        *(
            "openai",
            "azure",
            "anthropic",
            "google",
            "vertex",
            "vertexai",
            "bedrock",
            "amazon",
            "aws",
            "meta",
            "mistralai",
        ),
        *("cohere", "us", "eu", "apac", "global", "models", "model", "openrouter", "together", "groq", "fireworks"),
        *("litellm", "ollama", "huggingface", "publishers", "accounts", "deployments", "ai", "hosted", "vllm"),
    )
)
_NO_DIFFERENCE = frozenset(
    ("latest", "preview", "exp", "experimental", "beta", "stable", "free", "default", "instruct", "it", "chat", "hf")
)
_FAMILIES = frozenset(
    (
        *(
            "gpt",
            "chatgpt",
            "claude",
            "gemini",
            "gemma",
            "llama",
            "mistral",
            "mixtral",
            "codestral",
            "ministral",
            "pixtral",
        ),
        *(
            "magistral",
            "command",
            "deepseek",
            "qwen",
            "qwq",
            "grok",
            "phi",
            "nova",
            "titan",
            "palm",
            "yi",
            "kimi",
            "glm",
        ),
        *("jamba", "granite", "nemotron", "davinci", "babbage", "sonar", "o"),
    )
)
_VARIANTS = frozenset(
    (
        *("mini", "nano", "micro", "small", "medium", "large", "xl", "max", "pro", "plus", "ultra", "lite", "light"),
        *("flash", "turbo", "fast", "haiku", "sonnet", "opus", "instant", "vision", "audio", "realtime", "search"),
        *(
            "thinking",
            "reasoner",
            "reasoning",
            "coder",
            "code",
            "codex",
            "premier",
            "scout",
            "maverick",
            "image",
            "omni",
        ),
        *("r", "tiny", "nemo", "embed", "embedding", "high", "low"),
    )
)


class ModelName(NamedTuple):
    """What of a name says which model it is, and its date or revision where it has one."""

    parts: tuple[str, ...]
    dates: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        return any(_letters(part) in _FAMILIES for part in self.parts)


@lru_cache(maxsize=MAX_CACHED)
def read_model_name(name: str) -> ModelName:
    """A name taken apart."""
    text = whole_text(name.strip().lower())
    if not text.startswith("ft:"):
        text = text.rsplit("/", 1)[-1]
    dates = tuple(found.strip("-@") for found in _DATE.findall(text))
    if _TURBO_PREVIEW.search(text):
        text = "gpt-4-turbo"
    parts = tuple(
        part
        for part in _PARTS.findall(text if text.startswith("ft:") else _DATE.sub("", text))
        if part not in _HOSTS and part not in _NO_DIFFERENCE and not _REVISION.search(part)
    )
    return ModelName(parts, dates)


@lru_cache(maxsize=MAX_CACHED)
def likeness(asked: str, answered: str) -> Likeness:
    """Whether the model that answered is the one that was asked for.

    `unknown`: the name asked for is nobody's model (a deployment, a router), so nothing can be said.
    """
    if asked.strip().lower() == answered.strip().lower():
        return "same"
    wanted, got = read_model_name(asked), read_model_name(answered)
    if "".join(wanted.parts) == "".join(got.parts):
        pinned = wanted.dates and got.dates and not _same_dates(wanted.dates, got.dates)
        return "other_version" if pinned else "same"
    if not wanted.is_known or not got.is_known:
        return "unknown"
    more, less = set(wanted.parts) - set(got.parts), set(got.parts) - set(wanted.parts)
    if bool(more) != bool(less) and not any(_tells(part) for part in more | less):
        return "same"  # "gpt-4o-prod-east" is a deployment of gpt-4o
    return "other_model"


def _same_dates(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """A short date may stand for a long one: 0513 and 2024-05-13."""
    a, b = "".join(one).replace("-", ""), "".join(other).replace("-", "")
    return a == b or a.endswith(b) or b.endswith(a)


def _tells(part: str) -> bool:
    return part in _VARIANTS or _letters(part) in _FAMILIES or any(character.isdigit() for character in part)


def _letters(part: str) -> str:
    return part.rstrip("0123456789")
