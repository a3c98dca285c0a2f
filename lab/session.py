"""The SMTP dialogue of one connection (RFC 5321, 1870, 2920, 3030, 3207, 4954), in the manner of its persona."""

import asyncio
import base64
import binascii
import hmac
import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab.limits import Runs, Violation
from lab.magic import DROPS
from lab.reception import Verdict
from lab.wire import Channel, Hangup

if TYPE_CHECKING:
    from lab.receivers import Site

SETTLE_SECONDS = 0.05
PATH = re.compile(rb"^(?:FROM|TO):\s*<([^>]*)>(.*)$", re.IGNORECASE)


@dataclass
class Envelope:
    sender: str = ""
    begun: bool = False
    recipients: list[str] = field(default_factory=list)
    chunks: bytearray = field(default_factory=bytearray)


class Session:
    def __init__(self, site: "Site", channel: Channel, *, ip: str, number: int) -> None:
        self.site = site
        self.reception = site.reception
        self.channel = channel
        self.ip = ip
        self.number = number
        self.envelope = Envelope()
        self.runs = Runs()
        self.messages = 0
        self.user = ""
        self._greeted = False
        self._ended = False

    async def run(self) -> None:
        """Talk until one side ends it; opening and end are in the ledger."""
        self.reception.counts.connections[self.ip] += 1
        try:
            await self._let_the_others_leave()
            self._note("open", live=self.reception.counts.connections[self.ip])
            await self._talk()
        except Hangup as hangup:
            await self._leave(hangup)
        except (EOFError, OSError, ssl.SSLError) as error:
            self._end("client left" if isinstance(error, EOFError) else type(error).__name__)
            await self.channel.hang_up("close")
        finally:
            self._end("lab stopped")

    async def _let_the_others_leave(self) -> None:
        """A client that closes one connection and opens the next must not be charged with both: the loop may hear of
        the new one first.
        """
        if self.reception.meet(self.ip).violation:
            await asyncio.sleep(SETTLE_SECONDS)

    def _end(self, why: str) -> None:
        """The connection no longer counts. Before the client can know, or it would be back too early."""
        if not self._ended:
            self._ended = True
            self.reception.counts.connections[self.ip] -= 1
            self._note("close", why=why, messages=self.messages)

    async def _talk(self) -> None:
        self._may_drop("connect")
        verdict = self.reception.meet(self.ip)
        if verdict.reason:
            self._refuse(verdict, phase="connect")
            raise Hangup("close", verdict.reason)
        self._say_text(self.reception.persona.banner)
        while True:
            line = await self.channel.line()
            verb, _, argument = line.partition(b" ")
            await self._obey(verb.upper().decode("ascii", "replace"), argument.strip())

    async def _obey(self, verb: str, argument: bytes) -> None:
        handler = COMMANDS.get(verb)
        if handler is None:
            self._say_text("502 5.5.2 Error: command not recognized")
        elif verb in ("MAIL", "RCPT", "DATA", "BDAT") and not self._greeted:
            await self._skip_chunk(verb, argument)
            self._say_text("503 5.5.1 Error: send HELO/EHLO first")
        else:
            await handler(self, argument)

    # --- greeting -----------------------------------------------------------------------------------------------------

    async def helo(self, argument: bytes) -> None:
        self._begin_again()
        self._say_text(f"250 {self.site.host}")

    async def ehlo(self, argument: bytes) -> None:
        self._may_drop("ehlo")
        self._begin_again()
        lines = [self.site.host, *self._capabilities()]
        self._say_text("\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"]))

    def _capabilities(self) -> list[str]:
        persona = self.reception.persona
        secured = bool(self.channel.tls_version())
        offered = [*persona.capabilities, f"SIZE {persona.size_limit}"]
        if persona.tls != "none" and not secured:
            offered.append("STARTTLS")
        if persona.auth and secured:
            offered.append("AUTH PLAIN LOGIN")
        return offered

    def _begin_again(self) -> None:
        self._greeted = True
        self.envelope = Envelope()

    async def starttls(self, argument: bytes) -> None:
        tls = self.reception.persona.tls
        if tls == "none" or self.channel.tls_version():
            self._say_text("502 5.5.1 Error: command not implemented")
            return
        if tls == "refused":
            self._say_text("454 4.7.0 TLS not available due to local problem")
            return
        self._say_text("220 2.0.0 Ready to start TLS")
        if tls == "stalled":
            raise Hangup("silence", "TLS stalled")
        if tls == "reset":
            raise Hangup("rst", "TLS reset")
        await self.channel.start_tls(self.site.tls)
        self._greeted = False
        self._begin_again()
        self._greeted = False
        self._note("tls", version=self.channel.tls_version())

    # --- envelope -----------------------------------------------------------------------------------------------------

    async def mail(self, argument: bytes) -> None:
        path = PATH.match(argument)
        if not path or self.envelope.begun:
            self._say_text("503 5.5.1 Error: nested MAIL command" if path else "501 5.1.7 Bad sender address syntax")
            return
        persona = self.reception.persona
        if persona.tls == "required" and not self.channel.tls_version():
            self._say("tls_required")
            return
        if persona.auth and not self.user:
            self._say("unauthenticated")
            return
        self._may_drop("mail")
        if _declared_size(path[2]) > persona.size_limit:
            self._say("too_big")
            return
        sender = path[1].decode("utf-8", "surrogateescape")
        self._note("mail", sender=sender)
        verdict = self.reception.take_sender(ip=self.ip, messages_before=self.messages)
        if verdict.reason:
            self._refuse(verdict, phase="mail", sender=sender)
            return
        self.envelope = Envelope(sender=sender, begun=True)
        self._say_text("250 2.1.0 Ok")

    async def rcpt(self, argument: bytes) -> None:
        path = PATH.match(argument)
        if not path or not self.envelope.begun:
            self._say_text("503 5.5.1 Error: need MAIL command" if path else "501 5.1.3 Bad recipient address syntax")
            return
        recipient = path[1].decode("utf-8", "surrogateescape").lower()
        self._may_drop("rcpt", recipient)
        await self._tarpit(recipient)
        verdict = self._judge(recipient)
        if verdict.reason:
            self._refuse(verdict, phase="rcpt", sender=self.envelope.sender, recipient=recipient)
            return
        self._note("rcpt", sender=self.envelope.sender, recipient=recipient, code=250)
        self.envelope.recipients.append(recipient)
        self._say_text("250 2.1.5 Ok")

    def _judge(self, recipient: str) -> Verdict:
        if not self.site.serves(recipient):
            return Verdict("relay_denied")
        sender, others = self.envelope.sender, self.envelope.recipients
        return self.reception.take_recipient(ip=self.ip, sender=sender, recipient=recipient, others=others)

    async def _tarpit(self, recipient: str) -> None:
        persona = self.reception.persona
        if self.reception.magic(recipient) == "slow" or self.reception.falls(persona.tarpit_share, "tarpit", recipient):
            await asyncio.sleep(persona.tarpit_seconds)

    # --- content ------------------------------------------------------------------------------------------------------

    async def data(self, argument: bytes) -> None:
        if not self.envelope.recipients:
            self._say_text("554 5.5.1 Error: no valid recipients")
            return
        self._may_drop("data", *self.envelope.recipients)
        self._say_text("354 End data with <CR><LF>.<CR><LF>")
        if self._drops("body", self.envelope.recipients):
            await self.channel.flush()
            await self.channel.some()
            raise Hangup(self._close_mode(), "drop in body")
        raw = await self.channel.data(self.reception.persona.size_limit)
        await self._finish(raw)

    async def bdat(self, argument: bytes) -> None:
        words = argument.upper().split()
        if not words or not words[0].isdigit():
            self._say_text("501 5.5.4 Syntax: BDAT count [LAST]")
            return
        chunk = await self.channel.exactly(int(words[0]))
        if not self.envelope.recipients:
            self._say_text("554 5.5.1 Error: no valid recipients")
            return
        self.envelope.chunks += chunk
        if b"LAST" not in words:
            self._say_text(f"250 2.0.0 {len(chunk)} octets received")
            return
        self._may_drop("body", *self.envelope.recipients)
        await self._finish(bytes(self.envelope.chunks))

    async def _finish(self, raw: bytes) -> None:
        envelope, self.envelope = self.envelope, Envelope()
        self.messages += 1
        await self.site.take(self, envelope, raw)
        persona = self.reception.persona
        if persona.per_connection_mode == "close" and self.messages == persona.messages_per_connection:
            raise Hangup("close", "messages_per_connection reached")

    async def _skip_chunk(self, verb: str, argument: bytes) -> None:
        words = argument.split()
        if verb == "BDAT" and words and words[0].isdigit():
            await self.channel.exactly(int(words[0]))

    # --- the rest -----------------------------------------------------------------------------------------------------

    async def rset(self, argument: bytes) -> None:
        self.envelope = Envelope()
        self._say_text("250 2.0.0 Ok")

    async def noop(self, argument: bytes) -> None:
        self._say_text("250 2.0.0 Ok")

    async def vrfy(self, argument: bytes) -> None:
        self._say_text("252 2.0.0 Cannot VRFY user, but will accept message")

    async def quit(self, argument: bytes) -> None:
        self._say("bye")
        raise Hangup("close", "quit")

    async def auth(self, argument: bytes) -> None:
        if not self.reception.persona.auth or not self.channel.tls_version():
            self._say_text("503 5.5.1 Error: authentication not enabled")
            return
        user, password = await self._credentials(argument)
        known = self.site.users.get(user)
        if known is None or not hmac.compare_digest(known.encode(), password.encode()):
            self._note("auth", user=user, code=535)
            self._say("auth_failed")
            return
        self.user = user
        self._note("auth", user=user, code=235)
        self._say_text("235 2.7.0 Authentication successful")

    async def _credentials(self, argument: bytes) -> tuple[str, str]:
        mechanism, _, initial = argument.partition(b" ")
        if mechanism.upper() == b"PLAIN":
            _, user, password = (_decoded(initial or await self._ask(b"")) + "\0\0").split("\0")[:3]
            return user, password
        user = _decoded(initial or await self._ask(b"Username:"))
        return user, _decoded(await self._ask(b"Password:"))

    async def _ask(self, prompt: bytes) -> bytes:
        self._say_text("334 " + base64.b64encode(prompt).decode())
        return await self.channel.line()

    # --- speaking -----------------------------------------------------------------------------------------------------

    def text(self, reply: str, *, recipient: str = "", sender: str = "", domain: str = "") -> str:
        """A named reply of the persona with its blanks filled."""
        return self.site.fill(
            self.reception.persona.replies[reply],
            {"ip": self.ip, "rcpt": recipient, "sender": sender, "domain": domain, "host": self.site.host},
        )

    def wire(self, text: str) -> bytes:
        return text.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n"

    def _say(self, reply: str) -> None:
        self._say_text(self.text(reply))

    def _say_text(self, text: str) -> None:
        filled = self.site.fill(text, {"host": self.site.host, "ip": self.ip})
        self.channel.send(self.wire(filled))
        if filled.startswith("421"):
            raise Hangup("close", "421")

    def _refuse(self, verdict: Verdict, *, phase: str, sender: str = "", recipient: str = "") -> None:
        """Write down a refusal before the connection's end or the message's content, then say it."""
        text = self.text(verdict.reply, sender=sender, recipient=recipient)
        self.note_violation(verdict.violation)
        event = {"connect": "refused_connection", "mail": "refused_sender", "rcpt": "rcpt"}[phase]
        facts = {"sender": sender, "recipient": recipient} if phase != "connect" else {}
        self._note(event, code=int(text[:3]), reason=verdict.reason, reply=text, **facts)
        self._say_text(text)

    def note_violation(self, violation: Violation | None) -> None:
        if violation:
            over = {
                "what": violation.what,
                "scope": violation.scope,
                "observed": violation.observed,
                "limit": violation.limit,
            }
            self._note("limit_violation", **over)

    def _note(self, event: str, **facts: object) -> None:
        self.site.note(event, session=self, **facts)

    # --- misbehaving --------------------------------------------------------------------------------------------------

    def _may_drop(self, phase: str, *recipients: str) -> None:
        if self._drops(phase, list(recipients)):
            mode = self._close_mode()
            # Whoever accepted the message and then says 421 has not lost the reply, but taken its acceptance back.
            lost = phase == "reply" and mode == "421"
            raise Hangup("close" if lost else mode, f"drop at {phase}")

    def _drops(self, phase: str, recipients: list[str]) -> bool:
        return any(
            DROPS.get(self.reception.magic(recipient)) == phase for recipient in recipients
        ) or self.reception.drops(phase)

    def _close_mode(self) -> str:
        return self.reception.persona.close_mode

    def drop_at(self, phase: str, recipients: list[str]) -> None:
        self._may_drop(phase, *recipients)

    async def _leave(self, hangup: Hangup) -> None:
        if hangup.why != "quit":
            self._note("hangup", mode=hangup.mode, why=hangup.why)
        if hangup.mode == "421":
            self.channel.send(self.wire(self.text("closing")))
        if hangup.mode != "silence":
            self._end(hangup.why)
        await self.channel.hang_up(hangup.mode)
        self._end(hangup.why)


COMMANDS = {
    "HELO": Session.helo,
    "EHLO": Session.ehlo,
    "STARTTLS": Session.starttls,
    "AUTH": Session.auth,
    "MAIL": Session.mail,
    "RCPT": Session.rcpt,
    "DATA": Session.data,
    "BDAT": Session.bdat,
    "RSET": Session.rset,
    "NOOP": Session.noop,
    "VRFY": Session.vrfy,
    "QUIT": Session.quit,
}


def _declared_size(parameters: bytes) -> int:
    found = re.search(rb"\bSIZE=(\d{1,15})\b", parameters, re.IGNORECASE)
    return int(found[1]) if found else 0


def _decoded(encoded: bytes) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
    except binascii.Error:
        return ""
