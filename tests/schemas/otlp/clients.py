"""What each recorded client emits, as its README tables say: the basis of what is asserted of it.

Every field that departs from the default names its reason in `because`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

REQUESTED, RETURNED = "gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"


@dataclass(frozen=True)
class Client:
    """Expectations of one client.

    Attributes
    ----------
    messages, arguments, definitions : whether contents, tool arguments and results, tool definitions are emitted.
    tool_spans : whether tools have spans.
    requested, returned : models on a successful call; `returned_streaming` when it streamed.
    finish : finish reasons of a reply that calls tools and of one that does not; None where absent.
    finish_streaming : likewise when streaming.
    session : session id by conversation; "" for any, None for none.
    unknown_tool_span : whether g has a tool span.
    aborts : whether an exception in a tool ends the run.
    raised_error_type : error type of the tool span in c.
    failed_call_error : error type of the model call in e2.
    failed_call_has_contents : whether a model call that failed says what it was asked.
    streaming_ttft : whether f has a time to first token.
    same_tokens : whether prompts are those of the other clients, so that tokens are too.
    """

    messages: bool = True
    arguments: bool = True
    definitions: bool = True
    tool_spans: bool = True
    requested: str | None = REQUESTED
    returned: str | None = RETURNED
    returned_streaming: str | None = RETURNED
    finish: tuple[str | None, str | None] = ("tool_calls", "stop")
    finish_streaming: tuple[str | None, str | None] = ("tool_calls", "stop")
    session: dict[str, str | None] = field(default_factory=lambda: {"a": None, "h": "conv-ana-001"})
    user: str | None = None
    agent: str | None = "weather-agent"
    unknown_tool_span: bool = False
    aborts: bool = False
    raised_error_type: str | None = "ValueError"
    failed_call_error: str | None = "InternalServerError"
    streaming_ttft: bool = False
    streaming_tokens: bool = True
    streaming_root: bool = True
    same_tokens: bool = True
    call_ids: bool = True
    calls_per_reply: int = 1
    missing_calls_in_h: int = 0
    failed_call_has_contents: bool = True
    because: str = ""


NONE = (None, None)
NO_SESSION: dict[str, str | None] = {"a": None, "h": None}
OPENAI_V2 = Client(
    definitions=False,
    unknown_tool_span=True,
    because="definitions: absent; tool and agent spans are written by hand",
)
NO_CONTENT = Client(
    messages=False,
    arguments=False,
    definitions=False,
    unknown_tool_span=True,
    finish_streaming=NONE,
    because="contents are not captured (legacy: they go to log events); streaming has reasons only inside messages",
)
PYDANTIC = Client(
    agent="weather_agent",
    aborts=True,
    session={"a": "", "h": "conv-ana-001"},
    failed_call_error="pydantic_ai.exceptions.ModelServerError",
    failed_call_has_contents=False,
    streaming_ttft=True,
    because="aborts on an exception; a failed call has no contents; a conversation id is generated where none is given",
)
STRANDS = Client(
    definitions=False,
    returned=None,
    returned_streaming=None,
    user="ana",
    unknown_tool_span=True,
    failed_call_error="openai.InternalServerError",
    streaming_ttft=True,
    because="returned model absent; model calls carry no tool definitions",
)
ADK = Client(
    messages=False,
    arguments=False,
    requested="openai/gpt-4.1-mini",
    returned=None,
    returned_streaming=None,
    finish=("stop", "stop"),
    finish_streaming=("stop", "stop"),
    session={"a": "session-a", "h": "conv-ana-001"},
    agent="weather_agent",
    unknown_tool_span=True,
    aborts=True,
    failed_call_error="litellm.exceptions.InternalServerError",
    same_tokens=False,
    because="no contents by default; 'stop' also for tool calls; returned model absent; it extends the system prompt",
)
TRACELOOP = Client(user="ana", streaming_ttft=True, because="user and session are association properties")
LANGCHAIN = Client(
    agent="weather_agent",
    aborts=True,
    session={"a": "t-a", "h": "conv-ana-001"},
    failed_call_error="langchain_openai.chat_models.base.OpenAIAPIError",
    because="session id is the thread id",
)
LITELLM = Client(
    session=NO_SESSION,
    requested=None,
    returned_streaming=REQUESTED,
    unknown_tool_span=True,
    streaming_root=False,
    missing_calls_in_h=1,
    because=(
        "the session is not exported; the only span of a call holds no requested model (it stands on the agent span, "
        "which the first call overwrites); streaming calls are traces of their own; one call of h has no span"
    ),
)

CLIENTS: dict[str, Client] = {
    "openai-v2": OPENAI_V2,
    "openai-v2/json": OPENAI_V2,
    "openai-v2-nocontent": NO_CONTENT,
    "openai-v2-legacy": NO_CONTENT,
    "genai-openai": Client(
        unknown_tool_span=True,
        failed_call_error="openai.InternalServerError",
        streaming_ttft=True,
        because="error type is qualified",
    ),
    "oi-openai": Client(failed_call_error="openai.InternalServerError", streaming_ttft=True),
    "oi-openai/json": Client(failed_call_error="openai.InternalServerError", streaming_ttft=True),
    "oi-openai-responses": Client(
        finish=NONE,
        finish_streaming=NONE,
        failed_call_error="openai.InternalServerError",
        streaming_ttft=True,
        because="finish reason absent with the Responses API",
    ),
    "traceloop": TRACELOOP,
    "traceloop/json": TRACELOOP,
    "traceloop-responses": Client(
        user="ana",
        call_ids=False,
        because="the model's call has the item id fc_…, the tool's answer call_…: they do not join",
    ),
    "traceloop-old": TRACELOOP,
    "pydantic-ai": PYDANTIC,
    "pydantic-ai/json": PYDANTIC,
    "pydantic-ai-v2": PYDANTIC,
    "pydantic-ai-responses": Client(
        agent="weather_agent",
        aborts=True,
        session={"a": "", "h": "conv-ana-001"},
        finish=("stop", "stop"),
        finish_streaming=("stop", "stop"),
        failed_call_error="pydantic_ai.exceptions.ModelServerError",
        failed_call_has_contents=False,
        streaming_ttft=True,
        because="as pydantic-ai; the Responses API says 'stop' also for tool calls",
    ),
    "openai-agents": Client(
        requested=None,
        finish=("stop", "stop"),
        finish_streaming=("stop", "stop"),
        session=NO_SESSION,
        raised_error_type=None,
        failed_call_error=None,
        failed_call_has_contents=False,
        because="parameters hold the response, not the request; no session, no exception events; 'stop' for calls",
    ),
    "openai-agents-chat": Client(
        definitions=False,
        returned=None,
        returned_streaming=None,
        finish=NONE,
        finish_streaming=NONE,
        session=NO_SESSION,
        raised_error_type=None,
        failed_call_error=None,
        streaming_tokens=False,
        because="returned model, definitions, finish reason and session absent; no tokens when streaming",
    ),
    "langchain": LANGCHAIN,
    "langgraph-react": Client(
        agent="weather_agent",
        session={"a": "t-a", "h": "conv-ana-001"},
        failed_call_error="langchain_openai.chat_models.base.OpenAIAPIError",
        because="as langchain, but a tool's exception goes back to the model",
    ),
    "litellm-otel": LITELLM,
    "litellm-otel-reqspan": Client(
        session=NO_SESSION,
        returned_streaming=REQUESTED,
        unknown_tool_span=True,
        streaming_root=False,
        missing_calls_in_h=1,
        because="as litellm-otel, with a span for each request",
    ),
    "litellm-otel-bare": Client(
        tool_spans=False,
        session=NO_SESSION,
        agent=None,
        returned_streaming=REQUESTED,
        streaming_root=False,
        missing_calls_in_h=1,
        because="no agent and tool spans; each call is a trace of its own",
    ),
    "strands": STRANDS,
    "strands-latest": STRANDS,
    "adk": ADK,
    "adk-content": Client(
        requested="openai/gpt-4.1-mini",
        returned=None,
        returned_streaming=None,
        finish=("stop", "stop"),
        finish_streaming=("stop", "stop"),
        session={"a": "session-a", "h": "conv-ana-001"},
        agent="weather_agent",
        unknown_tool_span=True,
        aborts=True,
        failed_call_error="litellm.exceptions.InternalServerError",
        same_tokens=False,
        because="as adk, with contents",
    ),
    "adk-schema1": Client(
        requested="openai/gpt-4.1-mini",
        returned_streaming=REQUESTED,
        finish=("stop", "stop"),
        finish_streaming=("stop", "stop"),
        session={"a": "session-a", "h": "conv-ana-001"},
        agent="weather_agent",
        unknown_tool_span=True,
        aborts=True,
        failed_call_error="litellm.exceptions.InternalServerError",
        same_tokens=False,
        calls_per_reply=2,
        failed_call_has_contents=False,
        because="call_llm holds the contents, its child generate_content the tokens; model_version names the model",
    ),
    "mlflow": Client(
        session=NO_SESSION,
        streaming_ttft=True,
        because="the session is metadata of the trace, not on spans",
    ),
}
