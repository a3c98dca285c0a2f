"""Mail to those of the team whom a note or a decision about a campaign concerns: who, which campaign, and where. What
was written stays on the site, since it may speak of recipients.

Each is tried for a day, and claimed before it is tried, so that two sweeps do not both tell.
"""

import logging
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.urls import reverse

from campaigns.models import Remark
from config.roles import Role
from config.team.members import name_of
from sending.notices import notify

log = logging.getLogger(__name__)

AGAIN_AFTER, GIVE_UP_AFTER = timedelta(minutes=5), timedelta(days=1)
MOST_AT_ONCE = 20
_MENTION = re.compile(r"@([\w.+-]*\w)")
_DID = {
    Remark.Kind.SAID: "{who} mentions you in a note on “{name}”",
    Remark.Kind.ASKED: "{who} asks you to approve “{name}”",
    Remark.Kind.APPROVED: "{who} has approved “{name}”",
    Remark.Kind.REJECTED: "{who} has sent “{name}” back",
}


def tell(*, now: datetime) -> None:
    """Mail what is due. What reached nobody is tried again."""
    due = Remark.objects.select_related("campaign", "by").filter(mail_due_at__lte=now).order_by("pk")
    for remark in due[:MOST_AT_ONCE]:
        if not _claim(remark, now):
            continue
        errors = [_mail(now, remark, user) for user in concerned(remark)]
        if not errors or not all(errors) or remark.at <= now - GIVE_UP_AFTER:
            Remark.objects.filter(pk=remark.pk).update(mail_due_at=None)
        if why := next(filter(None, errors), ""):
            log.warning("Somebody could not be told of a note or a decision: %s", why)


def concerned(remark: Remark) -> Sequence[User]:
    """Whom it is about: who may approve, who had asked, who is mentioned. Never who wrote it."""
    team = User.objects.filter(is_active=True, email__gt="", member__isnull=False).exclude(pk=remark.by_id or 0)
    if remark.kind == Remark.Kind.ASKED:
        found = team.filter(member__role__in=[Role.APPROVER, Role.ADMIN])
    elif remark.kind == Remark.Kind.SAID:
        found = _mentioned(team, remark.words)
    else:
        asked = remark.campaign.remarks.filter(kind=Remark.Kind.ASKED, pk__lt=remark.pk).values("by")
        found = team.filter(pk__in=asked.order_by("-pk")[:1])
    return list(found.order_by("pk"))


def _mentioned(team: QuerySet[User], words: str) -> QuerySet[User]:
    """`@Mara`, by the first name, the name to sign in with, or what stands before the @ of the address."""
    called = Q(pk__in=[])
    for name in set(_MENTION.findall(words)):
        called |= Q(first_name__iexact=name) | Q(username__iexact=name) | Q(email__istartswith=f"{name}@")
    return team.filter(called)


def _claim(remark: Remark, now: datetime) -> bool:
    mine = Remark.objects.filter(pk=remark.pk, mail_due_at=remark.mail_due_at)
    return mine.update(mail_due_at=now + AGAIN_AFTER / settings.TIME_FACTOR) == 1


def _mail(now: datetime, remark: Remark, user: User) -> str:
    who = name_of(remark.by) if remark.by else "Somebody"
    said = _DID[Remark.Kind(remark.kind)].format(who=who, name=remark.campaign.name)
    place = "campaign" if remark.kind == Remark.Kind.SAID else "campaign-review"
    page = f"{settings.PUBLIC_URL}{reverse(place, args=[remark.campaign_id])}"
    subject = " ".join(said.split())
    text = f"{said}.\n\nWhat was written stands there:\n{page}\n"
    return notify(now=now, to=user.email, subject=subject, text=text, id=f"remark-{remark.pk}-{user.pk}")
