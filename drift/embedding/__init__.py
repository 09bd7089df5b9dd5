"""Have the texts changed? Sequential tests on sentence embeddings: pure numbers, no names, no clocks, no texts."""
