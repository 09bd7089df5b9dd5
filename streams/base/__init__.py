"""What every component stands on: its context, its place in the log, dead letters, poison, overload, what it sends."""
