"""Signs that a tool's result is the report of a failure, though the call counts as a success."""

from .classify import ErrorSign, classify

__all__ = ["ErrorSign", "classify"]
