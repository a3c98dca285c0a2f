"""Hand on what people wrote back: a new message of ours to the workspace's address, with Reply-To the person."""

import logging
import re
from datetime import datetime, timedelta
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr

from django.conf import settings
from django.core import mail
from django.db.models import Q

from reputation.models import SendingDomain
from reputation.workspace import workspace
from sending.models import Inbound
from sending.own_mail import NotHandedOver, hand_over
from sending.pure.dialogue import BadPath
from sending.pure.mime_parts import header, parse, parts, text_of
from sending.transports import Letter

log = logging.getLogger(__name__)

LOOP = "X-Loop"
AGAIN_AFTER = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(days=2)
_MOST_TEXT = 20_000
_PLAIN_ADDRESS = re.compile(r"[\w.!#$%&'*+/=^`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


def forward(*, now: datetime, row: Inbound) -> bool:
    """Forward what a person wrote. When it can't leave, it is tried again for two days and then shown as failed."""
    to = workspace().reply_forward_to
    waiting = Inbound.objects.filter(pk=row.pk, state=Inbound.State.NEW)
    if not to:
        return False
    message = parse(bytes(row.raw))
    if _mark() in header(message, LOOP):
        waiting.update(state=Inbound.State.DONE, kind="loop", note="It was forwarded before: it goes in a circle.")
        return False
    domain = _domain(row.rcpt_to)
    try:
        hand_over(now=now, letter=_letter(now, row, to, domain), domain=domain)
    except (NotHandedOver, OSError, mail.BadHeaderError, BadPath) as error:
        _put_off(now, row, str(error))
        return False
    waiting.update(state=Inbound.State.FORWARDED, note=f"Forwarded to {to}."[:400])
    return True


def _put_off(now: datetime, row: Inbound, why: str) -> None:
    waiting = Inbound.objects.filter(pk=row.pk, state=Inbound.State.NEW)
    words = f"It could not be forwarded: {why}".replace("\0", "")[:400]
    log.warning("Inbound %s could not be forwarded yet", row.pk)
    if now - row.received_at >= GIVE_UP_AFTER:
        waiting.update(state=Inbound.State.FAILED, kind="human", note=words)
        return
    again = (now + AGAIN_AFTER / settings.TIME_FACTOR).isoformat()
    waiting.update(attempts=0, kind="human", note=words, headers=row.headers | {"not_before": again})


def _mark() -> str:
    return f"letterpace@{settings.ALLOWED_HOSTS[0] or 'localhost'}"


def _domain(rcpt_to: str) -> SendingDomain | None:
    """The sending domain that the person answered to."""
    host = rcpt_to.rpartition("@")[2]
    return SendingDomain.objects.filter(Q(name__iexact=host) | Q(return_path_host__iexact=host)).first()


def _letter(now: datetime, row: Inbound, to: str, domain: SendingDomain | None) -> Letter:
    original = parse(bytes(row.raw))
    name, person = parseaddr(header(original, "reply-to") or header(original, "from"))
    name = _line(name)
    ours = f"replies@{domain.name}" if domain else settings.DEFAULT_FROM_EMAIL
    new = EmailMessage(policy=SMTP)
    new["From"] = formataddr((_line(f"{name or person or 'Somebody'} (reply)"), ours))
    new["To"] = to
    if _PLAIN_ADDRESS.fullmatch(person):
        new["Reply-To"] = person
    new["Subject"] = _line(header(original, "subject")) or "A reply without a subject"
    new["Date"] = format_datetime(now)
    new["Message-ID"] = f"<reply-{row.digest.hex}@{ours.rpartition('@')[2]}>"
    new["Auto-Submitted"] = "auto-generated"
    new[LOOP] = _mark()
    new.set_content(_words(original, row), cte="base64")
    new.add_attachment(bytes(row.raw), maintype="application", subtype="octet-stream", filename="reply.eml")
    return Letter(mail_from=ours, rcpt_to=to, content=new.as_bytes())


def _line(text: str) -> str:
    """One plain line. Encoded words are undone first: they may hide line ends, and words that would decode again."""
    try:
        text = str(make_header(decode_header(text[:2000])))
    except (ValueError, LookupError, HeaderParseError):
        pass
    plain = _CONTROLS.sub(" ", text).replace("=?", "= ?")
    return plain[:200].encode("utf-8", "replace").decode().strip()


def _words(original: Message, row: Inbound) -> str:
    found = parts(original)
    text = next((text_of(part) for part in found if part.get_content_type() == "text/plain"), "")
    cut = row.headers.get("size", 0) > len(row.raw)
    notes = [
        f"{_line(header(original, 'from'))} wrote to {_line(row.rcpt_to)}:",
        "",
        text[:_MOST_TEXT].replace("\0", "").encode("utf-8", "replace").decode(),
        "",
        "-- ",
        "The whole message is attached." if not cut else "The message was too long; its beginning is attached.",
    ]
    return "\n".join(notes)
