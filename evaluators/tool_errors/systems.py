"""Messages that computer systems give when they fail: gateways, databases, sockets, remote calls, sessions, browsers checks.

Each is a whole message, or the beginning of one: a short text in which such words come later tells of a failure.
"""

from __future__ import annotations

from schemas.patterns import compiled

_CODE = compiled(
    r"\A(?:(?:DEADLINE|QUOTA|RATE_LIMIT|LIMIT)_EXCEEDED|RESOURCE_EXHAUSTED|PERMISSION_DENIED|ACCESS_DENIED|FAILED_PRECONDITION"
    r"|INTERNAL(?:_SERVER)?_ERROR|(?:SERVICE|SERVER|TEMPORARILY)_UNAVAILABLE|GATEWAY_TIMEOUT|BAD_GATEWAY|BAD_REQUEST|RATE_LIMITED"
    r"|TOO_MANY_REQUESTS|INVALID_(?:ARGUMENT|REQUEST|TOKEN|API_KEY|CREDENTIALS)|UNAUTHENTICATED|UNAUTHORIZED"
    r"|(?:CONNECTION|NETWORK|SOCKET|READ|REQUEST)_(?:REFUSED|RESET|TIMEOUT|ERROR|CLOSED)|UNKNOWN_ERROR|UNEXPECTED_ERROR"
    r"|SYSTEM_ERROR|ERR_[A-Z_]+)\b\s*(?:[:.!(-]|\z)|\A(?:UNAVAILABLE|INTERNAL|ABORTED|UNIMPLEMENTED|DATA_LOSS|UNKNOWN): \w"
)
_MESSAGE = compiled(
    r"(?i)\A(?:null ?pointer ?exception\b|no healthy upstream|upstream (?:request timeout|connect error|server error)|socket hang up"
    r"|too many connections|context (?:deadline exceeded|canceled)|rpc error: code|(?:dial|read|write) (?:tcp|udp|unix) [^ ]+: "
    r"|curl: \(\d+\) |ora-\d{4,5}: |sqlstate\[\w+\]|\[(?:errno|winerror) -?\d+\]|(?:fatal|php)? ?(?:warning|notice): [\w:]+\(\): "
    r"|(?:the )?(?:upstream |remote |backend )?(?:server|service|host|gateway|function|lambda function|lambda|task|worker|handler|script) "
    r"(?:is timing out|timed out|has timed out|returned an? (?:error|invalid|unexpected)|did not respond|closed the connection)"
    r"|(?:the |your |this )?(?:request|operation|call|query|command|action|transaction) (?:could ?n[o']t|could not|can ?not|can't) be "
    r"(?:completed|processed|handled|fulfilled|executed|performed|served|sent|understood)"
    r"|(?:the |this )?[\w-]{1,30} (?:has )?encountered an? (?:\w+ )?(?:error|exception|problem)\b"
    r"|(?:i am|i'm|we are|we're|i was|we were|it was) (?:currently |temporarily )?unable to (?:process|complete|handle|retrieve|fetch|reach|find|access|get|load|connect|perform|execute|answer|serve)"
    r"|(?:we are|we're|the \w+ is|our \w+ (?:is|are)) (?:currently |temporarily )*experiencing (?:\w+ ){0,2}(?:difficult|issue|problem|outage|disruption)"
    r"|(?:our |the |this )?(?:systems?|services?|site|website|server|api|database|backend|application|platform) (?:is |are )?"
    r"(?:currently |temporarily )*(?:down for|under maintenance|undergoing maintenance|in maintenance|offline|unreachable)"
    r"|(?:scheduled )?maintenance (?:is )?in progress"
    r"|(?:your |the )?session (?:has |was )?(?:expired|timed out|terminated|invalidated)\s*(?:[.:!,;]|\z)|invalid session\b"
    r"|(?:your |the )?(?:api[- ]?key|(?:access |auth |refresh |bearer )?token|credentials?|certificate) (?:has |have |is |are |was |were )?"
    r"(?:expired|invalid|revoked|missing|not valid|rejected)\s*(?:[.:!,;(]|\z)"
    r"|you(?:'ve| have)? (?:exceeded|reached|hit) (?:your|the) (?:\w+ ){0,3}(?:quota|limit|rate)"
    r"|access to .{1,60} (?:is |was |has been )?(?:forbidden|denied)\b|(?:your |the )?request (?:was |has been )?blocked\b"
    r"|please enable (?:javascript|cookies)|checking (?:if the site connection is secure|your browser)|verify(?:ing)? (?:that )?you are (?:a )?human"
    r"|(?:connection|stream|socket) (?:was )?(?:closed|terminated|aborted|dropped) (?:by|before|unexpectedly|prematurely)"
    r"|no response (?:was )?(?:received )?from (?:the )?(?:server|service|upstream|backend|host|tool)|empty reply from server"
    r"|(?:could not|couldn't|cannot|can't|failed to|unable to) (?:establish|obtain|acquire) (?:an? |the )?(?:connection|lock|lease|token)"
    r"|database is locked|deadlock (?:found|detected)|disk (?:is )?full|no space left on device|broken pipe\b|name or service not known"
    r"|temporary failure in name resolution|certificate (?:verify failed|has expired)|ssl: |tls handshake|nodename nor servname)"
)


def is_system_message(text: str) -> bool:
    """Whether a short text is what a failing system says."""
    return _CODE.search(text) is not None or _MESSAGE.search(text) is not None
