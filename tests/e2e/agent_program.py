"""A program as users write it: the real `openai` client, instrumented, sending to a Collector. Prints its trace id."""

from __future__ import annotations

import sys
from typing import Any

from openai import OpenAI
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

TOOL: Any = {
    "type": "function",
    "function": {"name": "search", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}},
}


def main(collector: str, model: str) -> None:
    """One agent run: a call of the model, and a tool that fails and says so in its text only."""
    provider = TracerProvider(resource=Resource.create({"service.name": "live-agent"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{collector}/v1/traces")))
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    client = OpenAI(base_url=model, api_key="none")
    tracer = provider.get_tracer("live")
    with tracer.start_as_current_span("invoke_agent") as root:
        root.set_attribute("gen_ai.operation.name", "invoke_agent")
        client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Where is Ana?"}],
            tools=[TOOL],
        )
        with tracer.start_as_current_span("execute_tool search") as tool:
            tool.set_attribute("gen_ai.operation.name", "execute_tool")
            tool.set_attribute("gen_ai.tool.name", "search")
            tool.set_attribute("gen_ai.tool.call.arguments", '{"q": "Ana"}')
            tool.set_attribute("gen_ai.tool.call.result", "Error: upstream timeout")
    provider.shutdown()
    print(f"{root.get_span_context().trace_id:032x}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
