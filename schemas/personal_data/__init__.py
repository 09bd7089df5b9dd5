"""Personal data in text: rules, and checks where a pattern says too little."""

from .rule import BEFORE, GIVEN, Rule
from .rules import GATE, RULES, matches

__all__ = ["BEFORE", "GATE", "GIVEN", "RULES", "Rule", "matches"]
