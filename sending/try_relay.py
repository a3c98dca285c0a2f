"""Does a relay take our log-in? Asked before it is saved, and whenever an admin wants to know. Sends nothing."""

import ssl
from dataclasses import dataclass

from sending.relay import RelayTransport
from sending.transports import CouldNotOpen, Destination, Patience, Transport
from words import gettext as _

# A page waits for it: less than a mail would.
PATIENCE = Patience(connect=8.0, command=8.0)
_NONE_IN_PARTICULAR = Destination(site="")


@dataclass(frozen=True, slots=True)
class Tried:
    """`sentence` for people; `reply` in the server's own words, where it said something."""

    worked: bool
    sentence: str
    reply: str = ""


def try_relay(transport: RelayTransport) -> Tried:
    """Connect, encrypt, log in, say goodbye. Never raises for what the other side does."""
    try:
        session = transport.open(_NONE_IN_PARTICULAR)
    except CouldNotOpen as error:
        reply = str(error.refusal.reply) if error.refusal else ""
        return Tried(False, sentence_of(transport, error), reply)
    session.quit()
    how = "without a log-in" if not transport.username else f"as {transport.username}"
    return Tried(True, f"{transport.host} let us in {how}, {_ENCRYPTED[transport.security]}.")


_ENCRYPTED = {"starttls": "encrypted with STARTTLS", "tls": "encrypted from the start", "none": "not encrypted"}


def sentence_of(relay: Transport, error: CouldNotOpen) -> str:
    """Why a way out did not open, and what to do about it."""
    if not isinstance(relay, RelayTransport):
        return str(error)
    cause = error.__cause__
    where = f"{relay.host} on port {relay.port}"
    if error.refusal and error.refusal.phase == "auth":
        return _("%(host)s refused our user name or password.") % {"host": relay.host}
    if isinstance(cause, ConnectionRefusedError):
        return _("Nothing answers at %(where)s. Usual ports are 587 (STARTTLS) and 465 (TLS from the start).") % {
            "where": where
        }
    if isinstance(cause, TimeoutError):
        return _("%(where)s did not answer in time. The port may be wrong, or a firewall stands in between.") % {
            "where": where
        }
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _("The certificate of %(host)s is not valid: %(verify_message)s.") % {
            "host": relay.host,
            "verify_message": cause.verify_message,
        }
    if isinstance(cause, ssl.SSLError):
        return _("%(where)s does not speak TLS from the start. Choose STARTTLS, or port 465.") % {"where": where}
    return str(error)
