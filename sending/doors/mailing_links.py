"""Mails with a link that a recipient asked for on our pages: one message, to the address it concerns, in its language.

Nobody else can ask for more than the mail; whoever reads it has the mailbox. It goes to whoever left, too, but not to
who complained, bounced, was suppressed by hand or is erased.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import BadHeaderError
from django.utils import translation
from django.utils.translation import gettext as _

from audiences.keys import key_of
from audiences.models import ANYWHERE, Subscriber, Suppression, stream_scope
from audiences.suppress import outlives_consent
from reputation.models import SendingDomain
from reputation.workspace import workspace
from sending.doors.addresses import door_address
from sending.doors.asking import KEPT, Kind
from sending.models import AskedMail, Stream
from sending.own_mail import NotHandedOver, hand_over, short_letter
from sending.pure import tokens
from sending.pure.dialogue import BadPath
from sending.transports import Letter

log = logging.getLogger(__name__)

AGAIN_AFTER = timedelta(minutes=2)
GIVE_UP_AFTER = timedelta(minutes=30)
# Each may wait for a server; the next sweep takes the others.
AT_ONCE = 20


def mail_due(*, now: datetime) -> int:
    """Mail what is due; returns how many were handed over. Forgets what is two days old."""
    AskedMail.objects.filter(asked_at__lt=now - KEPT).delete()
    due = list(AskedMail.objects.filter(due_at__lte=now).order_by("due_at")[:AT_ONCE])
    return sum(_mail(now, row) for row in due if _claim(row, now))


def _claim(row: AskedMail, now: datetime) -> bool:
    """Put the next try off before this one, so that of two sweeps one mails it."""
    return AskedMail.objects.filter(pk=row.pk, due_at=row.due_at).update(due_at=now + AGAIN_AFTER) == 1


def _mail(now: datetime, row: AskedMail) -> bool:
    person = _person(row)
    mine = AskedMail.objects.filter(pk=row.pk)
    if person is None or _is_kept_out(row, person):
        mine.update(due_at=None)
        return False
    domain = SendingDomain.objects.filter(state=SendingDomain.State.VERIFIED).order_by("id").first()
    try:
        with translation.override(row.language or person.language or settings.LANGUAGE_CODE):
            letter = _letter(now, row, person, domain)
        hand_over(now=now, letter=letter, domain=domain)
    except (NotHandedOver, OSError, BadPath, BadHeaderError, UnicodeError) as error:
        log.warning("A link that a recipient asked for could not be mailed: %s", type(error).__name__)
        mine.filter(asked_at__lte=now - GIVE_UP_AFTER).update(due_at=None)
        return False
    mine.update(due_at=None, mailed_at=now)
    return True


def _person(row: AskedMail) -> Subscriber | None:
    if row.subscriber_id is not None:
        return Subscriber.objects.filter(pk=row.subscriber_id).first()
    return Subscriber.objects.filter(address_key=row.address_key).first()


def _is_kept_out(row: AskedMail, person: Subscriber) -> bool:
    to = key_of(row.email) if row.email else person.address_key
    scopes = [ANYWHERE, stream_scope(Stream.TRANSACTIONAL)]
    return any(map(outlives_consent, Suppression.objects.filter(address_key=to, scope__in=scopes)))


def _letter(now: datetime, row: AskedMail, person: Subscriber, domain: SendingDomain | None) -> Letter:
    ours = f"hello@{domain.name}" if domain else settings.DEFAULT_FROM_EMAIL
    subject, words = _words(row, person)
    otherwise = _("If it was not you, do nothing.")
    return short_letter(
        now=now,
        sender=(workspace().name, ours),
        to=row.email or person.email,
        subject=subject,
        text=f"{words}\n\n{_link(row, person)}\n\n{otherwise}\n",
        id=f"asked-{row.pk}",
        submitted="auto-replied",
    )


def _words(row: AskedMail, person: Subscriber) -> tuple[str, str]:
    """Subject and text."""
    name = {"name": workspace().name}
    if row.kind == Kind.ADDRESS:
        said = _(
            "Letters from %(name)s that went to %(address)s shall come here from now on. To agree, open this link:"
        )
        return _("Is this your new address?"), said % {**name, "address": person.email}
    if row.kind == Kind.EXPORT:
        return _("Your data at %(name)s") % name, _("Here you download everything we keep about you:")
    if row.kind == Kind.ERASE:
        return _("Your data at %(name)s") % name, _("Here you confirm that we erase everything about you:")
    return (
        _("Your letters from %(name)s") % name,
        _("Here you choose what you get from %(name)s, or stop everything:") % name,
    )


def _link(row: AskedMail, person: Subscriber) -> str:
    if row.kind == Kind.LINKS:
        return door_address("preferences", tokens.Preferences(person.pk))
    return door_address("mailed", tokens.Mailed(row.pk))
