"""Sentence embeddings (extra `embeddings`): vectors for the monitor, and similarity."""
