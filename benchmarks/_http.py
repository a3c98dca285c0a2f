"""A load client that costs little: raw HTTP/1.1 over kept connections, one request on its way on each."""

import asyncio
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

# A browser's name, else the doors take us for a program.
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class Answers:
    """Statuses by number; `seconds` each in the order in which they came."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    took: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.took

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(len(self.seconds) * share))] * 1000

    def only(self, status: int) -> None:
        """A wrong answer is no answer."""
        if set(self.statuses) != {status}:
            raise RuntimeError(f"Answers: {dict(self.statuses)}; only {status} was expected.")


def get(path: str, headers: Mapping[str, str] | None = None) -> bytes:
    return _request("GET", path, headers or {}, b"")


def post(path: str, body: bytes, content_type: str) -> bytes:
    return _request("POST", path, {"Content-Type": content_type, "Content-Length": str(len(body))}, body)


def _request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"User-Agent: {BROWSER}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode() + body


def as_fast_as_it_goes(port: int, requests: Sequence[bytes], *, seconds: float, connections: int = 16) -> Answers:
    """These requests round and round, from where the last call's stopped nothing is remembered."""
    return asyncio.run(_hammer(port, requests, seconds, connections))


def at_a_pace(port: int, requests: Sequence[bytes], *, per_second: float, connections: int = 16) -> Answers:
    """One after the other at fixed times, whether the last was answered or not; timed from when it was due."""
    return asyncio.run(_pace(port, requests, per_second, connections))


class _Connection(asyncio.Protocol):
    def __init__(self, answered: Callable[["_Connection", int], None]) -> None:
        self._answered = answered
        self._buffer = b""
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, since: float) -> None:
        self.since = since
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end + 2)
        if len(self._buffer) < end + 4 + (int(length[1]) if length else 0):
            return
        status = int(self._buffer[9:12])
        self._buffer = b""
        self._answered(self, status)


async def _hammer(port: int, requests: Sequence[bytes], seconds: float, connections: int) -> Answers:
    answers, done = Answers(), asyncio.get_running_loop().create_future()
    began = time.perf_counter()
    until, n, open_ = began + seconds, 0, connections

    def answered(connection: _Connection, status: int) -> None:
        nonlocal n, open_
        now = time.perf_counter()
        answers.statuses[status] += 1
        answers.seconds.append(now - connection.since)
        if now < until:
            connection.send(requests[n % len(requests)], now)
            n += 1
            return
        open_ -= 1
        connection.transport.close()
        if not open_:
            done.set_result(None)

    for connection in await _connect(port, connections, answered):
        connection.send(requests[n % len(requests)], time.perf_counter())
        n += 1
    await asyncio.wait_for(done, seconds + 60)
    answers.took = time.perf_counter() - began
    return answers


async def _pace(port: int, requests: Sequence[bytes], per_second: float, connections: int) -> Answers:
    answers, due, done = Answers(), deque[tuple[bytes, float]](), asyncio.get_running_loop().create_future()

    def answered(connection: _Connection, status: int) -> None:
        answers.statuses[status] += 1
        answers.seconds.append(time.perf_counter() - connection.since)
        idle.append(connection)
        if len(answers.seconds) == len(requests):
            done.set_result(None)
        send()

    def send() -> None:
        while due and idle:
            idle.pop().send(*due.popleft())

    idle = await _connect(port, connections, answered)
    began = time.perf_counter()
    for number, request in enumerate(requests):
        at = began + number / per_second
        if (wait := at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        due.append((request, at))
        send()
    await asyncio.wait_for(done, 60)
    answers.took = time.perf_counter() - began
    return answers


async def _connect(port: int, n: int, answered: Callable[[_Connection, int], None]) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: _Connection(answered), "127.0.0.1", port) for _ in range(n)]
    return [connection for _, connection in made]
