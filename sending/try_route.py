"""One letter by one route, step by step, for the admin who asks: what worked, and the exact step where it ended.

The letter goes to whoever asks, to nobody else; it spends from no budget, and none leaves while all sending is stopped.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings
from django.db.models import F

from reputation import resolver
from reputation.models import SendingDomain
from reputation.resolver import CouldNotLookUp
from reputation.workspace import workspace
from sending import own_mail
from sending.models import Route
from sending.smtp import SmtpSession
from sending.transports import (
    ConnectionLost,
    CouldNotOpen,
    Destination,
    Letter,
    NoAnswer,
    Session,
    transport_for,
)
from sending.try_relay import PATIENCE, sentence_of
from words import gettext as _
from words import marked

DNS, CONNECT, TLS, LOGIN, ENVELOPE, LETTER = STEPS = (
    marked("Look up"),
    marked("Connect"),
    marked("Encrypt"),
    marked("Sign in"),
    marked("Sender and recipient"),
    marked("Test letter"),
)
WORKED, FAILED, LEFT_OUT = "worked", "failed", "left_out"


@dataclass(frozen=True, slots=True)
class Step:
    """`result`: worked, failed, or left out; `sentence` for people, `reply` in the server's own words."""

    name: str
    result: str
    sentence: str
    reply: str = ""

    @property
    def title(self) -> str:
        return _(self.name)


class _Ended(Exception):
    def __init__(self, name: str, sentence: str, reply: str = "") -> None:
        super().__init__(sentence)
        self.step = Step(name, FAILED, sentence, reply)


def try_route(*, now: datetime, route: Route, to: str) -> list[Step]:
    """Every step up to the first that failed, and those after it as left out. About a minute at worst; not inside a
    transaction."""
    done: list[Step] = []
    try:
        _walk(now, route, to, done)
    except _Ended as end:
        done.append(end.step)
    named = {step.name for step in done}
    return done + [Step(name, LEFT_OUT, _("Not reached.")) for name in STEPS if name not in named]


def _walk(now: datetime, route: Route, to: str, done: list[Step]) -> None:
    if route.kind == Route.Kind.DIRECT and route.egress_host != settings.EGRESS_HOST:
        where = {"host": route.egress_host}
        raise _Ended(CONNECT, _("The address is on the machine %(host)s, and only that one can use it.") % where)
    destination, found = _looked_up(route, to)
    done.append(found)
    session, opened = _opened(route, destination)
    done += opened
    try:
        for step in _handed_over(session, _letter(now, route, to)):
            done.append(step)
    except (ConnectionLost, NoAnswer) as error:
        session.drop()
        raise _Ended(LETTER, _("The server broke off: %(why)s.") % {"why": error}) from None
    finally:
        session.quit()


def _looked_up(route: Route, to: str) -> tuple[Destination, Step]:
    if route.kind == Route.Kind.DIRECT:
        try:
            destination = own_mail.exchangers(to)
        except own_mail.NotHandedOver as error:
            raise _Ended(DNS, f"{error}.") from None
        said = _("Mail for %(domain)s goes to %(hosts)s.")
        return destination, Step(
            DNS, WORKED, said % {"domain": destination.site, "hosts": ", ".join(destination.hosts[:3])}
        )
    if route.kind == Route.Kind.ESP:
        return Destination(site=""), Step(DNS, LEFT_OUT, _("The provider's API is asked by its name."))
    found = resolver.addresses(route.host)
    if isinstance(found, CouldNotLookUp):
        why = {"host": route.host, "reason": found.reason}
        raise _Ended(DNS, _("%(host)s could not be looked up: %(reason)s.") % why)
    if not found:
        raise _Ended(DNS, _("%(host)s has no address. Is the name right?") % {"host": route.host})
    said = _("%(host)s is at %(addresses)s.") % {"host": route.host, "addresses": ", ".join(found[:3])}
    return Destination(site=route.host), Step(DNS, WORKED, said)


def _opened(route: Route, destination: Destination) -> tuple[Session, list[Step]]:
    try:
        transport = transport_for(route, patience=PATIENCE)
        session = transport.open(destination)
    except LookupError as error:
        raise _Ended(CONNECT, str(error)) from None
    except CouldNotOpen as error:
        reply = str(error.refusal.reply) if error.refusal else ""
        raise _Ended(_where(error), sentence_of(transport, error), reply) from None
    return session, [
        Step(CONNECT, WORKED, _("It answered and greeted us.")),
        _encryption(session),
        _signed_in(route),
    ]


def _where(error: CouldNotOpen) -> str:
    if error.refusal is not None:
        return LOGIN if error.refusal.phase == "auth" else CONNECT
    is_tls = isinstance(error.__cause__, ssl.SSLError) or "TLS" in str(error)
    return TLS if is_tls else CONNECT


def _encryption(session: Session) -> Step:
    if not isinstance(session, SmtpSession):
        return Step(TLS, WORKED, _("Encrypted, as every call to its API."))
    version = session.tls_version
    if version:
        return Step(TLS, WORKED, _("Encrypted with %(version)s.") % {"version": version})
    return Step(TLS, LEFT_OUT, _("Not encrypted: it offers none, or the route asks for none."))


def _signed_in(route: Route) -> Step:
    if route.kind == Route.Kind.RELAY and route.username:
        said = _("%(host)s let us in as %(username)s.")
        return Step(LOGIN, WORKED, said % {"host": route.host, "username": route.username})
    return Step(LOGIN, LEFT_OUT, _("Not needed by this route."))


def _handed_over(session: Session, letter: Letter) -> Iterator[Step]:
    session.offer(letter)
    refusal = session.hear_offer()
    if refusal is not None:
        raise _Ended(ENVELOPE, _("Our sender or your address was refused."), str(refusal.reply))
    yield Step(ENVELOPE, WORKED, _("From %(sender)s to %(to)s is taken.") % _names(letter))
    if workspace().sending_stopped_at:
        yield Step(LETTER, LEFT_OUT, _("All sending is stopped, so no letter was sent."))
        return
    refusal = session.begin_content()
    if refusal is not None:
        raise _Ended(LETTER, _("The letter was refused."), str(refusal.reply))
    session.send_content(letter)
    reply = session.hear_content()
    if not reply.is_positive:
        raise _Ended(LETTER, _("The letter was refused."), str(reply))
    said = _("Accepted. Look into the mailbox of %(to)s, and at “Show original” there for the signature.")
    yield Step(LETTER, WORKED, said % _names(letter), str(reply))


def _names(letter: Letter) -> dict[str, str]:
    return {"sender": letter.mail_from or "<>", "to": letter.rcpt_to}


def _letter(now: datetime, route: Route, to: str) -> Letter:
    domain = SendingDomain.objects.order_by(F("verified_at").desc(nulls_last=True), "pk").first()
    if domain is None:
        raise _Ended(ENVELOPE, _("There is no sending domain yet, so the letter would have no sender."))
    name = {"name": route.name}
    letter = own_mail.short_letter(
        now=now,
        sender=("", f"postmaster@{domain.name}"),
        to=to,
        subject=_("Test of the route “%(name)s”") % name,
        text=_("This letter left by the route “%(name)s”. Nobody else got it.") % name,
        id=f"route-{route.pk}",
    )
    returning = replace(letter, mail_from=f"postmaster@{domain.return_path_host}")
    return own_mail.signed(now, returning, domain)
