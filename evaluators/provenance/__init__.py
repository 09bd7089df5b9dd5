"""Where the identifiers in tool calls come from: which arguments are identifiers, and what was known before a call."""

from .context import Known, known_before
from .identifiers import Identifier, identifiers

__all__ = ["Identifier", "Known", "identifiers", "known_before"]
