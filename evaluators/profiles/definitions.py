"""The tool definitions that a subject's model calls are given: the versions of each, by the tool's name."""

from __future__ import annotations

from typing import Any

import orjson

MAX_TOOLS = 200
MAX_VERSIONS = 4
WINDOW = 1_000


class DefinitionLearner:
    """For each tool its last definitions, the newest behind the others. `news`: how often a set brought a new tool."""

    def __init__(self, state: Any = None) -> None:
        self.count, self.news, self.tools = state if state is not None else (0, 0, {})

    def learn(self, body: str) -> bool:
        given = orjson.loads(body)
        if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
            raise ValueError("no tool definitions")
        self.count += 1
        urgent = False
        if self.count > 1 and not given.keys() <= self.tools.keys():
            self.news, urgent = self.news + 1, True
        for name, text in given.items():
            versions = self.tools.get(name, [])
            urgent |= text not in versions
            self.tools[name] = [*(v for v in versions if v != text), text][-MAX_VERSIONS:]
        self.tools = dict(list(self.tools.items())[-MAX_TOOLS:])
        if self.count >= WINDOW:
            self.count, self.news = self.count // 2, self.news // 2
        return urgent and self.count > 1

    def profile(self) -> dict[str, Any]:
        return {"count": self.count, "news": self.news, "tools": dict(self.tools)}

    def state(self) -> Any:
        return [self.count, self.news, self.tools]
