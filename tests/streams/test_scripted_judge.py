"""The scripted server behaves as an OpenAI-compatible one, says that it is none, and misbehaves only when told to."""

from __future__ import annotations

import asyncio
import re
import sys

import aiohttp
import openai
import pytest

from streams.scripted_judge import MODEL, Faults, ScriptedJudge, quality

FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "verdicts",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "quality": {
                    "type": "object",
                    "properties": {
                        "reason": {"type": "string"},
                        "verdict": {"type": "string", "enum": ["good", "bad"]},
                    },
                }
            },
        },
    },
}


async def ask(base_url, text="[[BEGIN output ]]\nfine\n[[END output ]]", **more):
    async with openai.AsyncOpenAI(api_key="k", base_url=base_url, max_retries=0) as client:
        messages = [{"role": "system", "content": "Judge."}, {"role": "user", "content": text}]
        return await client.chat.completions.create(model="any", messages=messages, response_format=FORMAT, **more)


async def test_it_says_that_it_is_no_model():
    async with ScriptedJudge() as up, openai.AsyncOpenAI(api_key="k", base_url=up.base_url) as client:
        assert [model.id async for model in client.models.list()] == [MODEL]
        answer = await ask(up.base_url)
    assert "not a model" in answer.model
    assert "no model" in answer.choices[0].message.content
    assert answer.usage.prompt_tokens > 0


async def test_equal_requests_get_equal_answers_and_worse_texts_worse_ones():
    sorry = "[[BEGIN output ]]\nSorry, I cannot. Unfortunately an error.\n[[END output ]]"
    async with ScriptedJudge() as up:
        good, again, bad = [
            (await ask(up.base_url, text)).choices[0].message.content for text in ("fine", "fine", sorry)
        ]
    assert good == again
    assert '"good"' in good
    assert '"bad"' in bad


def test_the_rules():
    def of(output, history="", criterion="faithfulness"):
        return quality(
            criterion, f"[[BEGIN history ]]\n{history}\n[[END history ]]\n[[BEGIN output ]]\n{output}\n[[END output ]]"
        )[0]

    assert of("Your flight is booked.") == 1.0
    assert of("Sorry, I can't.") < of("Sorry.") < 1.0
    assert of("Booked.", "[1] TOOL book\n| Error: sold out") < 1.0
    assert of("Booked.", "[1] SYSTEM\n| On an error say sorry; an invalid request has failed") == 1.0
    assert of("You idiot.", criterion="toxicity") == 0.0
    assert of("I am sorry.", criterion="toxicity") == 1.0


@pytest.mark.parametrize(("fault", "error"), [("reject", openai.RateLimitError), ("fail", openai.InternalServerError)])
async def test_faults_are_what_they_are_called(fault, error):
    async with ScriptedJudge(faults=Faults(**{fault: 1.0}, times=1, retry_after="7")) as up:
        with pytest.raises(error) as raised:
            await ask(up.base_url)
        assert raised.value.response.headers.get("retry-after") == ("7" if fault == "reject" else None)
        assert (await ask(up.base_url)).choices[0].finish_reason == "stop"


async def test_a_share_of_faults_is_chosen_by_the_text_whatever_its_code_word():
    async with ScriptedJudge(faults=Faults(fail=0.5)) as up:

        async def fails(text):
            try:
                await ask(up.base_url, text)
            except openai.InternalServerError:
                return True
            return False

        first = [await fails(f"The code word of this call is {i:016x}. Text {i % 20} {i:016x}") for i in range(40)]
    assert first[:20] == first[20:]
    assert 3 < sum(first[:20]) < 17


async def test_what_is_no_request_is_a_400_and_too_many_at_once_are_429():
    async with ScriptedJudge(latency_s=0.3, max_in_flight=2) as up:
        url = f"{up.base_url}/chat/completions"
        async with aiohttp.ClientSession() as session, session.post(url, data=b"{") as answer:
            assert answer.status == 400
        answers = await asyncio.gather(*(ask(up.base_url, f"text {i}") for i in range(6)), return_exceptions=True)
    assert sum(isinstance(answer, openai.RateLimitError) for answer in answers) == 4


async def test_the_command_prints_where_it_listens():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streams.scripted_judge", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        base_url = re.search(r"base_url (\S+)", line).group(1)
        assert "not a model" in line
        assert (await ask(base_url)).model == MODEL
    finally:
        process.terminate()
        await process.wait()
