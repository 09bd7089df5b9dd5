"""The state machine of a consumer group."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from streams.devbroker.codes import Code, Refusal
from streams.devbroker.groups import Group
from streams.devbroker.members import State

SOON_S, LATER_S = 0.15, 30.0


@pytest.fixture
async def group():
    made = Group("group", join_window_s=0.02)
    yield made
    made.close()


def join(group, member_id="", protocols=None, session_s=LATER_S, rebalance_s=LATER_S, kind="consumer"):
    return group.join(member_id, "client", kind, protocols or {"range": b"topics"}, session_s, rebalance_s)


async def stable(group, count, **options):
    """A group of `count` members, the leader first."""
    joined = await asyncio.gather(*[join(group, **options) for _ in range(count)])
    joined.sort(key=lambda each: each.member_id != each.leader)
    leader = joined[0]
    shares = {each.member_id: b"share %d" % index for index, each in enumerate(joined)}
    syncs = [group.sync(each.member_id, each.generation, {}) for each in joined[1:]]
    syncs.append(group.sync(leader.member_id, leader.generation, shares))
    await asyncio.gather(*syncs)
    return [each.member_id for each in joined]


def refused(code, ask, *arguments):
    with pytest.raises(Refusal) as refusal:
        ask(*arguments)
    assert refusal.value.code is code


async def test_the_leader_is_told_of_all_and_its_shares_reach_all(group):
    joined = await asyncio.gather(join(group), join(group), join(group))
    leaders = [each for each in joined if each.members]
    assert [each.member_id for each in leaders] == [joined[0].leader]
    assert {member for member, _ in leaders[0].members} == {each.member_id for each in joined}
    assert {each.generation for each in joined} == {1}
    syncs = {each.member_id: group.sync(each.member_id, 1, {}) for each in joined if not each.members}
    assert not any(each.done() for each in syncs.values())
    group.sync(leaders[0].leader, 1, {each.member_id: each.member_id.encode() for each in joined})
    for member_id, share in syncs.items():
        assert await share == member_id.encode()
    assert group.state is State.STABLE


async def test_a_newcomer_makes_the_others_join_again(group):
    (old,) = await stable(group, 1)
    newcomer = join(group)
    refused(Code.REBALANCE_IN_PROGRESS, group.heartbeat, old, 1)
    assert not newcomer.done()
    again, new = await asyncio.gather(join(group, old), newcomer)
    assert (again.generation, new.generation) == (2, 2)
    refused(Code.ILLEGAL_GENERATION, group.heartbeat, old, 1)
    group.heartbeat(old, 2)


async def test_a_silent_member_is_evicted_and_the_rest_rebalance(group):
    silent, alive = await stable(group, 2, session_s=SOON_S)
    for _ in range(4):
        await asyncio.sleep(SOON_S / 2)
        with suppress(Refusal):  # once the other is out: join again
            group.heartbeat(alive, 1)
    refused(Code.UNKNOWN_MEMBER_ID, group.heartbeat, silent, 1)
    joined = await join(group, alive)
    assert (joined.leader, len(joined.members)) == (alive, 1)


async def test_one_who_waits_for_the_others_is_not_silent(group):
    (old,) = await stable(group, 1)
    newcomer = join(group, session_s=SOON_S)
    await asyncio.sleep(2 * SOON_S)
    assert not newcomer.done()
    join(group, old)
    assert (await newcomer).generation == 2


async def test_one_who_does_not_join_again_in_time_is_out(group):
    (slow,) = await stable(group, 1, rebalance_s=SOON_S)
    newcomer = await join(group, rebalance_s=SOON_S)
    assert newcomer.leader == newcomer.member_id
    refused(Code.UNKNOWN_MEMBER_ID, group.heartbeat, slow, 2)


async def test_one_who_hangs_up_while_it_waits_is_out(group):
    (old,) = await stable(group, 1)
    newcomer = join(group)
    newcomer.cancel()
    joined = await join(group, old)
    assert [member for member, _ in joined.members] == [old]
    assert len(group.members) == 1


async def test_a_leader_who_dies_before_sharing_does_not_hold_up_the_group(group):
    first, second = await asyncio.gather(join(group, session_s=SOON_S), join(group))
    leader, other = (first, second) if first.leader == first.member_id else (second, first)
    assert leader is first
    waiting = group.sync(other.member_id, 1, {})
    with pytest.raises(Refusal) as refusal:
        await asyncio.wait_for(waiting, 10 * SOON_S)
    assert refusal.value.code is Code.REBALANCE_IN_PROGRESS
    assert (await join(group, other.member_id)).leader == other.member_id


async def test_the_last_to_leave_empties_the_group(group):
    (only,) = await stable(group, 1)
    group.leave(only)
    assert group.state is State.EMPTY
    refused(Code.UNKNOWN_MEMBER_ID, group.leave, only)
    assert (await join(group)).generation > 1


async def test_a_repeated_join_of_a_follower_disturbs_nobody(group):
    leader, follower = await stable(group, 2)
    again = await join(group, follower)
    assert (again.generation, group.state) == (1, State.STABLE)
    assert await group.sync(follower, 1, {}) == b"share 1"
    changed = join(group, follower, {"range": b"other topics"})
    assert group.state is State.PREPARING
    await asyncio.gather(changed, join(group, leader))


async def test_a_leader_who_joins_again_starts_a_rebalance(group):
    leader, follower = await stable(group, 2)
    again = join(group, leader)
    refused(Code.REBALANCE_IN_PROGRESS, group.heartbeat, follower, 1)
    await asyncio.gather(again, join(group, follower))
    assert group.generation == 2


async def test_the_protocol_is_one_that_all_speak(group):
    joined = await asyncio.gather(
        join(group, protocols={"sticky": b"", "range": b"a"}), join(group, protocols={"range": b"b", "other": b""})
    )
    assert {each.protocol for each in joined} == {"range"}
    refused(Code.INCONSISTENT_GROUP_PROTOCOL, join, group, "", {"sticky": b""})
    refused(Code.INCONSISTENT_GROUP_PROTOCOL, lambda: join(group, kind="connect"))
    assert len(group.members) == 2


async def test_who_may_commit(group):
    group.check_commit("", -1)
    (member,) = await stable(group, 1)
    group.check_commit(member, 1)
    refused(Code.UNKNOWN_MEMBER_ID, group.check_commit, "", -1)
    refused(Code.UNKNOWN_MEMBER_ID, group.check_commit, "stranger", 1)
    refused(Code.ILLEGAL_GENERATION, group.check_commit, member, 0)
    await join(group, member)
    refused(Code.REBALANCE_IN_PROGRESS, group.check_commit, member, 2)
    refused(Code.UNKNOWN_MEMBER_ID, join, group, "stranger")
