"""What flows through evalstream: records, ids, errors, decoding and settings."""
