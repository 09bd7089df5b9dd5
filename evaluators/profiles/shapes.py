"""The usual shape of a subject's answers: which keys they have, and of which types the values are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .shape import ANY_KEY, ROOT, SOMETIMES, Shape, parent_of, read

MAX_PATHS = 600
WINDOW = 1_000
"""Observations after which all counts are halved: what is usual follows the tool."""
FEW = 16
"""What was seen so seldom is told at once: each time weighs."""
MIN_MAP_KEYS = 12
MAX_SHARE_OF_MAP_KEY = 0.3


@dataclass(slots=True)
class PathCounts:
    """How often a path was there (in every object at its parent), and which types stood at it."""

    present: int = 0
    types: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.types.values())


class ShapeLearner:
    """Counts the paths and types of shapes (`evaluators.profiles.shape`).

    An object whose keys seldom come again is a map: its keys become `.*`. Memory: at most `MAX_PATHS` paths.
    """

    def __init__(self, state: Any = None) -> None:
        self.count: int = 0
        self.paths: dict[str, PathCounts] = {}
        self.maps: dict[str, None] = {}
        if state is not None:
            self.count, paths, maps = state
            self.paths = {path: PathCounts(present, dict(types)) for path, (present, types) in paths.items()}
            self.maps = dict.fromkeys(maps)

    def learn(self, body: str) -> bool:
        shape = folded(read(body), self.maps)
        new = rare = False
        self.count += 1
        for path, types in shape.items():
            known = self.paths.get(path)
            if known is None:
                if len(self.paths) >= MAX_PATHS:
                    continue
                known, new = self.paths.setdefault(path, PathCounts()), True
            known.present += SOMETIMES not in types
            for letter in types.rstrip(SOMETIMES):
                known.types[letter] = known.types.get(letter, 0) + 1
                rare |= known.types[letter] <= FEW < known.total
        rare |= any(self._lacks(path, shape) for path in self.paths)
        if new:
            self._fold_maps()
        if self.count >= WINDOW:
            self._halve()
        return new or rare

    def profile(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "paths": {path: [c.present, dict(sorted(c.types.items()))] for path, c in sorted(self.paths.items())},
            "maps": sorted(self.maps),
        }

    def state(self) -> Any:
        return [self.count, {path: [c.present, c.types] for path, c in self.paths.items()}, list(self.maps)]

    def _lacks(self, path: str, shape: Shape) -> bool:
        """Whether the shape lacks a key that hardly any lacked before."""
        if path in shape or path == ROOT or path.endswith((ANY_KEY, "[]")):
            return False
        parent = parent_of(path)
        if "o" not in shape.get(parent, "") or parent not in self.paths:
            return False
        absent = self.paths[parent].types.get("o", 0) - self.paths[path].present
        return 0 < absent <= FEW < self.paths[path].present

    def _fold_maps(self) -> None:
        children: dict[str, list[str]] = {}
        for path in self.paths:
            if path != ROOT and not path.endswith((ANY_KEY, "[]")):
                children.setdefault(parent_of(path), []).append(path)
        for parent, keys in children.items():
            objects = self.paths[parent].types.get("o", 0) if parent in self.paths else 0
            if len(keys) < MIN_MAP_KEYS or objects < 2 or parent in self.maps:
                continue
            if all(self.paths[key].total <= max(1, MAX_SHARE_OF_MAP_KEY * objects) for key in keys):
                self._fold(parent)

    def _fold(self, parent: str) -> None:
        self.maps[parent] = None
        before, self.paths = self.paths, {}
        for path, counts in before.items():
            to = folded_path(path, self.maps)
            held = self.paths.setdefault(to, PathCounts())
            held.present += counts.present
            for letter, number in counts.types.items():
                held.types[letter] = held.types.get(letter, 0) + number

    def _halve(self) -> None:
        self.count //= 2
        for path, counts in list(self.paths.items()):
            counts.present //= 2
            counts.types = {letter: number // 2 for letter, number in counts.types.items() if number > 1}
            if not counts.types:
                del self.paths[path]


def folded(shape: Shape, maps: Mapping[str, None]) -> dict[str, str]:
    """A shape with the keys of maps as `.*`."""
    if not maps:
        return dict(shape)
    found: dict[str, str] = {}
    for path, types in shape.items():
        to = folded_path(path, maps)
        found[to] = "".join(sorted({*found.get(to, ""), *types} - {SOMETIMES} if to != path else {*types}))
        if to == path:
            found[to] = types
    return found


def folded_path(path: str, maps: Mapping[str, None]) -> str:
    """A path with the keys of maps as `.*`, from the root downwards."""
    if not path or path == ROOT:
        return path
    parent = folded_path(parent_of(path), maps)
    if path.endswith("[]"):
        return parent + "[]"
    return parent + ANY_KEY if parent in maps else parent + path[len(parent_of(path)) :]
