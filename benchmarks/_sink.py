"""A receiver that says yes to everything as fast as it can, in a process of its own: `python -m benchmarks._sink`.

Prints its port. `XSTAT` over any connection answers how many messages came, and when the first and the last did, and
the first and the last of the middle four fifths; `XZERO` begins the count anew.
With `--rtt` and `--accept-delay` (milliseconds) it answers as late as a receiver far away would.
"""

import argparse
import select
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import NamedTuple

LINE, END = b"\r\n", b"\r\n.\r\n"
ACCEPTED = b"250 2.0.0 Ok\r\n"


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


class Receiver:
    """One connection. Replies to what came in one packet leave in one packet."""

    def __init__(self, sock: socket.socket, seen: Seen) -> None:
        self.sock, self._seen = sock, seen
        self._buffer = b""
        self._in_content = False

    def take(self, data: bytes) -> bytes:
        """What to answer to what has come."""
        rest = self._buffer + data if self._buffer else data
        replies = b""
        while rest:
            mark = END if self._in_content else LINE
            if (end := rest.find(mark)) < 0:
                break
            replies += self._content() if self._in_content else self._reply(rest[:5].upper())
            rest = rest[end + len(mark) :]
        self._buffer = rest
        return replies

    def _content(self) -> bytes:
        self._in_content = False
        self._seen.dots.append(time.time())
        return ACCEPTED

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


class Sink:
    """All connections on one epoll: it shares the machine with what is measured, and asyncio takes twice as long."""

    def __init__(self, rtt: float, accept_delay: float) -> None:
        self._rtt, self._accept_delay = rtt, accept_delay
        self._seen = Seen()
        self._door = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._epoll = select.epoll()
        self._epoll.register(self._door, select.EPOLLIN)
        self._receivers: dict[int, Receiver] = {}
        # When to say what to whom; the counter keeps those of one moment in order.
        self._later: list[tuple[float, int, Receiver, bytes]] = []
        self._n = count()
        self.port: int = self._door.getsockname()[1]

    def serve(self) -> None:
        while True:
            wait = max(0.0, self._later[0][0] - time.monotonic()) if self._later else -1
            for number, _ in self._epoll.poll(wait):
                if number == self._door.fileno():
                    self._greet()
                elif (receiver := self._receivers.get(number)) is not None:
                    self._hear(receiver)
            while self._later and self._later[0][0] <= time.monotonic():
                *_, receiver, data = heappop(self._later)
                self._say(receiver, data)

    def _greet(self) -> None:
        sock, _ = self._door.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._epoll.register(sock, select.EPOLLIN)
        receiver = self._receivers[sock.fileno()] = Receiver(sock, self._seen)
        self._answer(receiver, b"220 sink ready\r\n")

    def _hear(self, receiver: Receiver) -> None:
        try:
            data = receiver.sock.recv(262144)
        except OSError:
            data = b""
        if not data:
            del self._receivers[receiver.sock.fileno()]
            receiver.sock.close()
        elif replies := receiver.take(data):
            self._answer(receiver, replies)

    def _answer(self, receiver: Receiver, data: bytes) -> None:
        delay = self._rtt + (self._accept_delay if ACCEPTED in data else 0)
        if delay:
            heappush(self._later, (time.monotonic() + delay, next(self._n), receiver, data))
        else:
            self._say(receiver, data)

    def _say(self, receiver: Receiver, data: bytes) -> None:
        with suppress(OSError):
            receiver.sock.sendall(data)


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
    sink = Sink(asked.rtt / 1000, asked.accept_delay / 1000)
    print(sink.port, flush=True)
    sink.serve()
