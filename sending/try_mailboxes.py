"""Do our own domains take mail? Their servers are asked as far as RCPT; no letter is ever sent.

Asked are the addresses that everybody who has trouble with our mail writes to (postmaster: RFC 5321, section 4.5.1;
abuse: RFC 2142), and that of a bounce, always from `<>`, as bounces come. Three results, as with every check: a server
that says no because of us, or not now, or nothing, has said nothing about the mailbox.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction

from reputation import findings, recipients
from reputation.domains import MAILBOXES, inbound_host
from reputation.findings import Check
from reputation.models import Finding, RecipientDomain, SendingAddress, SendingDomain
from reputation.pure.replies import classify
from sending.direct import DirectTransport
from sending.pure import verp
from sending.transports import ConnectionLost, CouldNotOpen, Destination, Letter, Patience, Refusal, Session

PASS, FAIL, UNKNOWN = Finding.Result.PASS, Finding.Result.FAIL, Finding.Result.UNKNOWN
PATIENCE = Patience(connect=8.0, command=8.0)
CHECK_EVERY = timedelta(hours=12)
WHILE_NOT_WELL = timedelta(hours=1)
WHILE_UNSURE = timedelta(minutes=10)
MOST_AT_ONCE = 8
# What a refusal is about where it is the mailbox that is missing; `misroute`: the server takes the domain for a
# stranger's.
_NO_SUCH_MAILBOX = frozenset({"unknown", "bad_addr", "bad_domain", "inactive", "misroute", "rcpt_policy"})
_NOBODY = verp.ReturnPath(subscriber=0, list=0, test=True)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address to be asked for. `what` says what does not arrive without it."""

    check_name: str
    address: str
    what: str

    @property
    def host(self) -> str:
        return self.address.rpartition("@")[2]


def check_all(*, now: datetime) -> None:
    """Ask for every domain whose turn it is, eight at most; the rest waits for the next call.

    Twice a day when all is well, hourly when it is not, after ten minutes while a no was heard once, and when a person
    wants to know.
    1. Ask, without a transaction. 2. Store, domain by domain.
    """
    domains = SendingDomain.objects.prefetch_related("findings").order_by("id")
    due = [domain for domain in domains if _is_due(domain, now)][:MOST_AT_ONCE]
    if not due:
        return
    wanted = [mailboxes_of(domain) for domain in due]
    with ThreadPoolExecutor(max_workers=MOST_AT_ONCE, thread_name_prefix="mailbox") as pool:
        asked = list(pool.map(partial(_ask_all, transport=_transport(due[0])), wanted))
    for domain, checks in zip(due, asked, strict=True):
        with transaction.atomic():
            SendingDomain.objects.select_for_update(no_key=True).get(pk=domain.pk)
            findings.store(now=now, about=domain, checks=checks)


def mailboxes_of(domain: SendingDomain) -> list[Mailbox]:
    """What a sending domain has to take mail for."""
    key_id = max(settings.TOKEN_KEYS)
    bounce = verp.return_path(_NOBODY, keys=settings.TOKEN_KEYS, key_id=key_id)
    complaints = "Receivers' complaints about your mail are lost."
    return [
        Mailbox("postmaster", f"postmaster@{domain.name}", "Other postmasters cannot write to you."),
        Mailbox("abuse", f"abuse@{domain.name}", complaints),
        Mailbox("postmaster_bounces", f"postmaster@{domain.return_path_host}", "Some receivers refuse such senders."),
        Mailbox("bounces", f"{bounce}@{domain.return_path_host}", "Bounces are lost, and dead addresses stay."),
    ]


def _is_due(domain: SendingDomain, now: datetime) -> bool:
    rows = [row for row in domain.findings.all() if row.check_name in MAILBOXES]
    if len(rows) < len(MAILBOXES):
        return True
    asked_at = min(row.checked_at for row in rows)
    if domain.probe_wanted_at is not None and asked_at < domain.probe_wanted_at:
        return True
    if any(row.result == FAIL and not row.confirmed for row in rows):
        wait = WHILE_UNSURE
    else:
        wait = CHECK_EVERY if all(row.result == PASS for row in rows) else WHILE_NOT_WELL
    return now - asked_at >= wait


def _transport(domain: SendingDomain) -> DirectTransport:
    """From an address of ours that is on this machine; else from whichever the system takes."""
    address = SendingAddress.objects.filter(egress_host=settings.EGRESS_HOST).order_by("id").first()
    return DirectTransport(
        source_ip=address.ip if address else None,
        ehlo_name=address.ehlo_name if address else inbound_host(domain),
        port=settings.SMTP_PORT,
        lab=settings.LAB,
        patience=PATIENCE,
    )


def _ask_all(wanted: Sequence[Mailbox], *, transport: DirectTransport) -> list[Check]:
    """One connection for all addresses at a host."""
    checks = []
    for host in dict.fromkeys(mailbox.host for mailbox in wanted):
        checks += _ask_host(host, [mailbox for mailbox in wanted if mailbox.host == host], transport)
    return checks


def _ask_host(host: str, wanted: Sequence[Mailbox], transport: DirectTransport) -> list[Check]:
    learned = recipients.ask(host)
    if learned.state is None:
        why = f"Where {host} takes its mail could not be looked up: {learned.error}."
        return [_check(mailbox, UNKNOWN, why) for mailbox in wanted]
    if learned.state != RecipientDomain.State.OK:
        return [_check(mailbox, FAIL, f"{learned.error} {mailbox.what}") for mailbox in wanted]
    try:
        session = transport.open(Destination(site=host, hosts=learned.mx))
    except CouldNotOpen as error:
        why = f"Its server could not be asked: {error.refusal.reply if error.refusal else error}"
        return [_check(mailbox, UNKNOWN, why) for mailbox in wanted]
    checks = [_ask(mailbox, session) for mailbox in wanted]
    session.quit()
    return checks


def _ask(mailbox: Mailbox, session: Session) -> Check:
    try:
        session.offer(Letter(mail_from="", rcpt_to=mailbox.address, content=b""))
        refusal = session.hear_offer()
        session.take_back()
    except ConnectionLost as error:
        return _check(mailbox, UNKNOWN, f"Its server could not be asked: {error}")
    if refusal is None:
        return _check(mailbox, PASS, "", "taken")
    said = str(refusal.reply)
    if _is_about_the_mailbox(refusal):
        return _check(mailbox, FAIL, f"{mailbox.address} is refused. {mailbox.what}", said)
    return _check(mailbox, UNKNOWN, "Its server did not say whether there is such a mailbox.", said)


def _is_about_the_mailbox(refusal: Refusal) -> bool:
    if refusal.phase != "rcpt" or refusal.reply.code < 500:
        return False
    return classify(str(refusal.reply), provider="", phase="rcpt").class_ in _NO_SUCH_MAILBOX


def _check(mailbox: Mailbox, result: str, detail: str, found: str = "") -> Check:
    return Check(
        mailbox.check_name,
        result,
        record_name=mailbox.address,
        record_type="SMTP",
        found=found,
        detail=detail,
        required=False,
    )
