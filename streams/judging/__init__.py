"""judge: requests become verdicts; canaries."""
