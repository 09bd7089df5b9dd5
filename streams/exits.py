"""Exit codes of every command; scripts may rely on them (docs/commands.md)."""

from __future__ import annotations

OK = 0
NEGATIVE = 1  # the command worked and its answer is no: a check failed, a line was bad, not ready, nothing found
CONFIG = 2  # wrong usage or a wrong configuration
FATAL = 3  # going on would lose or corrupt data
UNAVAILABLE = 4  # the broker, the warehouse or another dependency does not answer
INTERRUPTED = 130  # Ctrl-C
