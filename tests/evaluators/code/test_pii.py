"""pii: what is found, what is only similar, and that nothing is repeated."""

from __future__ import annotations

import pytest

from schemas.trace import Finding
from tests.evaluators.making import Writer, returned, said, score_of, scores_of

FOUND = {
    "write to jane.doe+x@mail.example.co.uk today": {"EMAIL": 1},
    "card 4111 1111 1111 1111": {"CREDIT_CARD": 1},
    "card 5555-5555-5555-4444, 378282246310005": {"CREDIT_CARD": 2},
    "IBAN DE89 3704 0044 0532 0130 00.": {"IBAN": 1},
    "IBAN GB82WEST12345698765432": {"IBAN": 1},
    "ssn 123-45-6789": {"SSN": 1},
    "call +49 30 901820 or +1 (415) 555-0132": {"PHONE": 2},
    "call (415) 555-0132 or 415-555-0132": {"PHONE": 2},
    "[EMAIL:3fa9c1] and [PHONE:00aa11]": {"EMAIL": 1, "PHONE": 1},
    "Ä ö jane@example.com": {"EMAIL": 1},
    "my phone number is 030 901820": {"PHONE": 1},
    "card 4111.1111.1111.1111 from 203.0.113.7": {"CREDIT_CARD": 1, "IP_ADDRESS": 1},
}
SIMILAR = [
    *(
        "Flight HAT123 at 10:30 on 2026-05-20",
        "order 4111 1111 1111 1112",
        "version 1.2.3.4",
        "icon@2x.png",
        "a@b",
        "@jane",
        "3.14159265",
    ),
    *(
        "GB82WEST12345698765433",
        "000-12-3456 and 666-12-3456",
        "0000 0000 0000 0000",
        "[API_KEY:3fa9c1]",
        "x" * 9_000,
    ),
    *("user_id mia_li_3668, reservation 4WQ150", "total 1,234,567.89", "trace 4bf92f3577b34da6a3ce929d0e0e4736"),
]


@pytest.mark.parametrize("text", FOUND)
def test_found(text: str) -> None:
    score = score_of("{type: pii}", said(text))
    assert (score.attributes, score.value, score.passed) == (FOUND[text], float(sum(FOUND[text].values())), False)


@pytest.mark.parametrize("text", SIMILAR, ids=lambda t: t[:30])
def test_only_similar(text: str) -> None:
    score = score_of("{type: pii}", said(text))
    assert (score.passed, score.value, score.label) == (True, 0.0, "none")


def test_the_data_itself_is_not_repeated() -> None:
    text = "jane.doe@example.com 4111 1111 1111 1111 +49 30 901820 DE89370400440532013000 123-45-6789"
    body = score_of("{type: pii}", said(text)).to_bytes().decode()
    assert not any(part in body for part in ("jane", "4111", "901820", "DE89", "6789"))


def test_findings_of_redaction_count_once_and_where_they_are() -> None:
    findings = (
        Finding(kind="EMAIL", path="output_messages[0].content", count=2),
        Finding(kind="SSN", path="input_messages[0]"),
    )
    trace = said("[EMAIL:3fa9c1] and [EMAIL:3fa9c2]", findings=findings)
    assert score_of("{type: pii}", trace).attributes == {"EMAIL": 2}
    assert score_of("{type: pii, options: {text: all}}", trace).attributes == {"EMAIL": 2, "SSN": 1}
    hidden = Writer().llm(findings=findings).trace()
    assert score_of("{type: pii}", hidden).value == 2.0
    secret = said("fine", findings=(Finding(kind="API_KEY", path="output_messages[0].content"),))
    assert score_of("{type: pii}", secret).passed is True


def test_kinds_and_texts_are_chosen() -> None:
    trace = said("jane@example.com")
    assert score_of("{type: pii, options: {kinds: [phone]}}", trace).passed is True
    assert score_of("{type: pii, options: {kinds: [EMAIL]}}", trace).passed is False
    assert score_of("{type: pii, options: {text: result}}", returned({"mail": "jane@example.com"})).passed is False
    assert scores_of("[{type: pii}]", returned("jane@example.com")) == []
