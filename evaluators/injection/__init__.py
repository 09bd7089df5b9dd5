"""Instructions to the model in what tools return."""

from .hidden import hidden_text
from .signs import Suspicion, suspicion_of

__all__ = ["Suspicion", "hidden_text", "suspicion_of"]
