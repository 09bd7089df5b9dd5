"""An OpenAI-compatible server that plays the model of the weather agent: it calls the tool, then it answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

RETURNED = "gpt-4.1-mini-2025-04-14"
PROMPT_TOKENS, COMPLETION_TOKENS = 57, 13


@contextmanager
def scripted_model() -> Iterator[str]:
    """Its base URL, while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def final_answer(city: str) -> str:
    return f"The weather in {city} is lovely today."


class _Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        last = asked["messages"][-1]
        question = next(m["content"] for m in reversed(asked["messages"]) if m["role"] == "user")
        city = question.rstrip("?").split()[-1]
        message: dict[str, Any] = {"role": "assistant", "content": final_answer(city)}
        if last["role"] == "user":
            function = {"name": "get_weather", "arguments": orjson.dumps({"city": city}).decode()}
            call = {"id": f"call_{city}", "type": "function", "function": function}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        self._reply(message, "tool_calls" if "tool_calls" in message else "stop")

    def _reply(self, message: dict[str, Any], reason: str) -> None:
        usage = {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": COMPLETION_TOKENS,
            "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
        }
        completion = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": RETURNED,
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": usage,
        }
        body = orjson.dumps(completion)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
