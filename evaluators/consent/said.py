"""Whether a user asked for a call, agreed to it, or turned it down: read from what was said before it, in English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from schemas.patterns import compiled
from schemas.trace import Message

from ..text import whole_text

MAX_MESSAGE_CHARS = 4_000
MAX_SHORT_WORDS = 4

Stand = Literal["wanted", "turned_down", "not_asked", "no_user", "unreadable"]


class Wish(NamedTuple):
    """Where the user stands, and the place of the message that says so; else of the user's last."""

    stand: Stand
    place: int | None = None
    quote: str = ""


SYNONYMS: Mapping[str, str] = {
    "cancel": r"cancel|call(?:ing)? (?:it )?off|drop|void|undo|terminat|end (?:my|the)|stop (?:my|the)|get rid",
    "delete": r"delet|remov|eras|clear|drop|get(?:ting)? rid|wip|clean|purg|trash|discard|uninstall|take (?:it |that )?(?:off|down|out)|empt",
    "refund": r"refund|money back|reimburs|return|compensat|credit|pay me back|repay",
    "pay": r"pay|charg|bill|settl|transfer|purchas|buy|cover",
    "buy": r"buy|purchas|order|book|reserv|get me|get a|need a|take|checkout|check out|subscrib|renew|want a|go with|option|flight|ticket",
    "change": r"chang|updat|modif|upgrad|downgrad|switch|edit|adjust|add|mov|swap|replac|correct|fix|set|use|exchang|return|reschedul|rebook|extend"
    r"|remov|apply|instead|rather|go with|option|mak|take|revert|put|prefer|pay",
    "send": r"send|transfer|wir|mov|forward|pay|e-?mail|issu|giv|refund|compensat|certificate|voucher|credit|grant|offer|reset",
    "end": r"clos|terminat|end|deactivat|shut|stop|kill|disabl|cancel|delet|suspend|revok|ban|block|remov|restart|unsubscrib",
}
_GROUPS: Mapping[str, str] = {
    **dict.fromkeys(("cancel", "void"), "cancel"),
    **dict.fromkeys(
        ("delete", "remove", "drop", "destroy", "purge", "wipe", "erase", "uninstall", "truncate"), "delete"
    ),
    **dict.fromkeys(("discard", "overwrite"), "delete"),
    **dict.fromkeys(("refund",), "refund"),
    **dict.fromkeys(("pay", "charge", "withdraw", "donate", "redeem", "wire"), "pay"),
    **dict.fromkeys(("buy", "purchase", "book", "order", "reserve", "subscribe", "checkout", "place", "submit"), "buy"),
    **dict.fromkeys(
        ("update", "modify", "change", "edit", "add", "exchange", "return", "upgrade", "downgrade"), "change"
    ),
    **dict.fromkeys(("renew", "extend"), "change"),
    **dict.fromkeys(("send", "issue", "give", "grant", "transfer", "reset"), "send"),
    **dict.fromkeys(
        ("close", "terminate", "deactivate", "shutdown", "kill", "suspend", "revoke", "ban", "unsubscribe"), "end"
    ),
}

_SENTENCE = compiled(r"[^.!?\n;]+[.!?;]*")
_ENGLISH = compiled(
    r"(?i)\b(?:the|is|it|i|my|me|you|to|a|of|and|that|this|for|please|yes|no|ok|okay|what|how|can|do|not|in|on|with|go|sure)\b"
)
_ASSENTS = compiled(
    r"(?i)\b(?:yes|yeah|yep|yup|sure|ok|okay|go ahead|proceed|please do|confirm(?:ed)?|correct|sounds (?:good|great|fine|right)"
    r"|do (?:it|that|so|both|all)|that works|works for me|agreed?|approved?|let'?s|i'?ll|go with|perfect|fine|absolutely|of course"
    r"|certainly|definitely|that'?s right|right|good|great|make it (?:so|happen)|by all means|accept|y|si|sí|ja|oui)\b|👍|✅"
)
_WANTS = compiled(
    r"(?i)\b(?:please|i want|i would like|i'?d (?:like|prefer|rather)|i prefer|i need|could you|can you|would you|can i|could i|can we|could we|may i)\b"
)
_PROPOSES = compiled(
    r"(?i)\b(?:proceed|confirm|go ahead|would you like|shall i|should i|do you want|is that (?:ok|okay|right|correct|fine)|yes/no|\(yes\)|approve)\b"
)
_ASKS_ONLY = compiled(
    r"(?i)^\W*(?:(?:and|but|so|also|ok|okay|hi|hello|hey|well|just),? )*"
    r"(?:how|what|what's|when|why|where|which|who|is|are|was|were|does|did|do (?:you|i|we)|am i|would (?:it|i|there)|will (?:it|i|there)"
    r"|what if|if i|tell me|explain|show me|i (?:was|am|'m) (?:just )?(?:curious|wondering|asking|checking|looking)"
    r"|i'?m (?:just )?(?:curious|wondering|asking|checking|looking)|(?:can|could) you (?:please )?(?:tell|explain|show|check|look up|let me know|find out)"
    r"|i(?:'d| would) (?:just )?like to (?:know|check|see|understand|ask)|i (?:just )?want(?:ed)? to (?:know|check|see|understand|ask))\b"
)
_TURNS_DOWN = compiled(
    r"(?i)\b(?:stop\b[,.!]|stop (?:it|that|there|right)|wait\b|hold (?:on|off)|never ?mind|(?:do not|don'?t) (?:do|proceed|go ahead|touch|make any|take any)"
    r"|not yet|changed my mind|leave (?:it|everything|them) (?:as|alone)|forget (?:it|about it)|i(?:'d| would) rather not|please don'?t|no,? don'?t)"
)
_BARE_NO = compiled(r"(?i)^\W*(?:no|nope|nah|no,? thanks?|no,? thank you|not now)\b")
_NOT = r"(?i)(?:\bnot\b|\bdon'?t\b|\bdo not\b|\bnever\b|\bwithout\b|\brather than\b|\binstead of\b|\bno need to\b|n't\b|\bavoid\b)\W+(?:\w+\W+){0,3}?"


def wish_before(messages: Sequence[Message], verbs: Iterable[str]) -> Wish:
    """Where the user stands on a deed after `messages`.

    Parameters
    ----------
    verbs : those of the tool's name; a request must use one of them or a near word, an assent must follow a proposal.
    """
    named, negated = _patterns(frozenset(verbs))
    stand, index, last = "not_asked", None, None
    proposed = english = False
    for place, message in enumerate(messages):
        text = whole_text(message.content[-MAX_MESSAGE_CHARS:]).replace("’", "'")
        if not text:
            continue
        if message.role == "assistant":
            proposed = bool(named.search(text) or _PROPOSES.search(text))
        elif message.role == "user":
            last, english = place, english or bool(_ENGLISH.search(text))
            found = _stand_of(text, proposed, named, negated)
            if found is not None:
                stand, index = found, place
    if last is None:
        return Wish("no_user")
    shown = last if stand == "not_asked" or index is None else index
    if stand != "wanted" and not english:
        stand = "unreadable"
    return Wish(stand, shown, messages[shown].content)  # type: ignore[arg-type]


def _stand_of(text: str, proposed: bool, named: Any, negated: Any) -> Stand | None:
    wanted = turned_down = False
    for match in _SENTENCE.finditer(text):
        sentence = match.group(0)
        if negated.search(sentence) or _TURNS_DOWN.search(sentence):
            turned_down = True
        elif named.search(sentence):
            wanted = wanted or not _ASKS_ONLY.search(sentence)
        elif proposed and (_ASSENTS.search(sentence) or (_WANTS.search(sentence) and not _ASKS_ONLY.search(sentence))):
            wanted = True
    if wanted:
        return "wanted"
    if turned_down or (proposed and _BARE_NO.search(text) and len(text.split()) <= MAX_SHORT_WORDS):
        return "turned_down"
    return None


@lru_cache(maxsize=1024)
def _patterns(verbs: frozenset[str]) -> tuple[Any, Any]:
    """What names the deed, and what names it to turn it down."""
    stems = [SYNONYMS[_GROUPS[verb]] if verb in _GROUPS else _stem(verb) for verb in sorted(verbs)]
    words = "|".join(stem for stem in stems if stem) or "$^"
    own = "|".join(_stem(verb) for verb in sorted(verbs) if verb) or "$^"
    return compiled(rf"(?i)\b(?:{words})"), compiled(rf"{_NOT}(?:{own})")


def _stem(verb: str) -> str:
    return "".join(char for char in verb if char.isalpha() and char.isascii()).rstrip("e")
