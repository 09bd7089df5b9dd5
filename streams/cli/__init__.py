"""The `evalstream` command, one command a file."""
