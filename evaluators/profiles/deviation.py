"""How a shape deviates from what is usual: keys that are missing, new or renamed, values of another type, sudden nulls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from .anomaly import ALWAYS_FEW, MAX_RATE, MOST, Finding, judge_rare
from .shape import ANY_KEY, ROOT, SOMETIMES, TYPE_NAMES, Shape, parent_of
from .shapes import folded

Kind = Literal["renamed_key", "missing_key", "retyped", "null", "new_key"]
RENAMED_MAX_RATE, RENAMED_MOST = 0.1, 20
MIN_SIMILARITY = 0.6  # of the names of a key that is missing and one that is new


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that is not as usual. `expected` tells what is, in words."""

    kind: Kind
    path: str
    expected: str
    finding: Finding


class UsualShape:
    """The body of a `ShapeLearner`'s profile, ready to be compared with."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.count: int = body["count"]
        self._present: dict[str, int] = {path: present for path, (present, _) in body["paths"].items()}
        self._types: dict[str, dict[str, int]] = {path: types for path, (_, types) in body["paths"].items()}
        self._maps = dict.fromkeys(body["maps"])
        self._children: dict[str, list[str]] = {}
        for path in self._types:
            if path != ROOT and not path.endswith(("[]", ANY_KEY)):
                self._children.setdefault(parent_of(path), []).append(path)

    def type_counts(self, path: str) -> Mapping[str, int]:
        """How often each type stood at a path."""
        return self._types.get(path, {})

    def deviations(self, shape: Shape, *, settled: bool) -> Iterator[Deviation]:
        """What is unusual, from the root downwards; what lies below a value of another type is not looked at."""
        shape = folded(shape, self._maps)
        retyped: set[str] = set()
        for path, types in shape.items():
            if parent_of(path) in retyped:
                retyped.add(path)
                continue
            for letter in types.rstrip(SOMETIMES):
                found = self._judge_type(path, letter, settled)
                if found is not None:
                    retyped.add(path)
                    yield found
        for path, types in shape.items():
            if "o" in types and path not in retyped:
                yield from self._keys(path, shape, settled)

    def _judge_type(self, path: str, letter: str, settled: bool) -> Deviation | None:
        usual = self._types.get(path)
        if usual is None:
            return None
        seen, total = usual.get(letter, 0), sum(usual.values())
        finding = judge_rare(seen, total - seen, settled=settled)
        if finding is Finding.NORMAL:
            return None
        expected = " or ".join(
            TYPE_NAMES[each] for each, n in sorted(usual.items(), key=lambda i: -i[1]) if each != letter
        )
        return Deviation("null" if letter == "z" else "retyped", path, f"{expected} {total - seen} times", finding)

    def _keys(self, parent: str, shape: Shape, settled: bool) -> Iterator[Deviation]:
        """Keys of the objects at a path: those that are missing, each with the new one that took its place, if any."""
        objects = self._types.get(parent, {}).get("o", 0)
        children = [p for p in shape if p != ROOT and parent_of(p) == parent and not p.endswith(("[]", ANY_KEY))]
        known = self._children.get(parent, [])
        few = max(ALWAYS_FEW, min(RENAMED_MOST, RENAMED_MAX_RATE * objects))
        new = [path for path in children if self._present.get(path, 0) <= few < objects]
        missing = [path for path in known if path not in shape or SOMETIMES in shape[path]]
        for path in missing:
            partner, is_alike = _successor(path, new, shape, self._types.get(path, {}))
            absent = objects - self._present[path]
            finding = judge_rare(
                absent,
                self._present[path],
                settled=settled,
                max_rate=RENAMED_MAX_RATE if is_alike else MAX_RATE,
                most=RENAMED_MOST if is_alike else MOST,
            )
            if finding is Finding.NORMAL:
                continue
            if partner is not None:
                new.remove(partner)
                yield Deviation("renamed_key", partner, f"{path} {self._present[path]} times", finding)
            else:
                yield Deviation("missing_key", path, f"there {self._present[path]} times of {objects}", finding)
        for path in new:
            yield Deviation("new_key", path, f"no such key in {objects} objects", Finding.NORMAL)


def _successor(missing: str, new: list[str], shape: Shape, usual: Mapping[str, int]) -> tuple[str | None, bool]:
    """The new key that took the place of a missing one, and whether their names are alike; else it is alone and of its
    type."""
    start = len(parent_of(missing))
    alike = {path: SequenceMatcher(None, path[start:], missing[start:]).ratio() for path in new}
    best = max(alike, key=lambda path: alike[path], default=None)
    if best is None or alike[best] >= MIN_SIMILARITY:
        return best, best is not None
    return (best if len(new) == 1 and set(shape[best].rstrip(SOMETIMES)) <= usual.keys() else None), False
