"""Being in a consumer group, and looking at groups."""

from __future__ import annotations

from kafka.protocol.admin import (
    DeleteGroupsRequest,
    DeleteGroupsResponse,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    ListGroupsRequest,
    ListGroupsResponse,
)
from kafka.protocol.consumer import (
    HeartbeatRequest,
    HeartbeatResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    LeaveGroupResponse,
    SyncGroupRequest,
    SyncGroupResponse,
)

from streams.devbroker.answers.call import Call
from streams.devbroker.broker import Broker
from streams.devbroker.codes import Code, Refusal
from streams.devbroker.groups import Group
from streams.devbroker.members import State

CONSUMER, CLASSIC, DEAD = "consumer", "classic", "Dead"

_Described = DescribeGroupsResponse.DescribedGroup


async def join_group(broker: Broker, request: JoinGroupRequest, call: Call) -> JoinGroupResponse:
    """Wait until the group's members have joined. A client that hangs up meanwhile is not in the group."""
    settings = broker.settings
    try:
        if not request.group_id:
            raise Refusal(Code.INVALID_GROUP_ID)
        if not settings.min_session_timeout_ms <= request.session_timeout_ms <= settings.max_session_timeout_ms:
            raise Refusal(Code.INVALID_SESSION_TIMEOUT)
        rebalance_ms = request.rebalance_timeout_ms if call.version else request.session_timeout_ms
        joined = await broker.group(request.group_id).join(
            request.member_id,
            call.client_id,
            request.protocol_type,
            {protocol.name: bytes(protocol.metadata) for protocol in request.protocols},
            request.session_timeout_ms / 1000,
            rebalance_ms / 1000,
        )
    except Refusal as refusal:
        return JoinGroupResponse(
            throttle_time_ms=0,
            error_code=refusal.code,
            generation_id=-1,
            protocol_type=None,
            protocol_name=None if call.version >= 7 else "",
            leader="",
            member_id=request.member_id,
            members=[],
        )
    members = [JoinGroupResponse.JoinGroupResponseMember(member_id=id, metadata=data) for id, data in joined.members]
    return JoinGroupResponse(
        throttle_time_ms=0,
        error_code=0,
        generation_id=joined.generation,
        protocol_type=request.protocol_type,
        protocol_name=joined.protocol,
        leader=joined.leader,
        member_id=joined.member_id,
        members=members,
    )


async def sync_group(broker: Broker, request: SyncGroupRequest, call: Call) -> SyncGroupResponse:
    """Wait for the leader's assignment, or bring it."""
    assignments = {each.member_id: bytes(each.assignment) for each in request.assignments}
    group = broker.group(request.group_id)
    try:
        assignment = await group.sync(request.member_id, request.generation_id, assignments)
    except Refusal as refusal:
        return SyncGroupResponse(throttle_time_ms=0, error_code=refusal.code, assignment=b"")
    return SyncGroupResponse(
        throttle_time_ms=0,
        error_code=0,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol,
        assignment=assignment,
    )


def heartbeat(broker: Broker, request: HeartbeatRequest, call: Call) -> HeartbeatResponse:
    """Stay in a group."""
    try:
        broker.group(request.group_id).heartbeat(request.member_id, request.generation_id)
        code = Code.NONE
    except Refusal as refusal:
        code = refusal.code
    return HeartbeatResponse(throttle_time_ms=0, error_code=code)


def leave_group(broker: Broker, request: LeaveGroupRequest, call: Call) -> LeaveGroupResponse:
    """Take one member out of its group, or since version 3 several."""
    group = broker.group(request.group_id)
    if call.version < 3:
        return LeaveGroupResponse(throttle_time_ms=0, error_code=_left(group, request.member_id))
    members = [
        LeaveGroupResponse.MemberResponse(
            member_id=member.member_id,
            group_instance_id=member.group_instance_id,
            error_code=_left(group, member.member_id),
        )
        for member in request.members
    ]
    return LeaveGroupResponse(throttle_time_ms=0, error_code=0, members=members)


def list_groups(broker: Broker, request: ListGroupsRequest, call: Call) -> ListGroupsResponse:
    """Name the groups that have members or committed offsets."""
    present = (name for name, group in broker.groups.items() if group.members)
    names = dict.fromkeys((*present, *broker.offsets.groups()))
    groups = [(name, broker.groups.get(name)) for name in names]
    listed = [
        ListGroupsResponse.ListedGroup(
            group_id=name,
            protocol_type=group.protocol_type if group else CONSUMER,
            group_state=(group.state if group else State.EMPTY).value,
            group_type=CLASSIC,
        )
        for name, group in groups
    ]
    if request.states_filter:
        listed = [each for each in listed if each.group_state in request.states_filter]
    return ListGroupsResponse(throttle_time_ms=0, error_code=0, groups=listed)


def describe_groups(broker: Broker, request: DescribeGroupsRequest, call: Call) -> DescribeGroupsResponse:
    """Tell the state and the members of groups; an unknown group is a dead one."""
    return DescribeGroupsResponse(throttle_time_ms=0, groups=[_described(broker, name) for name in request.groups])


def delete_groups(broker: Broker, request: DeleteGroupsRequest, call: Call) -> DeleteGroupsResponse:
    """Forget groups with their offsets; one that has members is refused."""
    results = []
    for name in request.groups_names:
        group, code = broker.groups.get(name), Code.NONE
        if group and group.members:
            code = Code.NON_EMPTY_GROUP
        elif not group and not broker.offsets.of(name):
            code = Code.GROUP_ID_NOT_FOUND
        else:
            broker.offsets.forget_group(name)
            broker.groups.pop(name, None)
        results.append(DeleteGroupsResponse.DeletableGroupResult(group_id=name, error_code=code))
    return DeleteGroupsResponse(throttle_time_ms=0, results=results)


def _left(group: Group, member_id: str) -> Code:
    try:
        group.leave(member_id)
    except Refusal as refusal:
        return refusal.code
    return Code.NONE


def _described(broker: Broker, name: str) -> DescribeGroupsResponse.DescribedGroup:
    group = broker.groups.get(name)
    if group is None:
        state = State.EMPTY.value if broker.offsets.of(name) else DEAD
        kind = CONSUMER if broker.offsets.of(name) else ""
        return _Described(
            error_code=0, group_id=name, group_state=state, protocol_type=kind, protocol_data="", members=[]
        )
    members = [
        _Described.DescribedGroupMember(
            member_id=member.id,
            client_id=member.client_id,
            client_host=f"/{broker.host}",
            member_metadata=member.protocols.get(group.protocol, b""),
            member_assignment=member.assignment,
        )
        for member in group.members.values()
    ]
    return _Described(
        error_code=0,
        group_id=name,
        group_state=group.state.value,
        protocol_type=group.protocol_type,
        protocol_data=group.protocol,
        members=members,
    )
