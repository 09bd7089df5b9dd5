"""Calls that change something, and whether the user wanted them."""

from .calls import Call, calls_of
from .said import Wish, wish_before
from .writes import is_write, verbs_of

__all__ = ["Call", "Wish", "calls_of", "is_write", "verbs_of", "wish_before"]
