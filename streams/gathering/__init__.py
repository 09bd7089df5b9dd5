"""assemble: parts that belong together are gathered until they rest."""
