"""Plain text: error lines, tracebacks, HTTP status lines, apologies.

A text that *tells of* errors is no error: what counts is how it begins, and for the weaker signs that it is short.
"""

from __future__ import annotations

from schemas.patterns import compiled

from .sign import ErrorSign
from .systems import is_system_message

CERTAIN, SURE, LIKELY = 0.98, 0.92, 0.75
SHORT_CHARS = 320
PHRASE_CHARS = 160
PREFACE_CHARS = 160
MAX_QUOTE_CHARS = 160

_ERROR_LINE = compiled(
    r"(?i)\A\[(?:error|fatal|exception|failure)\]|\A[\[(*\s]*(?:fatal |critical |unexpected |unknown |internal |runtime |tool |api |system |server |execution "
    r"|validation |database |connection |network |http |client |syntax |mcp )?(?:error|exception|failure|fatal)"
    r"(?:\s*[\])*]+)?\s*(?::|!|\s-\s|#\s*\d|[(\[]\s*(?:code\s*)?[a-z_]*\s*-?\d|\s+(?:while|when|during|in|executing|calling|running|invoking|processing"
    r"|fetching|reading|loading|parsing|connecting|performing|code\s*[:=]?\s*\d|\d{3}\b)|\.?\z)"
)
_EXCEPTION_LINE = compiled(
    r"\A(?:[A-Za-z_][\w$]*(?:\.|::))*[A-Z][A-Za-z0-9_$]*(?:Error|Exception|Failure|Fault|Interrupt|Timeout)"
    r"(?:\s*[:(\[]|\s*\z|\n)"
)
_TRACEBACK = compiled(
    r"Traceback \(most recent call last\):|(?m)^\s*at [\w$.<>]+\([\w$ .]+:\d+\)\s*$"
    r"|(?m)^\s+at .{1,200}:\d+:\d+\)?\s*$|(?m)^goroutine \d+ \[|(?m)^thread '.{1,80}' panicked at"
    r"|(?m)^\s+at .{1,200} in .{1,200}:line \d+"
)
_STATUS_LINE = compiled(
    r"(?i)\A(?:HTTP(?:/\d(?:\.\d)?)?\s+|(?:http\s+)?(?:status|error|response)(?:\s+code)?\s*[:=]?\s*|got\s+|received\s+)?"
    r"[45]\d\d\b\s*[-:]?\s*(?:\(?(?:error|bad (?:request|gateway)|unauthori[sz]ed|payment required|forbidden|not found"
    r"|method not allowed|not acceptable|request time-?out|conflict|gone|payload too large|unprocessable"
    r"|too many requests|internal server error|not implemented|service (?:temporarily )?unavailable|gateway time-?out"
    r"|server error|client error|unsupported media type|precondition failed|rate limit)|\z)"
)
_STATUS_PREFIX = compiled(r"(?i)\A(?:HTTP(?:/\d(?:\.\d)?)?\s+|(?:http )?status(?: code)?\s*[:=]?\s*)[45]\d\d\b")
_APOLOGY = compiled(
    r"(?i)\A(?:i'?m |we'?re |we are |i am )?(?:(?:very |so |really )?sorry|apologies|we apologi[sz]e|i apologi[sz]e|oops|uh[- ]?oh"
    r"|unfortunately|whoops)\b"
)
_WENT_WRONG = compiled(
    r"(?i)went wrong|error (?:has )?occurred|encountered an? (?:\w+ )?error|an? (?:\w+ )?(?:error|exception|problem|issue)\b"
    r"|(?:unable|failed) to|could ?n[o']t|can ?not|can'?t|try again|unavailable|timed? ?out|not (?:be )?(?:complete|process)"
    r"|(?:is|are) (?:currently |temporarily )?down\b"
)
_PHRASE = compiled(
    r"(?i)\A(?:(?:the |this |your |an? |tool |api )*(?:[\w'-]+ ){0,3}?"
    r"(?:(?:error|exception) (?:has |was )?(?:occurred|encountered|raised|thrown)"
    r"|(?:request|operation|call|query|command|connection|execution|invocation|job|tool|process|transaction|lookup|search"
    r"|login|authentication|authori[sz]ation|validation|upload|download|update)"
    r" (?:has |was |is |could not be |cannot be )?(?:failed|timed? ?out|aborted|refused|reset|rejected|denied|lost|closed"
    r"|terminated|interrupted|error|failure|completed unsuccessfully)"
    r"|(?:service|server|system|backend|upstream|database|host|api|resource|endpoint|upstream service)"
    r" (?:is |was )?(?:currently |temporarily )*(?:unavailable|unreachable|overloaded|down|not responding|not available)(?:\s*(?:[.:!,;(]|\z)| (?:for|due|at|right|now|please|try|because|while|and)\b))"
    r"|something went wrong|failed to \w+|unable to \w+|could ?n[o']t \w+|(?:cannot|can'?t) (?:find|connect|read|open|access|get|load|parse|process|complete|reach|resolve|create|write|execute|query|retrieve|fetch|locate|determine|call|perform|allocate|import|cancel|update|book|delete|serve|handle)"
    r"|(?:permission|access) (?:was |is )?denied(?:\s*(?:[.:!,;(]|\z)| (?:for|to|by|while|when|due|on)\b)|(?:unauthori[sz]ed|forbidden|unauthenticated|exception|abort(?:ed)?)\s*(?:[.:!,;]|\z)|not authenticated"
    r"|internal (?:server )?error|(?:service|temporarily|currently) (?:temporarily )?unavailable(?:\s*(?:[.:!,;(]|\z)| (?:for|due|at|right|please|try|because|while)\b)|bad gateway|gateway time-?out"
    r"|bad request|rate[- ]limit(?:ed| exceeded| reached)|too many requests|quota (?:exceeded|exhausted)|timed? ?out(?: (?:after|while|waiting|error|exceeded|reached|expired|connecting)|\s*(?:[.:!,;]|\z))"
    r"|deadline exceeded|connection (?:refused|reset|timed out|error|aborted)|network (?:error|unreachable|is unreachable)"
    r"|no such file or directory|command not found|segmentation fault|out of memory|max(?:imum)? retries exceeded"
    r"|invalid (?:api[- ]?key|token|credentials?|request|arguments?|parameters?|input|json|signature|tool|function|syntax)"
    r"|missing (?:required|argument|parameter|authentication|api)|(?:unknown|no such|unsupported) (?:tool|function|method|action|command)"
    r"|(?:connect |read |write |getaddrinfo )?(?:econn(?:refused|reset|aborted)|etimedout|enotfound|eai_again|epipe)\b|endpoint request timed out"
    r"|fatal: |panic: |tool (?:call |execution )?(?:failed|error))"
)
_SHELL = compiled(
    r"(?i)\A[\w./-]{1,60}: (?:(?:line \d+: )?[^\n:]{0,120}: )?(?:no such file or directory|command not found|permission denied"
    r"|not a directory|is a directory|cannot (?:access|open|stat|create)|connection refused|not found\s*\z|fatal error)"
)
_CAPTION = compiled(
    r"(?i)\A(?:result|output|response|stderr|stdout|observation|tool (?:result|output|response))\s*:\s+"
)
_QUESTION = compiled(r"\A[^.!:\n]{0,120}\?")
_LOG_LINE = compiled(r"\A\[?\d{4}-\d\d-\d\d|\A\[?\d\d:\d\d:\d\d|\A(?:#|//|/\*|--|>>>|def |class |import )")


def prose_sign(text: str) -> ErrorSign | None:
    """The sign of failure in a text that is neither JSON nor markup."""
    quote = text[:MAX_QUOTE_CHARS]
    text = _CAPTION.sub("", text)
    traceback = _TRACEBACK.search(text[: SHORT_CHARS * 8])
    if traceback is not None and traceback.start() <= PREFACE_CHARS and not _LOG_LINE.search(text):
        return ErrorSign("traceback", CERTAIN, quote)
    if _ERROR_LINE.search(text):
        return ErrorSign("error_text", SURE, quote)
    if _EXCEPTION_LINE.search(text):
        return ErrorSign("exception_text", SURE, quote)
    if len(text) > SHORT_CHARS:
        return None
    if _STATUS_LINE.search(text) or _STATUS_PREFIX.search(text):
        return ErrorSign("http_status", SURE, quote)
    if _APOLOGY.search(text) and _WENT_WRONG.search(text):
        return ErrorSign("apology", LIKELY, quote)
    if _SHELL.search(text) or is_failure_phrase(text):
        return ErrorSign("failure_phrase", LIKELY, quote)
    return None


def is_failure_phrase(text: str) -> bool:
    """Whether a short text as a whole says that something failed."""
    text = text.strip()
    if len(text) > PHRASE_CHARS or "\n" in text or _QUESTION.search(text):
        return False
    return _PHRASE.search(text) is not None or is_system_message(text)
