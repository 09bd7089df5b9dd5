"""LLM judges: rubric, view, prompt, provider, limits, cache and budget."""
