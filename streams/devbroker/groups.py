"""One consumer group: who is in it, and the rebalances that share the work out.

Joining waits for everybody, the leader's sync hands out the assignments, a heartbeat that does not come evicts.
Source: https://cwiki.apache.org/confluence/display/KAFKA/Kafka+Client-side+Assignment+Proposal
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence

from streams.devbroker.codes import Code, Refusal
from streams.devbroker.members import Joined, Member, State, answer, waits


class Group:
    """The state machine of one group. It is not told of offsets; `check` is asked before a commit.

    Parameters
    ----------
    join_window_s : how long the first rebalance waits for more members.
    """

    def __init__(self, name: str, join_window_s: float) -> None:
        self.name, self._join_window_s = name, join_window_s
        self.state, self.generation = State.EMPTY, 0
        self.protocol_type = self.protocol = self.leader = ""
        self.members: dict[str, Member] = {}
        self._rebalance: asyncio.TimerHandle | None = None
        self._waits_for_window = False

    def join(
        self,
        member_id: str,
        client_id: str,
        protocol_type: str,
        protocols: Mapping[str, bytes],
        session_timeout_s: float,
        rebalance_timeout_s: float,
    ) -> asyncio.Future[Joined]:
        """Enter the group, or enter it again; the future is done when all members have. Cancelling it is leaving.

        Raises
        ------
        Refusal : unknown member, or no protocol that all members speak.
        """
        if member_id and member_id not in self.members:
            raise Refusal(Code.UNKNOWN_MEMBER_ID)
        self._check_protocols(member_id, protocol_type, protocols)
        self.protocol_type = protocol_type
        if member_id:
            member, changed = self.members[member_id], self.members[member_id].protocols != protocols
        else:
            member_id = f"{client_id}-{uuid.uuid4()}"
            member, changed = Member(member_id, client_id, 0, 0, {}), True
            self.members[member_id] = member
        member.protocols = dict(protocols)
        member.session_timeout_s, member.rebalance_timeout_s = session_timeout_s, rebalance_timeout_s
        answer(member.join, Refusal(Code.UNKNOWN_MEMBER_ID, "joined again on another connection"))
        future = member.join = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda done: self._remove(member) if done.cancelled() else None)
        leads_again = self.state is State.STABLE and member_id == self.leader
        if self.state in (State.COMPLETING, State.STABLE) and not changed and not leads_again:
            self._welcome(member)
        else:
            self._prepare()
            self._complete_when_all_joined()
        return future

    def sync(self, member_id: str, generation: int, assignments: Mapping[str, bytes]) -> asyncio.Future[bytes]:
        """Ask for an assignment; the leader brings everybody's. `Refusal` as for `check`, or a rebalance is on."""
        member = self.check(member_id, generation)
        if self.state is State.PREPARING:
            raise Refusal(Code.REBALANCE_IN_PROGRESS)
        future = asyncio.get_running_loop().create_future()
        if self.state is State.STABLE:
            future.set_result(member.assignment)
            return future
        member.sync = future
        if member_id == self.leader:
            self.state = State.STABLE
            for each in self.members.values():
                each.assignment = assignments.get(each.id, b"")
                answer(each.sync, each.assignment)
                each.sync = None
                self._expect_heartbeat(each)
        return future

    def heartbeat(self, member_id: str, generation: int) -> None:
        """Keep a member alive; `Refusal` as for `check`, or when it is to join again."""
        self._expect_heartbeat(self.check(member_id, generation))
        if self.state is State.PREPARING:
            raise Refusal(Code.REBALANCE_IN_PROGRESS)

    def leave(self, member_id: str) -> None:
        """Take a member out; `Refusal` when there is none."""
        if member_id not in self.members:
            raise Refusal(Code.UNKNOWN_MEMBER_ID)
        self._remove(self.members[member_id])

    def check(self, member_id: str, generation: int) -> Member:
        """Return the member; `Refusal` when it is unknown or speaks of another generation."""
        member = self.members.get(member_id)
        if member is None:
            raise Refusal(Code.UNKNOWN_MEMBER_ID)
        if generation != self.generation:
            raise Refusal(Code.ILLEGAL_GENERATION)
        return member

    def check_commit(self, member_id: str, generation: int) -> None:
        """`Refusal` when this sender may not commit now; one outside any group may while the group is empty."""
        if generation < 0 and not member_id and not self.members:
            return
        self._expect_heartbeat(self.check(member_id, generation))
        if self.state is State.COMPLETING:
            raise Refusal(Code.REBALANCE_IN_PROGRESS)

    def close(self) -> None:
        """Stop all timers."""
        for handle in (self._rebalance, *(member.expiry for member in self.members.values())):
            if handle:
                handle.cancel()

    def _check_protocols(self, member_id: str, protocol_type: str, protocols: Mapping[str, bytes]) -> None:
        others = [member for member in self.members.values() if member.id != member_id]
        if not protocol_type or not protocols or (others and protocol_type != self.protocol_type):
            raise Refusal(Code.INCONSISTENT_GROUP_PROTOCOL)
        if others and not any(all(name in member.protocols for member in others) for name in protocols):
            raise Refusal(Code.INCONSISTENT_GROUP_PROTOCOL)

    def _prepare(self) -> None:
        """Begin a rebalance, unless one has begun: everybody must join again."""
        if self.state is State.PREPARING:
            return
        for member in self.members.values():
            answer(member.sync, Refusal(Code.REBALANCE_IN_PROGRESS))
            member.sync = None
        self._waits_for_window = self.state is State.EMPTY
        self.state = State.PREPARING
        longest_s = max(member.rebalance_timeout_s for member in self.members.values())
        delay_s = self._join_window_s if self._waits_for_window else longest_s
        self._rebalance = asyncio.get_running_loop().call_later(delay_s, self._complete)

    def _complete_when_all_joined(self) -> None:
        everybody = all(waits(member.join) for member in self.members.values())
        if self.state is State.PREPARING and everybody and not self._waits_for_window:
            self._complete()

    def _complete(self) -> None:
        """End the joining: those who did not come are out, the others learn the new generation."""
        if self._rebalance:
            self._rebalance.cancel()
        self._rebalance, self._waits_for_window = None, False
        for member in [member for member in self.members.values() if not waits(member.join)]:
            self._discard(member)
        self.generation += 1
        if not self.members:
            self.state, self.leader, self.protocol = State.EMPTY, "", ""
            return
        self.state = State.COMPLETING
        if self.leader not in self.members:
            self.leader = next(iter(self.members))
        self.protocol = _common_protocol(list(self.members.values()))
        for member in self.members.values():
            member.assignment = b""
            self._welcome(member)

    def _welcome(self, member: Member) -> None:
        told = self.members.values() if member.id == self.leader else ()
        members = [(each.id, each.protocols[self.protocol]) for each in told]
        answer(member.join, Joined(self.generation, self.protocol, self.leader, member.id, members))
        member.join = None
        self._expect_heartbeat(member)

    def _expect_heartbeat(self, member: Member) -> None:
        if member.expiry:
            member.expiry.cancel()
        loop = asyncio.get_running_loop()
        member.expiry = loop.call_later(member.session_timeout_s, self._expire, member)

    def _expire(self, member: Member) -> None:
        if waits(member.join) or waits(member.sync):  # for us: its silence means nothing
            self._expect_heartbeat(member)
        else:
            self._remove(member)

    def _remove(self, member: Member) -> None:
        if self.members.get(member.id) is not member:
            return
        self._discard(member)
        if not self.members:
            self._complete()
        elif self.state is State.PREPARING:
            self._complete_when_all_joined()
        else:
            self._prepare()

    def _discard(self, member: Member) -> None:
        del self.members[member.id]
        if member.expiry:
            member.expiry.cancel()
        answer(member.join, Refusal(Code.UNKNOWN_MEMBER_ID))
        answer(member.sync, Refusal(Code.UNKNOWN_MEMBER_ID))
        member.join = member.sync = None


def _common_protocol(members: Sequence[Member]) -> str:
    """The first member's favourite of those that all speak."""
    first, *others = members
    return next(name for name in first.protocols if all(name in other.protocols for other in others))
