"""A receiver that says yes to everything as fast as it can, in a process of its own: `python -m benchmarks._sink`.

Prints its port. `XSTAT` over any connection answers how many messages came, and when the first and the last did, and
the first and the last of the middle four fifths; `XZERO` begins the count anew.
With `--rtt` and `--accept-delay` (milliseconds) it answers as late as a receiver far away would.
"""

import argparse
import asyncio
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast


class Seen:
    """When each message came."""

    def __init__(self) -> None:
        self.dots = array("d")

    def report(self) -> "Report":
        if not self.dots:
            return Report(0, 0.0, 0.0, 0.0, 0.0)
        n = len(self.dots)
        return Report(n, self.dots[0], self.dots[-1], self.dots[n // 10], self.dots[n * 9 // 10])


class Report(NamedTuple):
    messages: int
    first: float
    last: float
    tenth: float  # when a tenth of them had come
    ninth: float  # when nine tenths had

    @property
    def steady_per_s(self) -> float:
        """Messages a second of the middle four fifths: without the run-up, and without the end, when one connection
        after the other has nothing to do any more."""
        return 0.8 * self.messages / (self.ninth - self.tenth)


class Receiver(asyncio.Protocol):
    """One connection. Replies to what came in one packet leave in one packet."""

    def __init__(self, seen: Seen, rtt: float, accept_delay: float) -> None:
        self._seen, self._rtt, self._accept_delay = seen, rtt, accept_delay
        self._buffer = bytearray()
        self._in_content = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer(b"220 sink ready\r\n", self._rtt)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies, delay = bytearray(), self._rtt
        while (reply := self._step()) is not None:
            replies += reply
            if reply.startswith(b"250 2.0.0"):
                delay = self._rtt + self._accept_delay
        if replies:
            self._answer(bytes(replies), delay)

    def _step(self) -> bytes | None:
        end = self._buffer.find(b"\r\n.\r\n" if self._in_content else b"\r\n")
        if end < 0:
            return None
        if self._in_content:
            del self._buffer[: end + 5]
            self._in_content = False
            self._seen.dots.append(time.time())
            return b"250 2.0.0 Ok\r\n"
        verb = bytes(self._buffer[:5]).upper()
        del self._buffer[: end + 2]
        return self._reply(verb)

    def _reply(self, verb: bytes) -> bytes:
        if verb.startswith(b"DATA"):
            self._in_content = True
            return b"354 go\r\n"
        seen = self._seen
        if verb == b"XZERO":
            del seen.dots[:]
        if verb == b"XSTAT":
            return f"250 {' '.join(map(repr, seen.report()))}\r\n".encode()
        return {b"EHLO ": b"250-sink\r\n250 PIPELINING\r\n", b"QUIT\r": b"221 bye\r\n"}.get(verb, b"250 Ok\r\n")

    def _answer(self, data: bytes, delay: float) -> None:
        if delay:
            asyncio.get_running_loop().call_later(delay, self._write, data)
        else:
            self._write(data)

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


async def serve(rtt: float, accept_delay: float) -> None:
    seen = Seen()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Receiver(seen, rtt / 1000, accept_delay / 1000), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def running(*, rtt: float = 0, accept_delay: float = 0) -> Iterator[int]:
    """A sink for the length of a block; yields its port."""
    command = [sys.executable, "-m", "benchmarks._sink", "--rtt", str(rtt), "--accept-delay", str(accept_delay)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).resolve().parent.parent)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def zero(port: int) -> None:
    """Begin to count anew."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        lines = sock.makefile("rb")
        lines.readline()
        sock.sendall(b"XZERO\r\n")
        lines.readline()


def stat(port: int) -> Report:
    """What the sink at this port has seen since the count began."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        lines = sock.makefile("rb")
        lines.readline()
        sock.sendall(b"XSTAT\r\n")
        _, messages, *instants = lines.readline().split()
        return Report(int(messages), *map(float, instants))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rtt", type=float, default=0)
    parser.add_argument("--accept-delay", type=float, default=0)
    asked = parser.parse_args()
    asyncio.run(serve(asked.rtt, asked.accept_delay))
