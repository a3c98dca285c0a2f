"""Listen for reports and replies by SMTP or LMTP. "250" is said after the commit; before it, a mail server keeps them.

Only mail to our own domains is taken. A reader of DATA of our own keeps the head of a message and a digest of all of
it: however long or oddly cut into lines it is, a connection holds one megabyte.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP
from django.db import Error, connection

from sending.inbound import receiving
from sending.inbound.receiving import KEPT, LARGEST, Arrival, Digest

log = logging.getLogger(__name__)
logging.getLogger("mail.log").setLevel(logging.WARNING)  # it tells of every connection

MOST_CONNECTIONS = 100
MOST_RECIPIENTS = 50
IDLE_SECONDS = 120.0
REST_OCTETS = 64 * 1024
# Until a connection that is open at a shutdown is cut.
FINISH_SECONDS = 20.0
_NOT_NOW = "451 4.3.0 Not now, our records can't be written; try again later"
_Found = TypeVar("_Found")


class Handler:
    """What the protocol asks. Database work runs in threads, each with a connection that it gives back."""

    def __init__(self, *, source: str, clock: Callable[[], datetime], wake: Callable[[int], None]) -> None:
        self._source, self._clock, self._wake = source, clock, wake
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="inbound")

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        try:
            ours = await self._in_thread(receiving.is_ours, address)
        except Error:
            return _NOT_NOW
        if not ours:
            return "550 5.7.1 We take no mail for this address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_exception(self, error: Exception) -> str:
        """A defect of ours must not make anybody lose a message."""
        log.error("A dialogue failed", exc_info=error)
        return _NOT_NOW

    async def keep(self, session: Any, envelope: Any, kept: bytes, size: int, digests: list[Digest]) -> list[str]:
        """Store the message for each recipient; returns a reply for each."""
        peer = str(session.peer[0]) if isinstance(session.peer, tuple) else ""
        came = [
            Arrival(
                source=self._source,
                raw=kept,
                size=size,
                digest=digest.id,
                mail_from=(envelope.mail_from or "").strip("<>"),
                rcpt_to=address,
                peer=peer,
            )
            for address, digest in zip(envelope.rcpt_tos, digests, strict=True)
        ]
        return [await self._keep(one) for one in came]

    async def _keep(self, came: Arrival) -> str:
        try:
            inbound_id = await self._in_thread(lambda: receiving.keep(now=self._clock(), came=came))
        except Error as error:
            log.warning("A message could not be stored: %s", type(error).__name__)
            return _NOT_NOW
        if inbound_id is not None:
            self._threads.submit(self._wake, inbound_id)
        return "250 2.0.0 OK, kept"

    def _in_thread(self, act: Callable[..., _Found], *args: object) -> Awaitable[_Found]:
        def run() -> _Found:
            try:
                return act(*args)
            finally:
                if not connection.in_atomic_block:
                    connection.close()

        return asyncio.get_running_loop().run_in_executor(self._threads, run)

    def close(self) -> None:
        self._threads.shutdown(wait=True)


class _Reception(SMTP):
    """aiosmtpd's dialogue with a DATA of our own, and a limit of connections."""

    says_each = False

    def __init__(self, handler: Handler, doors: "Listener", **options: Any) -> None:
        super().__init__(handler, **options)
        self._keeper, self._doors = handler, doors

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._doors.open) >= MOST_CONNECTIONS and isinstance(transport, asyncio.Transport):
            transport.write(b"421 4.3.2 Too many connections, try again later\r\n")
        super().connection_made(transport)
        if len(self._doors.open) >= MOST_CONNECTIONS:
            transport.close()
        self._doors.open.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._doors.open.discard(self)
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - the library's name
        if await self.check_helo_needed():
            return
        envelope = self.envelope
        if arg or envelope is None or not envelope.rcpt_tos:
            await self.push("501 5.5.4 Syntax: DATA" if arg else "503 5.5.1 Say RCPT first")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        digests = [Digest(address.lower()) for address in envelope.rcpt_tos]
        kept, size = await self._content(digests)
        if size > LARGEST:
            replies = [f"552 5.3.4 A message has {LARGEST} octets at most"] * len(digests)
        else:
            replies = await self._keeper.keep(self.session, envelope, kept, size, digests)
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        # LMTP answers for each recipient (RFC 2033, section 4.2); SMTP says "try again" when one of them must.
        worst = max(replies, key=lambda reply: (reply[0] == "4", reply[0]))
        await self.push("\r\n".join(replies) if self.says_each else worst)

    async def _content(self, digests: list[Digest]) -> tuple[bytes, int]:
        """The head of the content, dots unstuffed, and its whole size. The digests take in all of it."""
        kept, size, rested, at_line_start = bytearray(), 0, 0, True
        while True:
            line = await self._piece()
            if at_line_start and line == b".\r\n":
                return bytes(kept), size
            if at_line_start and line.startswith(b"."):
                line = line[1:]
            at_line_start = line.endswith(b"\r\n")
            size += len(line)
            if size <= LARGEST:
                for digest in digests:
                    digest.update(line)
                kept += line[: max(0, KEPT - len(kept))]
            if size - rested >= REST_OCTETS:
                # Others come to their turn; and who sends less than this within the idle time is cut off.
                rested = size
                self._reset_timeout()
                await asyncio.sleep(0)

    async def _piece(self) -> bytes:
        """A line, or as much of an endless one as has come."""
        try:
            return bytes(await self._reader.readuntil(b"\r\n"))
        except asyncio.LimitOverrunError as error:
            return bytes(await self._reader.read(max(1, error.consumed)))


class _LmtpReception(_Reception, LMTP):
    says_each = True


class Listener:
    """One listening socket. `start` returns the address that is listened on; `stop` lets open dialogues finish."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        lmtp: bool,
        clock: Callable[[], datetime],
        wake: Callable[[int], None] = receiving.wake,
    ) -> None:
        self.open: set[_Reception] = set()
        self._host, self._port, self._kind = host, port, _LmtpReception if lmtp else _Reception
        self._handler = Handler(source="lmtp" if lmtp else "smtp", clock=clock, wake=wake)
        self._server: asyncio.Server | None = None

    async def start(self) -> tuple[str, int]:
        """Raises OSError when the address can't be listened on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._reception, self._host, self._port, reuse_address=True)
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    def _reception(self) -> _Reception:
        return self._kind(
            self._handler,
            self,
            data_size_limit=LARGEST,
            enable_SMTPUTF8=True,
            hostname="letterpace",
            ident="ready",
            timeout=IDLE_SECONDS,
            loop=asyncio.get_running_loop(),
        )

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        until = asyncio.get_running_loop().time() + FINISH_SECONDS
        while any(self._is_busy(each) for each in self.open) and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.05)
        for each in list(self.open):
            if each.transport is not None:
                each.transport.close()
        self._handler.close()

    @staticmethod
    def _is_busy(reception: _Reception) -> bool:
        """Somebody is between MAIL and the reply to the final dot."""
        return bool(reception.envelope and reception.envelope.rcpt_tos)
