"""Mail of our own: replies handed on, and alerts. One message, one recipient, and no campaign.

It leaves by the first active relay, else from the first active address of ours; without either by the e-mail server of
the settings. It spends from no budget.
"""

import re
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import Any

from django.core import mail

from reputation import dkim_keys, resolver
from reputation.models import SendingDomain
from sending.models import Route
from sending.pure.dkim import sign
from sending.transmit import patience
from sending.transports import (
    ConnectionLost,
    CouldNotOpen,
    Destination,
    Letter,
    NoAnswer,
    Session,
    transport_for,
)

_UNFOLDED = re.compile(rb"\r\n(?![ \t])")


class NotHandedOver(Exception):
    """The message was not taken; says why, in a sentence."""


def short_letter(
    *,
    now: datetime,
    sender: tuple[str, str],
    to: str,
    subject: str,
    text: str,
    id: str,
    submitted: str = "auto-generated",
) -> Letter:
    """A letter of a few lines. `sender`: name and address; `id` begins the Message-ID; `submitted`: RFC 3834 §5.

    Raises ValueError for a line end in an address or in the subject.
    """
    new = EmailMessage(policy=SMTP)
    new["From"] = formataddr(sender)
    new["To"] = to
    new["Subject"] = subject
    new["Date"] = format_datetime(now)
    new["Message-ID"] = f"<{id}-{now:%Y%m%d%H%M%S}@{sender[1].rpartition('@')[2]}>"
    new["Auto-Submitted"] = submitted
    new.set_content(text, cte="quoted-printable")
    return Letter(mail_from=sender[1], rcpt_to=to, content=new.as_bytes())


def hand_over(*, now: datetime, letter: Letter, domain: SendingDomain | None) -> None:
    """Hand one message over. `domain` signs it where it leaves from an address of ours.

    Raises NotHandedOver, or OSError.
    """
    routes = Route.objects.filter(active=True).select_related("address")
    relay = routes.filter(kind=Route.Kind.RELAY).order_by("pk").first()
    direct = routes.filter(kind=Route.Kind.DIRECT).order_by("pk").first()
    if relay is not None:
        _by_session(relay, Destination(site=relay.host), letter)
    elif direct is not None and domain is not None:
        _by_session(direct, exchangers(letter.rcpt_to), signed(now, letter, domain))
    else:
        by_settings(letter)


def _by_session(route: Route, destination: Destination, letter: Letter) -> None:
    try:
        session = transport_for(route, patience=patience()).open(destination)
    except (CouldNotOpen, LookupError) as error:
        raise NotHandedOver(str(error)) from error
    try:
        _say(session, letter)
    except (ConnectionLost, NoAnswer) as error:
        session.drop()
        raise NotHandedOver(f"the server broke off: {error}") from error
    session.quit()


def _say(session: Session, letter: Letter) -> None:
    session.offer(letter, at_once=True)
    refusal = session.hear_offer() or session.begin_content()
    if refusal is not None:
        raise NotHandedOver(str(refusal.reply))
    session.send_content(letter)
    reply = session.hear_content()
    if not reply.is_positive:
        raise NotHandedOver(str(reply))


def exchangers(address: str) -> Destination:
    """Where mail for an address goes. Raises NotHandedOver when nobody knows. Not inside a transaction."""
    domain = address.rpartition("@")[2]
    answer = resolver.lookup(domain, "MX")
    if isinstance(answer, resolver.CouldNotLookUp):
        raise NotHandedOver(f"{domain} could not be looked up: {answer.reason}")
    records = answer.records if isinstance(answer, resolver.Found) else ()
    ordered = sorted((int(preference), host) for preference, host in (record.split(" ", 1) for record in records))
    return Destination(site=domain, hosts=tuple(host for _, host in ordered if host != ".") or (domain,))


def signed(now: datetime, letter: Letter, domain: SendingDomain) -> Letter:
    """The letter under the domain's signature, where the domain has a key."""
    key = dkim_keys.signing_key(domain.pk)
    if key is None:
        return letter
    head, _, body = letter.content.partition(b"\r\n\r\n")
    fields = [line.partition(b":") for line in _UNFOLDED.split(head)]
    headers = [(name.decode("ascii"), value.lstrip(b" ")) for name, _, value in fields]
    signature = sign(headers, body, key=key.private_key, domain=key.domain, selector=key.selector, now=now)
    return Letter(mail_from=letter.mail_from, rcpt_to=letter.rcpt_to, content=signature + letter.content)


class _Written(mail.EmailMessage):
    """A message that is written already, for Django's e-mail backends."""

    def __init__(self, letter: Letter) -> None:
        super().__init__(from_email=letter.mail_from, to=[letter.rcpt_to])
        self._letter = letter

    def message(self, **_: Any) -> Any:
        return message_from_bytes(self._letter.content, policy=SMTP)


def by_settings(letter: Letter) -> None:
    """Hand one message to the e-mail server of EMAIL_URL. Raises NotHandedOver."""
    try:
        mail.get_connection().send_messages([_Written(letter)])
    except OSError as error:  # smtplib's errors are among them
        raise NotHandedOver(f"the e-mail server of the settings: {error}") from error
