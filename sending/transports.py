"""The ways out. A transport opens sessions; a session hands over one message at a time, in two steps around the gate:
`offer` may be taken back, `send_content` can not.
"""

from dataclasses import dataclass
from typing import Protocol

from sending.models import Route
from sending.pure.dialogue import SmtpReply


@dataclass(slots=True, kw_only=True)
class Letter:
    """One message, ready to leave. `content` is in CRLF form; `mail_from` is the return path.

    `is_stuffed`: it is known that SMTP may send `content` as it is, with no line beginning with a dot and no bare CR
    or LF.
    """

    mail_from: str
    rcpt_to: str
    content: bytes
    is_stuffed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a message goes: the receivers' hosts, best first. A relay or an ESP does not look at them."""

    site: str
    hosts: tuple[str, ...] = ()
    requires_tls: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A receiver's reply that is not a yes, with the phase of the dialogue it came in:
    connect, ehlo, starttls, auth, mail, rcpt, data or dot."""

    phase: str
    reply: SmtpReply


class CouldNotOpen(Exception):
    """No session. `refusal` when a receiver said so; else it could not be reached, and `str()` says why."""

    def __init__(self, why: str, refusal: Refusal | None = None) -> None:
        super().__init__(why)
        self.refusal = refusal


class ConnectionLost(Exception):
    """The connection broke before the final dot: certain that the message was not sent."""

    def __init__(self, phase: str, why: str) -> None:
        super().__init__(why)
        self.phase = phase


class NoAnswer(Exception):
    """Nothing, or nothing legible, came after the final dot: nobody knows whether the message was taken."""


class Session(Protocol):
    """One open connection, or whatever stands for it."""

    def offer(self, letter: Letter, *, at_once: bool = False) -> None:
        """Say for whom and from whom, without waiting for the answer. Raises ConnectionLost.

        `at_once`: nothing is waited for before the content, so it may be announced in the same breath, which saves a
        round trip. Taking such an offer back may cost the connection.
        """

    def hear_offer(self) -> Refusal | None:
        """None: the recipient is taken. Raises ConnectionLost."""

    def begin_content(self) -> Refusal | None:
        """None: the receiver waits for the content. Raises ConnectionLost."""

    def send_ahead(self, letter: Letter) -> None:
        """What of a large content may take long, without the final dot. Raises ConnectionLost."""

    def send_content(self, letter: Letter) -> None:
        """The content, or what is left of it, and the final dot.

        ConnectionLost: the dot surely did not leave. NoAnswer: it may have.
        """

    def hear_content(self) -> SmtpReply:
        """The receiver's decision. Raises NoAnswer."""

    def take_back(self) -> None:
        """Forget the offer; the session stays usable. Raises ConnectionLost."""

    def quit(self) -> None:
        """End it politely; never raises."""

    def drop(self) -> None:
        """End it at once, so that nothing half-said is taken for a message; never raises."""


class Transport(Protocol):
    def open(self, destination: Destination) -> Session:
        """Raises CouldNotOpen, with a sentence a person understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds to wait for the receiver (RFC 5321, section 4.5.3.2, shortened: a slot is worth more than a reply)."""

    connect: float = 30.0
    command: float = 60.0
    dot: float = 300.0


def transport_for(route: Route, *, patience: Patience) -> Transport:
    """The way out that a route stands for. Raises LookupError for a kind nobody registered."""
    from sending import direct, relay  # each imports the nouns above

    makers: dict[Route.Kind, TransportMaker] = {
        Route.Kind.DIRECT: direct.transport,
        Route.Kind.RELAY: relay.transport,
        **_registered,
    }
    maker = makers.get(Route.Kind(route.kind))
    if maker is None:
        raise LookupError(f"The route {route.name} is of a kind ({route.kind}) that this installation can't send by.")
    return maker(route, patience=patience)


class TransportMaker(Protocol):
    def __call__(self, route: Route, *, patience: Patience) -> Transport: ...


_registered: dict[Route.Kind, TransportMaker] = {}


def register(kind: Route.Kind, maker: TransportMaker) -> None:
    """Where an ESP's transport enters."""
    _registered[kind] = maker
