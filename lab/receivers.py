"""The receiving hosts: one site per MX host, all on one port, each on its own loopback address."""

import asyncio
import contextlib
import itertools
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab.clock import LabClock
from lab.evidence import Authentication, Head, authenticate, read_head
from lab.magic import ODD_REPLIES
from lab.mailbox import Mailbox
from lab.reception import Reception
from lab.recorder import Recorder
from lab.session import Envelope, Session
from lab.wire import Channel, Hangup
from lab.zone import Zone

CODES = {"2": "accepted", "4": "deferred", "5": "refused"}
BACKLOG = 512


@dataclass(frozen=True)
class Accepted:
    """A message one recipient of which has been accepted, as the reports about it need it."""

    persona: str
    host: str
    address: str
    client_ip: str
    sender: str
    recipient: str
    raw: bytes
    head: Head
    # By which complaints are counted and told; empty for an unsigned message.
    dkim_domain: str
    arrived: float


@dataclass
class Surroundings:
    """What all sites share."""

    clock: LabClock
    recorder: Recorder
    zone: Zone
    mailbox: Mailbox
    tls: ssl.SSLContext
    mailing_headers: tuple[str, ...]
    users: dict[str, str]
    when_accepted: Callable[[Accepted], None]
    numbers: Any = field(default_factory=itertools.count)


@dataclass
class Site:
    """One MX host of a persona."""

    host: str
    address: str
    reception: Reception
    domains: frozenset[str]
    shared: Surroundings

    @property
    def tls(self) -> ssl.SSLContext:
        return self.shared.tls

    @property
    def users(self) -> dict[str, str]:
        return self.shared.users

    def serves(self, recipient: str) -> bool:
        return self.reception.persona.auth or recipient.rpartition("@")[2] in self.domains

    def fill(self, text: str, blanks: dict[str, str]) -> str:
        if "{id}" in text:
            text = text.replace("{id}", f"{next(self.shared.numbers):012x}")
        for name, value in blanks.items():
            text = text.replace("{" + name + "}", value)
        return text

    def note(self, event: str, *, session: Session, **facts: Any) -> None:
        where = {"host": self.host, "ip": session.ip, "connection": session.number}
        self.shared.recorder.write(event, self.reception.persona.key, **where, **facts)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ip = writer.get_extra_info("peername")[0]
        session = Session(self, Channel(reader, writer), ip=ip, number=next(self.shared.numbers))
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await session.run()
        finally:
            writer.close()

    async def take(self, session: Session, envelope: Envelope, raw: bytes) -> None:
        """The message is complete: write down that the dot was seen, judge, write down the verdict, and only then
        reply.
        """
        arrived = self.shared.clock.now()
        head = read_head(raw)
        facts = self._facts(head, raw)
        for index, recipient in enumerate(envelope.recipients):
            self.note(
                "dot_seen", session=session, sender=envelope.sender, recipient=recipient, nth_recipient=index, **facts
            )
        session.drop_at("dot", envelope.recipients)
        found = authenticate(raw, head, client_ip=session.ip, mail_from=envelope.sender, zone=self.shared.zone)
        text = self._verdict(session, envelope, raw, found, facts, head)
        if text[0] == "2":
            for recipient in envelope.recipients:
                self._keep(session, envelope.sender, recipient, raw, head, found.dkim_domain, arrived)
        session.drop_at("reply", envelope.recipients)
        await self._reply(session, envelope.recipients, text)

    def _facts(self, head: Head, raw: bytes) -> dict[str, Any]:
        mailing = next((head.first(name) for name in self.shared.mailing_headers if head.first(name)), "")
        return {"message_id": head.first("message-id"), "mailing": mailing, "size": len(raw)}

    def _verdict(
        self, session: Session, envelope: Envelope, raw: bytes, found: Authentication, facts: dict[str, Any], head: Head
    ) -> str:
        persona = self.reception.persona
        if len(raw) > persona.size_limit:
            reply, reason = session.text("too_big"), "too_big"
        else:
            verdict = self.reception.take_message(
                ip=session.ip, recipients=envelope.recipients, runs=session.runs, found=found
            )
            session.note_violation(verdict.violation)
            domain = found.dkim_domain or head.from_domain
            reply = session.text(verdict.reply, recipient=envelope.recipients[0], sender=envelope.sender, domain=domain)
            reason = verdict.reason
        if any(self.reception.magic(recipient) == "code-999" for recipient in envelope.recipients):
            reply, reason = "999 9.9.9 What is this", "code-999"
        self._note_verdict(session, envelope, found, facts, head, reply, reason)
        return reply

    def _note_verdict(
        self,
        session: Session,
        envelope: Envelope,
        found: Authentication,
        facts: dict[str, Any],
        head: Head,
        reply: str,
        reason: str,
    ) -> None:
        seen = {
            "dkim_domain": found.dkim_domain,
            "dkim_verified": found.dkim_verified,
            "unsubscribe_signed": found.unsubscribe_signed,
            "spf": found.spf,
            "dmarc": found.dmarc,
            "list_unsubscribe": head.first("list-unsubscribe"),
            "list_unsubscribe_post": head.first("list-unsubscribe-post"),
            "tls": session.channel.tls_version(),
        }
        answer = {"phase": "dot", "code": int(reply[:3]), "reason": reason, "reply": reply}
        for index, recipient in enumerate(envelope.recipients):
            envelope_facts = {"sender": envelope.sender, "recipient": recipient, "nth_recipient": index}
            self.note(CODES.get(reply[0], "refused"), session=session, **envelope_facts, **facts, **seen, **answer)

    def _keep(
        self, session: Session, sender: str, recipient: str, raw: bytes, head: Head, dkim_domain: str, arrived: float
    ) -> None:
        self.shared.mailbox.keep(recipient, raw)
        persona = self.reception.persona.key
        self.shared.when_accepted(
            Accepted(persona, self.host, self.address, session.ip, sender, recipient, raw, head, dkim_domain, arrived)
        )

    async def _reply(self, session: Session, recipients: list[str], text: str) -> None:
        persona, odd = (
            self.reception.persona,
            next((key for r in recipients if (key := self.reception.magic(r)) in ODD_REPLIES), ""),
        )
        slow = any(self.reception.magic(recipient) == "slow-dot" for recipient in recipients)
        pause = max(persona.reply_delay, persona.tarpit_seconds if slow else 0)
        if pause:
            await asyncio.sleep(pause)
        wire = session.wire(text)
        if odd == "trickle":
            await session.channel.trickle(wire, 0.01)
            return
        session.channel.send(ODD[odd](wire) if odd in ODD else wire)
        if odd == "close-in-reply":
            raise Hangup("close", "closed within the reply")
        if text.startswith("421"):
            raise Hangup("close", "421")


ODD: dict[str, Callable[[bytes], bytes]] = {
    "garbled": lambda wire: b"\x00\xff2\xfe50\x80 \x01 ??\r\n",
    "lf-only": lambda wire: wire.replace(b"\r\n", b"\n"),
    "long-reply": lambda wire: b"250-2.0.0 and a word of explanation\r\n" * 499 + b"250 2.0.0 Ok\r\n",
    "close-in-reply": lambda wire: wire[:2],
}


async def listen(sites: list[Site], port: int) -> tuple[int, list[asyncio.Server]]:
    """All sites on one port number; 0 takes one that is free on every address. Raises OSError when the port is
    taken.
    """
    for _ in range(20):
        chosen = port or _free_port(sites[0].address)
        servers: list[asyncio.Server] = []
        try:
            for site in sites:
                servers.append(
                    await asyncio.start_server(site.serve, site.address, chosen, backlog=BACKLOG, limit=2**18)
                )
        except OSError:
            for server in servers:
                server.close()
            if port:
                raise
            continue
        return chosen, servers
    raise OSError("No port is free on all of the lab's addresses.")


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        found: int = probe.getsockname()[1]
        return found
