"""How a trace is scored: code evaluators, LLM judges and the runner that decides what is to be scored."""
