"""Why a call gave no verdict, in the terms that a `failed` score row carries."""

from __future__ import annotations


class JudgeError(Exception):
    """A judgement that failed for good.

    Parameters
    ----------
    error_type : stable name for queries: that of the `openai` exception (`RateLimitError`, `APITimeoutError`, …), or one of
        `DeadlineExceeded`, `UnparsableVerdict`, `TruncatedVerdict`, `JudgeRefusal`, `ContentFilter`, `InvalidResponse`.
    message : for a person.
    """

    def __init__(self, error_type: str, message: str) -> None:
        self.error_type, self.message = error_type, message
        self.cost_usd: float | None = None
        self.model: str | None = None
        super().__init__(f"{error_type}: {message}")


class BudgetExceeded(Exception):
    """The budget of this period does not admit the call."""


class AttemptFailed(Exception):
    """One attempt failed. `retry_after_s` is what the server asked for."""

    def __init__(self, error_type: str, message: str, *, retryable: bool, retry_after_s: float | None = None) -> None:
        self.error_type, self.message, self.retryable = error_type, message, retryable
        self.retry_after_s = retry_after_s
        super().__init__(f"{error_type}: {message}")
