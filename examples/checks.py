"""A check of one's own: any function of a plain dict, named in evalstream.yaml as ``./checks.py:no_repeated_call``."""

import json


def no_repeated_call(target: dict) -> dict | None:
    """Fails where the agent makes the same tool call, with the same arguments, more than twice."""
    counts: dict[str, int] = {}
    for span in target["trace"]["spans"]:
        if span["kind"] == "tool":
            call = f"{span['tool_name']}({json.dumps(span['arguments'], sort_keys=True)})"
            counts[call] = counts.get(call, 0) + 1
    if not counts:
        return None
    call, most = max(counts.items(), key=lambda item: item[1])
    passed = most <= 2
    return {"value": most, "passed": passed, "explanation": "" if passed else f"called {most} times: {call[:200]}"}
