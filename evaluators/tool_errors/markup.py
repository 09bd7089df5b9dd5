"""Pages: HTML of a proxy or a server that reports a failure, and XML faults."""

from __future__ import annotations

from schemas.patterns import compiled

from .prose import is_failure_phrase
from .sign import ErrorSign

CERTAIN, LIKELY = 0.97, 0.85
SHORT_PAGE_CHARS = 1_000
HEAD_CHARS = 4_000
MAX_QUOTE_CHARS = 160

_HTML = compiled(r"(?i)\A<(?:!doctype\s+html|html|head|body|title|h1|center)\b")
_TITLE = compiled(r"(?is)<(?:title|h1)[^>]*>\s*(.{0,200}?)\s*</(?:title|h1)>")
_TAGS = compiled(r"(?is)<(?:style|script)\b.*?</(?:style|script)>|<[^>]*>")
_FAILURE_TITLE = compiled(
    r"(?i)\A(?:(?:http\s*)?(?:error\s*)?[:#-]?\s*[45]\d\d\b|[\w.-]{1,60}\s*[-:|]\s*(?:error\s*)?[45]\d\d\s*[-:|]?\s*"
    r"(?:error|bad|not found|forbidden|unauthori[sz]ed|internal|service|gateway|too many)"
    r"|(?:internal server error|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|forbidden"
    r"|access denied|not found|too many requests|unauthori[sz]ed|bad request|request timeout"
    r"|(?:application|server|proxy|database) error|error(?: page)?|just a moment\.*|attention required!?"
    r"|site (?:is )?(?:down|under) ?(?:for )?maintenance|service unavailable|page not found"
    r"|something went wrong|[\w./ -]{1,40}error report|an error (?:has )?occurred)\b[^a-z]*)"
)
_XML_FAULT = compiled(
    r"(?is)\A(?:<\?xml[^>]*\?>\s*)?(?:<(?:[\w-]+:)?envelope\b.*<(?:[\w-]+:)?fault\b"
    r"|<(?:[\w-]+:)?(?:error|errors|errorresponse|fault|exception|exceptionreport|serviceexceptionreport)[\s/>])"
)


def markup_sign(text: str) -> ErrorSign | None:
    """The sign of failure in a text that begins with ``<``."""
    head = text[:HEAD_CHARS]
    if _XML_FAULT.search(head):
        return ErrorSign("xml_fault", CERTAIN, head[:MAX_QUOTE_CHARS])
    if _HTML.search(head):
        for match in _TITLE.finditer(head):
            if _FAILURE_TITLE.search(match.group(1)):
                return ErrorSign("http_page", CERTAIN, match.group(0)[:MAX_QUOTE_CHARS])
        said = " ".join(_TAGS.sub(" ", head).split()) if len(text) <= SHORT_PAGE_CHARS else ""
        if said and is_failure_phrase(said):
            return ErrorSign("http_page", LIKELY, said[:MAX_QUOTE_CHARS])
    return None
