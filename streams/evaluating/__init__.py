"""evaluate: traces, sessions and feedback become decisions."""
