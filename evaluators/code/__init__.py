"""Evaluators that need no model, one a file."""
