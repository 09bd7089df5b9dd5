"""A webhook receiver that remembers what it was sent, and fails now and then as receivers do."""

from __future__ import annotations

import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson

FAIL_EVERY = 3


class Webhooks:
    """Counts deliveries by id; every third request is answered 500, and will come again."""

    def __init__(self) -> None:
        self.bodies: dict[str, set[bytes]] = defaultdict(set)
        self._requests = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200 if receiver.take(body) else 500)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._lock = threading.Lock()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def take(self, body: bytes) -> bool:
        """Whether the request is answered well."""
        with self._lock:
            self._requests += 1
            if self._requests % FAIL_EVERY == 0:
                return False
            self.bodies[str(orjson.loads(body).get("alert_id"))].add(body)
            return True

    def stop(self) -> None:
        self._server.shutdown()
