"""secrets: what is found, what is only similar, where it is told, and that nothing is repeated.

Keys are put together here, so that scanners of repositories stay quiet.
"""

from __future__ import annotations

import pytest

from evaluators.secret_patterns import bits_a_char, matches
from schemas.trace import Finding, ToolCall
from tests.evaluators.code.recorded import runs
from tests.evaluators.making import Writer, decide, said, score_of, scores_of, suite_of
from tests.schemas.recorded import needs_shared

RANDOM = "q7Zt3LkV9wXc2NbM8pRj5HdF4sGy6TaK1eUo"
FOUND = {
    f"use sk-proj-{RANDOM}": "API_KEY",
    f'{{"key": "sk_live_{RANDOM[:24]}"}}': "API_KEY",
    f"AIza{RANDOM[:35]}": "API_KEY",
    f"token=ghp_{RANDOM}": "GITHUB_TOKEN",
    f"xoxb-2718281828-{RANDOM[:24]}": "SLACK_TOKEN",
    f"https://hooks.slack.com/services/T02{RANDOM[:8]}/{RANDOM[8:30]}": "SLACK_TOKEN",
    "id AKIA" + "QWERTZUIOPASDFGH": "AWS_KEY",
    f'"aws_secret_access_key": "{RANDOM}b/+d"': "AWS_KEY",
    f"Authorization: Bearer {RANDOM}": "BEARER_TOKEN",
    "Authorization: Basic dXNlcjpwYXNzd29yZA==": "BEARER_TOKEN",
    f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI{RANDOM[:8]}.{RANDOM}": "JWT",
    "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEowIBAAKCAQEAu8n2\n": "PRIVATE_KEY",
    "-----BEGIN PRIVATE " + "KEY-----\\nMIIEowIBAAKCAQEAu8n2\\n": "PRIVATE_KEY",
    "postgresql://app:tr0ub4dor@db.internal:5432/shop": "URL_PASSWORD",
    f"https://x.org/f?token={RANDOM}": "SECRET",
    '{"password": "tr0ub4dor&3"}': "SECRET",
    "DB_PASSWORD=tr0ub4dor&3": "SECRET",
    "the password is tr0ub4dor&3": "SECRET",
    "ключ [API_KEY:3fa9c1]": "API_KEY",
}
SIMILAR = [
    *("set OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxx", "Authorization: Bearer YOUR_API_KEY_GOES_HERE"),
    *('{"password": "${DB_PASSWORD}"}', '{"password": "changeme"}', '{"api_key": "<your key>"}', "password: please change it"),
    *("the password is incorrect", '{"secret": true, "token": null}', "https://user@example.com:8080/x", "sk-learn-0.24"),
    *("eyJ is how a JWT begins", "-----BEGIN CERTIFICATE-----\nMIIEowIBAAKCAQEAu8n2", "commit 9fceb02d0ae598e95dc970b74767f19372d61af8"),
    *("task-force-alpha-bravo-charlie-delta", "API_KEY=os.environ['API_KEY']", "[EMAIL:3fa9c1]", "x" * 9_000, "total_tokens: 4821"),
    *("credit_card_5634230 HAT136 mia_li_3668", "http://localhost:4318/v1/traces", '{"access_token": "[SECRET:3fa9c1"}'),
    *('{"next_page_token": "CAUQAA"}', "secret santa is on 2024-12-20", "password reset at 10:30pm"),
]  # fmt: skip


@pytest.mark.parametrize("text", FOUND)
def test_found(text: str) -> None:
    score = score_of("{type: secrets}", said(text))
    assert (score.attributes, score.value, score.passed) == ({FOUND[text]: 1}, 1.0, False)
    assert (score.blamed_span_id, score.evidence[0].path) == ("s0", "output_messages[0].content")
    body = score.to_bytes().decode()
    assert "tr0ub4dor" not in body and RANDOM[:8] not in body and "MIIE" not in body


@pytest.mark.parametrize("text", SIMILAR, ids=lambda text: text[:30])
def test_only_similar(text: str) -> None:
    assert list(matches(text)) == []
    assert score_of("{type: secrets}", said(text)).passed is True


def test_the_span_that_brought_it_in_is_blamed_once() -> None:
    secret = f"ghp_{RANDOM}"
    writer = Writer().llm(
        "", input=f"my token is {secret}", calls=[ToolCall(name="weather", arguments={"city": secret}, id="c1")]
    )
    writer = writer.tool(arguments={"city": secret}, result={"token": secret}, tool_call_id="c1").llm(
        f"It is {secret}."
    )
    trace = writer.llm("Bye", input=f"my token is {secret}").trace()
    failed = {s.span_id: [e.path for e in s.evidence] for s in scores_of("[{type: secrets}]", trace) if not s.passed}
    assert failed == {
        "s0": ["input_messages[0].content"],
        "s1": ["arguments", "result"],
        "s2": ["output_messages[0].content"],
    }  # fmt: skip
    whole = score_of("{type: secrets, target: trace}", trace)
    assert (whole.value, whole.blamed_span_id) == (4.0, "s0")


def test_findings_of_redaction_and_kinds() -> None:
    findings = (Finding(kind="API_KEY", path="result", count=2), Finding(kind="EMAIL", path="result"))
    trace = Writer().tool(result=None, findings=findings).trace()
    score = score_of("{type: secrets}", trace)
    assert (score.attributes, score.blamed_span_id) == ({"API_KEY": 2}, "s0")
    assert scores_of("[{type: secrets, options: {kinds: [jwt]}}]", trace) == []
    assert score_of("{type: secrets, options: {kinds: [jwt]}}", said(f"ghp_{RANDOM}")).passed is True


def test_entropy() -> None:
    assert bits_a_char("") == bits_a_char("aaaa") == 0.0
    assert bits_a_char("abcd") == 2.0


@needs_shared
def test_recorded_runs_are_clean() -> None:
    suite = suite_of("[{type: secrets}]")
    assert not [s for trace in runs("airline_dev")[:30] for s in decide(suite, trace).scores if not s.passed]
