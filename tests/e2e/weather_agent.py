"""An agent as users write them: the `openai` client, instrumented, and spans of its own around turns and tools.

Where spans go, and whether contents are captured, is said by OpenTelemetry's own environment variables; the model is the
one at OPENAI_BASE_URL. It prints the trace id of each turn.

    python weather_agent.py "What is the weather in Paris?" …
"""

from __future__ import annotations

import json
import sys
from typing import Any

from openai import OpenAI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

MODEL = "gpt-4.1-mini"
SYSTEM = "You are a weather assistant. Use the get_weather tool."
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}]
SKY = {"Paris": {"city": "Paris", "temperature_c": 21, "sky": "sunny"}}
FAILURE = "Error: upstream timeout"


def main(questions: list[str]) -> None:
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=100))
    trace.set_tracer_provider(provider)
    OpenAIInstrumentor().instrument()
    tracer = trace.get_tracer("weather.agent")
    with OpenAI() as client:
        for question in questions:
            with tracer.start_as_current_span("invoke_agent weather-agent") as root:
                root.set_attribute("gen_ai.operation.name", "invoke_agent")
                root.set_attribute("gen_ai.agent.name", "weather-agent")
                root.set_attribute("gen_ai.conversation.id", "conversation-of-ana")
                answer(client, tracer, question)
                print(f"{root.get_span_context().trace_id:032x}", flush=True)
    provider.shutdown()


def answer(client: OpenAI, tracer: trace.Tracer, question: str) -> str:
    """Ask the model until it calls no tool any more."""
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    while True:
        reply = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS, temperature=0.2)
        message = reply.choices[0].message
        if not message.tool_calls:
            return message.content or ""
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            assert call.type == "function"
            result = get_weather(tracer, call.id, call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def get_weather(tracer: trace.Tracer, call_id: str, arguments: str) -> str:
    with tracer.start_as_current_span("execute_tool get_weather") as span:
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        span.set_attribute("gen_ai.tool.name", "get_weather")
        span.set_attribute("gen_ai.tool.call.id", call_id)
        span.set_attribute("gen_ai.tool.call.arguments", arguments)
        found = SKY.get(json.loads(arguments)["city"])
        result = json.dumps(found) if found else FAILURE
        span.set_attribute("gen_ai.tool.call.result", result)
        return result


if __name__ == "__main__":
    main(sys.argv[1:])
