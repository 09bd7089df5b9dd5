"""Which values are replaced: rule sets, and the texts they are applied to."""
