"""How personal data and secrets are found in text: rules, their checks, and the scanner that applies them."""

from schemas.personal_data import Rule

from .rules import preset_rules, user_rule
from .scan import Scanner

__all__ = ["Rule", "Scanner", "preset_rules", "user_rule"]
