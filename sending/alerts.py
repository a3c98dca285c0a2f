"""Telling admins what broke, or what a warm-up was held by: by mail, and by a call to a webhook. `reputation` leaves
the rows; here they are sent.

Each way is tried for a day. It is claimed before it is tried, so that two sweeps do not both tell; a sweep that dies
in between is repeated, which may tell twice and never not at all.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.urls import reverse

from reputation import published
from reputation.catalogue import catalogue
from reputation.models import Alert, Budget
from reputation.pure import alert_words
from reputation.pure.alert_words import Told
from sending import webhook
from sending.notices import notify

log = logging.getLogger(__name__)

AGAIN_AFTER = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(days=1)


def tell(*, now: datetime) -> None:
    """Mail and call what is due. What could not be told is tried again, and says why on its row."""
    _mail(now)
    _call(now)


def _mail(now: datetime) -> None:
    """All that is due in one letter to each admin; done when one of them has it."""
    due = list(_with_names().filter(mail_due_at__lte=now)[:50])
    claimed = [row for row in due if _claim(row, "mail_due_at", now)]
    if not claimed:
        return
    errors = [_mail_to(now, user, claimed) for user in User.objects.filter(is_active=True, is_staff=True, email__gt="")]
    done = not all(errors) if errors else False
    why = next((error for error in errors if error), "" if errors else "no admin has an address")
    if done:
        _of(claimed).update(mailed_at=now, mail_due_at=None, mail_error=why)
    else:
        log.warning("Admins could not be told what broke: %s", why)
        _of(claimed).update(mail_error=why[:300])
        _of(claimed).filter(at__lte=now - GIVE_UP_AFTER).update(mail_due_at=None)


def _call(now: datetime) -> None:
    for row in _with_names().filter(call_due_at__lte=now)[:50]:
        if not _claim(row, "call_due_at", now):
            continue
        try:
            webhook.call(now=now, id=f"alert-{row.pk}", body=alert_words.payload(told(row)))
        except webhook.NotCalled as error:
            log.warning("The webhook could not be told what broke: %s", error)
            _of([row]).update(call_error=str(error)[:300])
            _of([row]).filter(at__lte=now - GIVE_UP_AFTER).update(call_due_at=None)
        else:
            _of([row]).update(called_at=now, call_due_at=None, call_error="")


def told(row: Alert) -> Told:
    """An alert as its words need it."""
    if row.budget is not None:
        return _told_of_warmup(row, row.budget)
    name, id = ("domain", row.domain_id) if row.domain_id else ("address", row.address_id)
    broke = row.kind == Alert.Kind.BROKE
    return Told(
        id=row.pk,
        type="check.broke" if broke else "check.mended",
        broke=broke,
        headline=published.headline(row.check_name, row.about, broke=broke),
        about=row.about,
        check=row.check_name,
        required=row.required and row.domain_id is not None,
        at=row.at,
        detail=row.detail,
        expected=row.expected,
        found=row.found,
        page=f"{settings.PUBLIC_URL}{reverse(name, args=[id])}",
    )


def _told_of_warmup(row: Alert, budget: Budget) -> Told:
    return Told(
        id=row.pk,
        type="warmup.held",
        broke=True,
        headline=f"Warm-up of {budget.scope} at {catalogue().title(budget.provider)} does not go on",
        about=budget.scope,
        check=row.check_name,
        required=False,
        at=row.at,
        detail=row.detail,
        expected="",
        found="",
        page=f"{settings.PUBLIC_URL}{reverse('warmup-budget', args=[budget.pk])}",
    )


def _with_names() -> QuerySet[Alert]:
    return Alert.objects.select_related("domain", "address", "budget").order_by("id")


def _claim(row: Alert, way: str, now: datetime) -> bool:
    """Put its next try off, before this one: of two sweeps one gets it."""
    again = now + AGAIN_AFTER / settings.TIME_FACTOR
    return Alert.objects.filter(pk=row.pk, **{way: getattr(row, way)}).update(**{way: again}) == 1


def _of(rows: Sequence[Alert]) -> QuerySet[Alert]:
    return Alert.objects.filter(pk__in=[row.pk for row in rows])


def _mail_to(now: datetime, user: User, rows: Sequence[Alert]) -> str:
    """Why it could not be mailed to somebody; empty when it was."""
    alerts = [told(row) for row in rows]
    return notify(
        now=now,
        to=user.email,
        subject=alert_words.subject(alerts),
        text=alert_words.text(alerts),
        id=f"alert-{rows[0].pk}-{user.pk}",
    )
