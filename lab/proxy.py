"""A TCP proxy that does to connections what networks do: cut, reset, hold, drop, delay, trickle; after so many bytes,
or where certain bytes pass.

    with running_proxies(seed=7) as start:
        proxy = start("smtp", [Way("127.9.1.1", 0, Upstream("127.9.1.1", 2525), keep_source=True)])
        proxy.trouble(Trouble("reset", towards="client", after_bytes=120, share=0.2))

What is troubled is decided by the seed, connection by connection.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

ACTS = ("cut", "reset", "hold", "drop", "delay", "trickle", "refuse")
DIRECTIONS = ("server", "client", "both")
CHUNK = 65_536
WAIT_SECONDS = 30
LINGER_ZERO = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What befalls connections, from the byte `after_bytes` of a direction on, or from where `at` passes.

    cut: both sides are closed, and what came is not passed on. reset: the same, with RST. hold: nothing is passed on
    until the trouble is over, then all of it. drop: what comes is swallowed. delay: each chunk waits `seconds`.
    trickle: byte by byte, `seconds` apart. refuse: new connections are closed at once.
    """

    act: str
    towards: str = "both"
    after_bytes: int = 0
    at: bytes = b""
    seconds: float = 0.0
    share: float = 1.0
    # At most so many connections; 0 is all of them.
    most: int = 0

    def __post_init__(self) -> None:
        if self.act not in ACTS or self.towards not in DIRECTIONS:
            raise ValueError(f"There is no trouble {self.act!r} towards {self.towards!r}.")


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where connections really go: a host and port, or the path of a unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """One listening address. `keep_source`: go on from the client's own address, as far as it is of this machine."""

    host: str
    port: int
    upstream: Upstream
    keep_source: bool = False


@dataclass(eq=False, slots=True)
class _Link:
    """One connection through the proxy. `chosen`: the trouble that it was drawn for, and whether it is."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    drawn: dict[int, bool] = field(default_factory=dict)
    begun: set[tuple[int, str]] = field(default_factory=set)


class Cut(Exception):
    """The connection ends here."""


class Proxy:
    """Its methods may be called from any thread; the work is done in the loop."""

    def __init__(self, name: str, *, seed: int, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.ports: list[int] = []
        self.n_connections = self.n_troubled = 0
        self._random = random.Random(f"{seed}:{name}")
        self._loop = loop
        self._trouble: Trouble | None = None
        self._turn = 0
        self._over = asyncio.Event()
        self._links: set[_Link] = set()
        self._servers: list[asyncio.Server] = []
        self._n_drawn = 0

    @property
    def n_open(self) -> int:
        return len(self._links)

    def trouble(self, trouble: Trouble | None) -> None:
        """From now on, also for connections that are open; None: all is well again, and what was held goes on."""
        self._in_loop(self._set(trouble))

    def break_all(self) -> int:
        """Reset every open connection; returns how many."""
        return int(self._in_loop(self._break_all()))

    async def listen(self, ways: Sequence[Way]) -> None:
        for way in ways:
            server = await asyncio.start_server(partial(self._serve, way), way.host, way.port)
            self._servers.append(server)
            self.ports.append(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        await self._set(None)
        await self._break_all()

    def _in_loop(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_SECONDS)

    async def _set(self, trouble: Trouble | None) -> None:
        self._over.set()
        self._over = asyncio.Event()
        self._turn, self._trouble, self._n_drawn = self._turn + 1, trouble, 0

    async def _break_all(self) -> int:
        links = list(self._links)
        for link in links:
            _reset(link.client)
            _reset(link.server)
        return len(links)

    async def _serve(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        _at_once(writer)
        if self._trouble is not None and self._trouble.act == "refuse":
            self.n_troubled += 1
            _reset(writer)
            return
        try:
            back_reader, back_writer = await _reach(way, writer)
        except OSError:
            _reset(writer)
            return
        link = _Link(writer, back_writer)
        self._links.add(link)
        pumps = [
            asyncio.create_task(self._pump(link, reader, back_writer, "server")),
            asyncio.create_task(self._pump(link, back_reader, writer, "client")),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._links.discard(link)
            for each in (back_writer, writer):
                each.close()

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, towards: str
    ) -> None:
        passed = 0
        with contextlib.suppress(OSError, Cut):
            while chunk := await reader.read(CHUNK):
                passed += await self._pass_on(link, chunk, writer, towards, passed)
                await writer.drain()

    async def _pass_on(self, link: _Link, chunk: bytes, writer: asyncio.StreamWriter, towards: str, passed: int) -> int:
        trouble = self._trouble
        if trouble is None or trouble.towards not in (towards, "both") or not self._is_drawn(link, trouble):
            writer.write(chunk)
            return len(chunk)
        good = self._untroubled(link, trouble, chunk, towards, passed)
        writer.write(chunk[:good])
        if rest := chunk[good:]:
            await self._do(link, trouble, rest, writer)
        return len(chunk)

    def _is_drawn(self, link: _Link, trouble: Trouble) -> bool:
        if self._turn not in link.drawn:
            drawn = self._random.random() < trouble.share and not (trouble.most and self._n_drawn >= trouble.most)
            link.drawn[self._turn] = drawn
            self._n_drawn += drawn
        return link.drawn[self._turn]

    def _untroubled(self, link: _Link, trouble: Trouble, chunk: bytes, towards: str, passed: int) -> int:
        """How much of the chunk still passes as it is."""
        begun = (self._turn, towards)
        if begun in link.begun:
            return 0
        if trouble.at:
            found = chunk.find(trouble.at)
            good = len(chunk) if found < 0 else found
        else:
            good = max(0, min(len(chunk), trouble.after_bytes - passed))
        if good < len(chunk):
            link.begun.add(begun)
            self.n_troubled += 1
        return good

    async def _do(self, link: _Link, trouble: Trouble, rest: bytes, writer: asyncio.StreamWriter) -> None:
        if trouble.act == "reset":
            _reset(link.client)
            _reset(link.server)
            raise Cut
        if trouble.act == "cut":
            raise Cut
        if trouble.act == "hold":
            await self._over.wait()
            writer.write(rest)
        elif trouble.act == "delay":
            await asyncio.sleep(trouble.seconds)
            writer.write(rest)
        elif trouble.act == "trickle":
            for byte in rest:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(trouble.seconds)


async def _reach(way: Way, client: asyncio.StreamWriter) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if way.upstream.path:
        return await asyncio.open_unix_connection(way.upstream.path)
    source = (client.get_extra_info("peername")[0], 0) if way.keep_source else None
    reader, writer = await asyncio.open_connection(way.upstream.host, way.upstream.port, local_addr=source)
    _at_once(writer)
    return reader, writer


def _at_once(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if raw.family != socket.AF_UNIX:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    writer.transport.abort()


@contextlib.contextmanager
def running_proxies(*, seed: int) -> Iterator[Callable[[str, Sequence[Way]], Proxy]]:
    """An event loop in a thread; what is yielded starts a proxy on the ways given. Raises OSError for a port taken."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxies", daemon=True)
    thread.start()
    started: list[Proxy] = []

    def start(name: str, ways: Sequence[Way]) -> Proxy:
        proxy = Proxy(name, seed=seed, loop=loop)
        asyncio.run_coroutine_threadsafe(proxy.listen(ways), loop).result(WAIT_SECONDS)
        started.append(proxy)
        return proxy

    try:
        yield start
    finally:
        for proxy in started:
            asyncio.run_coroutine_threadsafe(proxy.close(), loop).result(WAIT_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_SECONDS)
