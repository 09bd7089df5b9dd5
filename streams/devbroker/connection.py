"""One client's connection: requests are answered one after the other, in the order they came."""

from __future__ import annotations

import asyncio
import inspect
import logging
import struct
from collections import deque
from typing import Any

from streams.devbroker.answers.call import Call
from streams.devbroker.api import unsupported_api_versions
from streams.devbroker.broker import Broker
from streams.devbroker.wire import MAX_REQUEST_BYTES, BadRequest, UnknownApiVersions, decode, encode

LENGTH_BYTES = 4
MAX_BACKLOG_BYTES = 16 << 20  # requests not yet answered; beyond that nothing more is read

log = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """Cuts the stream into requests and writes the answers.

    What can be answered at once is, without a task; what must wait (a fetch, a join) holds up only its own connection,
    and is cancelled when the client hangs up.
    """

    def __init__(self, broker: Broker, connections: set[Connection]) -> None:
        self._broker, self._connections = broker, connections
        self._buffer = bytearray()
        self._backlog: deque[bytes] = deque()
        self._backlog_bytes = 0
        self._waiting: asyncio.Task | None = None
        self._writable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._backlog.clear()
        if self._waiting:
            self._waiting.cancel()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._answer_backlog()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= LENGTH_BYTES:
            (length,) = struct.unpack_from(">i", self._buffer)
            if not 0 <= length <= MAX_REQUEST_BYTES:
                self._close(f"a request of {length} bytes")
                return
            if len(self._buffer) < LENGTH_BYTES + length:
                break
            self._backlog.append(bytes(memoryview(self._buffer)[LENGTH_BYTES : LENGTH_BYTES + length]))
            self._backlog_bytes += length
            del self._buffer[: LENGTH_BYTES + length]
        self._answer_backlog()

    def close(self) -> None:
        """Hang up once what was written is sent."""
        self._transport.close()

    def _answer_backlog(self) -> None:
        while self._backlog and self._writable and not self._waiting and not self._transport.is_closing():
            frame = self._backlog.popleft()
            self._backlog_bytes -= len(frame)
            try:
                self._answer(frame)
            except BadRequest as error:
                self._close(str(error))
            except UnknownApiVersions as error:
                self._transport.writelines(encode(unsupported_api_versions(), 0, error.correlation_id))
            except Exception:
                log.exception("a request could not be answered")
                self._transport.abort()
        if self._backlog_bytes > MAX_BACKLOG_BYTES:
            self._transport.pause_reading()
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    def _answer(self, frame: bytes) -> None:
        api, request, call, correlation_id = decode(frame)
        answer = api.answer(self._broker, request, call)
        if inspect.isawaitable(answer):
            self._waiting = asyncio.ensure_future(self._answer_later(answer, call, correlation_id))
        else:
            self._write(answer, call, correlation_id)

    async def _answer_later(self, answer: Any, call: Call, correlation_id: int) -> None:
        try:
            self._write(await answer, call, correlation_id)
        except Exception:
            log.exception("a request could not be answered")
            self._transport.abort()
        finally:
            self._waiting = None
        self._answer_backlog()

    def _write(self, response: Any, call: Call, correlation_id: int) -> None:
        if response is not None and not self._transport.is_closing():
            self._transport.writelines(encode(response, call.version, correlation_id))

    def _close(self, reason: str) -> None:
        log.warning("hung up on %s: %s", self._transport.get_extra_info("peername"), reason)
        self._buffer.clear()
        self._backlog.clear()
        self._transport.close()
