"""How likely a text is to instruct the model that reads it: a weighted sum of signs, in English.

One strong sign is enough (an order to forget what came before, a role marker with an order). Weak ones add up. A text
that talks about such attacks, and signs in quotation marks, count against.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas.patterns import compiled

from .hidden import hidden_text

MAX_CHARS = 200_000
BIAS = -4.0
HIDDEN_WEIGHT = 6.0
QUOTE_CHARS = 160
AROUND_CHARS = 60
DIGITS = 4


class Sign(NamedTuple):
    """A pattern and what its presence adds to the log-odds."""

    pattern: Any
    weight: float


class Suspicion(NamedTuple):
    """How likely, which signs, and the fragment with the strongest of them."""

    probability: float
    signs: tuple[str, ...]
    quote: str
    start: int


_GATE = compiled(
    r"(?i)ignor|disregard|forget|overrid|bypass|instruction|prompt|\bA\.?I\b|\bLLM|assistant|language model|<\|?im_start|\[INST|<<SYS|</?(?:system|tool_|function_)|system:|Human:|\{\{"
    r"|do not (?:tell|inform|mention|reveal|notify)|don't (?:tell|mention)|without (?:telling|informing|asking|notifying)|you (?:must|are now|should now)"
    r"|jailbreak|developer mode|!\[[^\]]*\]\(|secretly|exfiltrat"
)
_BEFORE = r"(?:(?:all|any|every|each|the|your|these|those|my|of|everything|other)\W+)*"
_EARLIER = (
    r"(?:previous|prior|above|earlier|preceding|former|past|original|initial|existing|current|system|safety|old|given)"
)
_ORDERS = r"(?:instructions?|prompts?|directions?|directives?|guidelines?|rules?|commands?|constraints?)"
_WIDER = r"(?:polic(?:y|ies)|context|messages?|conversation|orders?)"
_READER = r"(?:AI|A\.I\.|LLM|GPT|ChatGPT|Claude|Gemini|Copilot|(?:AI |language |large language )?(?:model|assistant|agent|chatbot|bot))s?"
_DEEDS = (
    r"(?:call|invoke|use|run|execute|send|forward|transfer|delete|e-?mail|post|upload|reveal|print|output|respond|reply|say|visit|open|fetch"
    r"|book|cancel|refund|approve|grant|reset|purchase|pay|wire|share|leak|include|append|add|create|change|write|submit|navigate|click)"
)
_SIGNS: Mapping[str, Sign] = {
    "orders to forget what came before": Sign(
        compiled(
            rf"(?i)\b(?:ignore|disregard|forget|override|bypass|discard|set aside|do not (?:follow|obey)|don't (?:follow|obey)|stop following)\W+{_BEFORE}"
            rf"(?:{_EARLIER}\W+(?:\w+\W+){{0,1}}?{_ORDERS}\b|{_ORDERS}\W+(?:(?:you|that|which|were|was|have|had|been)\W+)*(?:above|before|given|received|so far|previously|earlier))"
            rf"|\b(?:ignore|disregard|forget)\W+(?:everything|all|anything|what(?:ever)?)\W+(?:\w+\W+){{0,4}}?(?:above|before|previously|earlier|so far|told|said|instructed)\b"
            rf"|\b(?:ignore|disregard|forget|override|bypass)\W+your\W+(?:\w+\W+){{0,2}}?(?:{_ORDERS}|{_WIDER})\b"
            rf"|\b(?:ignore|disregard|forget)\W+(?:all|everything in) (?:the )?{_EARLIER}\W+{_WIDER}\b"
        ),
        5.0,
    ),
    "gives new instructions": Sign(
        compiled(
            r"(?i)\b(?:(?:your )?(?:new|updated|real|actual|true|revised) (?:system )?(?:instructions?|task|objective|prompt|directive|orders) (?:is|are)\b|new (?:system )?(?:instructions?|prompt|directives?)\s*:"
            r"|(?:follow|obey) (?:these|the following|this|my) (?:new |instead )?(?:instructions?|steps|directives?|commands?) (?:instead|from now|immediately))"
        ),
        3.2,
    ),
    "imitates a role marker": Sign(
        compiled(
            r"(?i)<\|(?:im_start|im_end|system|user|assistant|endoftext|start_header_id|eot_id)\|?>|\[/?INST\]|<</?SYS>>|(?m:^\W{0,4}(?:###? ?)?(?:system|developer)(?: (?:message|prompt|note|override|instruction))?\s*:\s*(?:you|ignore|new|the (?:user|assistant)|from now|override|important))"
            r"|</?(?:system|system_prompt|system-reminder|instructions|tool_result|function_results?|tool_response)>\s*(?:\w+\W+){0,6}?(?:you|must|ignore|user|assistant|now)\b"
            r"|(?:\n\n|\\n\\n)(?:Human|Assistant)\s*:"
        ),
        4.2,
    ),
    "addresses the model": Sign(
        compiled(
            rf"(?i)\b(?:attention|dear|hey|hello|note (?:to|for)|message (?:to|for)|instructions? (?:to|for)|important(?: message| note)? (?:to|for)|notice to|to (?:the|any|all)|if you are|as)\W+(?:(?:an?|the|any|all|every|you|reading|this|processing|automated|summarizing)\W+){{0,4}}{_READER}\b"
            rf"|\b(?:the|any|every|all) (?:AI|LLM|language model|AI assistant|AI agent)s? (?:(?:reading|processing|parsing|that reads?|who reads?) this|must|should|has to|shall|needs? to)\b"
            rf"|(?m:^\W*(?:AI|LLM|assistant|agent|model|chatbot)(?: assistant| agent| model)?\s*[,:]\s*(?:please\s+|you must\s+|now\s+)?{_DEEDS}\b)"
        ),
        2.6,
    ),
    "orders a deed": Sign(
        compiled(
            rf"(?i)\byou (?:must|should|need to|have to|are required to|shall|will)(?: now| first| always| immediately| also| instead)* {_DEEDS}\b"
            rf"|\b(?:please|now|then|immediately|first|instead|before (?:answering|continuing|responding)\w*),? (?:(?:also|immediately|first|silently|secretly)\W+)?(?:call|invoke|use|run|execute) (?:the )?[`'\"]?\w+[`'\"]? (?:tool|function|api)\b"
            rf"|\b(?:call|invoke|execute) (?:the )?[`'\"]?\w+_\w+[`'\"]?(?: tool| function|\()"
        ),
        1.6,
    ),
    "wants it kept from the user": Sign(
        compiled(
            r"(?i)\b(?:do not|don't|never|must not|should not) (?:tell|inform|mention|reveal|notify|alert|disclose|show|say|report)\b[^.\n]{0,50}\b(?:user|customer|human|operator|anyone|owner|them|client)\b"
            r"|\bwithout (?:telling|informing|asking|notifying|alerting|mentioning|confirmation from|the knowledge of)\W+(?:\w+\W+){0,4}?(?:user|customer|human|operator|anyone|owner)\b"
            r"|\b(?:hide|conceal|keep) (?:this|it|these)\b[^.\n]{0,30}\bfrom the (?:user|customer|human|operator)\b"
        ),
        3.4,
    ),
    "sends data away": Sign(
        compiled(
            r"(?i)\b(?:send|forward|post|upload|transmit|e-?mail|submit|exfiltrate|append|leak|copy)\b[^.\n]{0,80}?\b(?:conversation|chat history|history|system prompt|passwords?|credentials?|api[ _]keys?|secrets?|tokens?|personal (?:data|information)|user'?s? (?:data|details|information|emails?|messages?|files?)|all (?:of )?(?:the )?(?:emails?|files?|messages?|data|contacts?))\b[^.\n]{0,80}?(?:\bto\b|https?://|@)"
        ),
        2.8,
    ),
    "carries data in a url": Sign(
        compiled(
            r"(?i)!\[[^\]]*\]\(https?://[^)\s]*[?&/][^)\s]*(?:=|/)(?:\{|%7b|<|\$|\[|%5b)|https?://\S*[?&]\w+=(?:\{\{?|<|\[|\$\{?)(?:\w+[ _\-]?){0,3}(?:data|history|conversation|chat|secret|prompt|password|token|key|context|summary|info|email|content)\w*"
        ),
        4.2,
    ),
    "asks for the prompt": Sign(
        compiled(
            r"(?i)\b(?:reveal|print|repeat|output|show|display|tell me|return|leak|disclose|dump)\W+(?:\w+\W+){0,3}?(?:your|the|all)\W+(?:\w+\W+){0,2}?(?:system prompt|hidden prompt|initial prompt|(?:initial|system|hidden|original) instructions)\b"
        ),
        3.2,
    ),
    "changes who the model is": Sign(
        compiled(
            r"(?i)\b(?:you are (?:now|no longer)|from now on,? you(?: are|'re| will| must)?|pretend (?:to be|you are)|act as if you (?:are|were|have)|enter|activate|switch to|enable)\W+(?:\w+\W+){0,4}?(?:DAN|developer mode|god mode|admin(?:istrator)? mode|debug mode|jailbroken|unrestricted|without (?:any )?(?:restrictions|filters|limits)|different (?:assistant|AI)|evil|root|(?:an?|the) (?:\w+ )?(?:AI|assistant|agent|bot|model)|bound by|an? (?:hacker|attacker|pirate))\b"
        ),
        3.6,
    ),
    "claims authority": Sign(
        compiled(
            r"(?i)\b(?:system (?:override|notice|alert|update|message)|admin(?:istrator)? override|override (?:code|command|protocol)|security override|authorized by (?:the )?(?:developer|admin|openai|anthropic|system)|(?:the )?(?:user|customer) has (?:already )?(?:authori[sz]ed|approved|consented|confirmed))\b"
        ),
        1.6,
    ),
    "talks about such attacks": Sign(
        compiled(
            r"(?i)\b(?:prompt[ \-]injections?|jailbreak(?:s|ing|ed)?|red[ \-]team\w*|attackers?|adversar\w+|malicious|phishing|vulnerabilit\w+|OWASP|researchers?|exploit\w*|social engineering)\b"
        ),
        -3.0,
    ),
    "as an example": Sign(
        compiled(
            r"(?i)\b(?:for example|e\.g\.|such as|for instance|phrases? like|like \"|examples? of|known as|so-called|says? \"|containing)"
        ),
        -0.8,
    ),
}
_QUOTED_WEIGHT = -1.6
_QUOTES = ("'", '"', "`", "“", "‘", "«")
_AGAINST = ("talks about such attacks", "as an example")


def suspicion_of(text: str) -> Suspicion | None:
    """What speaks for an instruction to the model; None when nothing does."""
    text = text[:MAX_CHARS]
    hidden = hidden_text(text)
    if hidden is None and not _GATE.search(text):
        return None
    log_odds, found, best = BIAS, [], (0.0, 0, 0)
    if hidden is not None:
        log_odds += HIDDEN_WEIGHT
        found.append(f"hides text in {hidden[0]}")
    for name, sign in _SIGNS.items():
        match = sign.pattern.search(text) if name not in _AGAINST or found else None
        if match is None:
            continue
        weight = sign.weight
        if (
            weight > 0
            and text[max(0, match.start() - 1) : match.start()] in _QUOTES
            and match.start()
            and not _is_json(text, match)
        ):
            weight += _QUOTED_WEIGHT
        log_odds += weight
        if weight > best[0]:
            best = (weight, match.start(), match.end())
        found.append(name)
    if not [name for name in found if name not in _AGAINST]:
        return None
    start = max(0, best[1] - AROUND_CHARS // 2)
    quote = hidden[1] if hidden is not None and best[0] < HIDDEN_WEIGHT else text[start : best[2] + AROUND_CHARS]
    return Suspicion(round(1 / (1 + math.exp(-log_odds)), DIGITS), tuple(found), quote[:QUOTE_CHARS], start)


def _is_json(text: str, match: Any) -> bool:
    """A string of JSON begins with a quotation mark, which quotes nobody."""
    before = text[max(0, match.start() - 3) : match.start() - 1].rstrip()
    return text[match.start() - 1] == '"' and before[-1:] in (":", "[", ",", "{", "\\")
