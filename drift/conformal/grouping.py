"""A batch seen group by group (all observations of one segment), and round by round (the first of each, the second, …)."""

from __future__ import annotations

from copy import copy

import numpy as np
from numpy.typing import NDArray


class Groups:
    """Observations sorted by group, in order of arrival within each.

    Attributes
    ----------
    order : positions of the batch, sorted; everything else is in this order. int[n]
    keys : the groups, ascending. int[g]
    starts, lengths : where each group begins, and its size. int[g]
    of : which group an observation belongs to, as a place in `keys`. int[n]
    rank : how many of its group came before it. int[n]
    """

    __slots__ = ("keys", "lengths", "of", "order", "rank", "starts")

    def __init__(self, keys: NDArray[np.int64]) -> None:
        self.order = _order(keys)
        ordered = keys[self.order]
        first = np.ones(len(keys), dtype=np.bool_)
        np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
        self.starts = np.flatnonzero(first)
        self.keys = ordered[self.starts]
        self.lengths = np.diff(self.starts, append=len(keys))
        self.of = np.cumsum(first) - 1
        self.rank = np.arange(len(keys)) - self.starts[self.of]

    def sorted(self) -> Groups:
        """The groups of the sorted observations."""
        again = copy(self)
        again.order = np.arange(len(self.order))
        return again

    def sums(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sums of `values` (in sorted order) within each group, up to and with each observation."""
        total = np.cumsum(values)
        return total - (total[self.starts] - values[self.starts])[self.of]

    def first(self, where: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The rank of the first observation of each group for which `where` (in sorted order) holds, else its length."""
        found = self.lengths.copy()
        hits = np.flatnonzero(where)[::-1]  # the last one written is the first of its group
        found[self.of[hits]] = self.rank[hits]
        return found


class Rounds:
    """The same observations, round by round; within a round the longest group first, so that groups that go on are a prefix.

    Attributes
    ----------
    order : places in the groups' sorted order, round by round. int[n]
    back : where each observation of the sorted order stands among the rounds. int[n]
    groups : the groups, longest first, as places in `Groups.keys`. int[g]
    sizes : how many groups each round has.
    """

    __slots__ = ("back", "groups", "order", "sizes")

    def __init__(self, groups: Groups) -> None:
        self.groups = _order(-groups.lengths)
        sizes = np.bincount(groups.rank)
        starts = np.cumsum(sizes) - sizes
        self.back = starts[groups.rank] + inverse(self.groups)[groups.of]
        self.order = inverse(self.back)
        self.sizes = sizes.tolist()


def inverse(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each place of a permutation has gone."""
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return places


def _order(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The stable order of keys; numpy sorts numbers several times faster than it finds their order."""
    bits = len(keys).bit_length()
    return np.sort(keys << bits | np.arange(len(keys))) & (1 << bits) - 1
