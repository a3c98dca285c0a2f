"""A short letter of the house to one of the team: alerts, and what colleagues said."""

from datetime import datetime

from django.conf import settings
from django.core import mail

from reputation.models import SendingDomain
from sending.own_mail import NotHandedOver, by_settings, hand_over, short_letter
from sending.pure.dialogue import BadPath
from sending.transports import Letter


def notify(*, now: datetime, to: str, subject: str, text: str, id: str) -> str:
    """Why it could not be mailed; empty when it was. `id` begins the Message-ID.

    What broke may be our way out: the e-mail server of the settings is the second one.
    """
    domain = SendingDomain.objects.filter(state=SendingDomain.State.VERIFIED).order_by("id").first()
    try:
        hand_over(now=now, letter=_letter(now, to, subject, text, id, domain), domain=domain)
        return ""
    except (NotHandedOver, OSError, BadPath, mail.BadHeaderError) as error:
        why = str(error)
    if settings.LAB:
        return why
    try:
        by_settings(_letter(now, to, subject, text, id, None))
        return ""
    except (NotHandedOver, OSError, mail.BadHeaderError):
        return why


def _letter(now: datetime, to: str, subject: str, text: str, id: str, domain: SendingDomain | None) -> Letter:
    ours = f"letterpace@{domain.name}" if domain else settings.DEFAULT_FROM_EMAIL
    return short_letter(now=now, sender=("Letterpace", ours), to=to, subject=subject, text=text, id=id)
