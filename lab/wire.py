"""One SMTP connection's bytes: lines in, replies out, and every way of misbehaving."""

import asyncio
import contextlib
import socket
import ssl
import struct

MAX_LINE = 12_288
IDLE_SECONDS = 300
SILENCE_SECONDS = 600
LINGER_ZERO = struct.pack("ii", 1, 0)


class Hangup(Exception):
    """The receiver ends the connection: `mode` is close, 421, rst or silence."""

    def __init__(self, mode: str, why: str) -> None:
        super().__init__(why)
        self.mode = mode
        self.why = why


class Channel:
    """Replies wait until the client's next line is awaited, so that pipelined commands are answered in one write (RFC
    2920).
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._in = bytearray()
        self._out = bytearray()

    async def line(self) -> bytes:
        """The next command line without its end. Raises EOFError when the client has gone."""
        while (end := self._in.find(b"\n")) < 0:
            if len(self._in) > MAX_LINE:
                raise Hangup("close", "line too long")
            await self._fill()
        taken = bytes(self._in[:end])
        del self._in[: end + 1]
        return taken.rstrip(b"\r")

    async def data(self, limit: int) -> bytes:
        """A message up to the final dot, dot-stuffing undone (RFC 5321 section 4.5.2)."""
        self._in[:0] = b"\r\n"
        searched = 0
        while (end := self._in.find(b"\r\n.\r\n", searched)) < 0:
            if len(self._in) > limit * 2 + MAX_LINE:
                raise Hangup("421", "message far beyond the size limit")
            searched = max(0, len(self._in) - 4)
            await self._fill()
        taken = bytes(self._in[2 : end + 2])
        del self._in[: end + 5]
        return (b"\r\n" + taken).replace(b"\r\n..", b"\r\n.")[2:]

    async def exactly(self, size: int) -> bytes:
        while len(self._in) < size:
            await self._fill()
        taken = bytes(self._in[:size])
        del self._in[:size]
        return taken

    async def some(self) -> None:
        """Wait until the client has sent anything more."""
        if not self._in:
            await self._fill()

    async def _fill(self) -> None:
        await self.flush()
        async with asyncio.timeout(IDLE_SECONDS):
            more = await self._reader.read(262_144)
        if not more:
            raise EOFError
        self._in += more

    def send(self, reply: bytes) -> None:
        self._out += reply

    async def flush(self) -> None:
        if self._out:
            self._writer.write(bytes(self._out))
            self._out.clear()
            await self._writer.drain()

    async def trickle(self, reply: bytes, gap: float) -> None:
        """The reply byte by byte, `gap` seconds apart."""
        await self.flush()
        for byte in reply:
            self._writer.write(bytes([byte]))
            await self._writer.drain()
            await asyncio.sleep(gap)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """What the client sent ahead of the handshake is thrown away: it was not protected (RFC 3207 section 4.2)."""
        await self.flush()
        self._in.clear()
        await self._writer.start_tls(context, ssl_handshake_timeout=20)

    def tls_version(self) -> str:
        found: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return (found.version() or "") if found else ""

    async def hang_up(self, mode: str) -> None:
        """End the connection: orderly, with RST, or by never answering again."""
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            if mode == "silence":
                await self._ignore()
            elif mode == "rst":
                self._reset()
            else:
                await self.flush()
        self._writer.close()
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), 5)

    def _reset(self) -> None:
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self._writer.transport.abort()

    async def _ignore(self) -> None:
        self._out.clear()
        async with asyncio.timeout(SILENCE_SECONDS):
            while await self._reader.read(65_536):
                pass
