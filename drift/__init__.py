"""How change is detected: detectors over segments of scores and embeddings, and the alert rules above them."""
