"""`python -m streams.receiver`: what `evalstream receiver` does."""

import sys

from streams.cli.main import main

sys.argv.insert(1, "receiver")
main()
