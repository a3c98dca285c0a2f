"""Keeping what was found: one row a check, its memory, and a row of history whenever a result changes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from reputation.models import Alert, Finding, FindingChange, LinkHost, SendingAddress, SendingDomain
from reputation.pure import memory
from reputation.pure.memory import Event, Memory

KEEP_HISTORY = timedelta(days=730)

Owner = SendingDomain | SendingAddress | LinkHost


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `detail` says what to change, in words; `required` ones decide whether the domain may send."""

    name: str
    result: str
    record_name: str = ""
    record_type: str = ""
    expected: str = ""
    found: str = ""
    detail: str = ""
    required: bool = True
    weight: str = ""  # empty: must for what is required, else should

    @property
    def weighs(self) -> str:
        return self.weight or (Finding.Weight.MUST if self.required else Finding.Weight.SHOULD)


def store(*, now: datetime, about: Owner, checks: Sequence[Check], gone: Collection[str] = ()) -> None:
    """Store checks about one thing, forget those named in `gone`, and leave an alert of what broke or was mended.

    To be called in a transaction that holds the thing's row, so that two checks at once keep one memory.
    """
    before = {row.check_name: row for row in about.findings.all()}
    for check in checks:
        row = before.get(check.name) or _new(about, check.name)
        was = row.result
        event = _write(row, check, now)
        if was != row.result and not isinstance(about, LinkHost):
            _remember_change(now, row, was)
        if event is not None and row.weight != Finding.Weight.TELL and not isinstance(about, LinkHost):
            _leave_alert(now, row, event)
    about.findings.filter(check_name__in=gone).delete()


def prune(*, now: datetime) -> None:
    """Forget hosts no campaign needs any more, and history that is older than two years."""
    LinkHost.objects.filter(wanted_until__lt=now).delete()
    FindingChange.objects.filter(at__lt=now - KEEP_HISTORY).delete()
    Alert.objects.filter(at__lt=now - KEEP_HISTORY).delete()


def _new(about: Owner, check_name: str) -> Finding:
    made = Finding(check_name=check_name, result="")
    if isinstance(about, SendingDomain):
        made.domain = about
    elif isinstance(about, SendingAddress):
        made.address = about
    else:
        made.host = about
    return made


def _write(row: Finding, check: Check, now: datetime) -> Event | None:
    known = Memory(row.result, row.since, row.passed_at, row.failing_since, row.confirmed)
    new, event = memory.after(known, check.result, now)
    row.result, row.since, row.passed_at = new.result, new.since, new.passed_at
    row.failing_since, row.confirmed = new.failing_since, new.confirmed
    row.record_name, row.record_type = check.record_name[:255], check.record_type
    row.expected, row.found, row.detail = check.expected, check.found, check.detail
    row.required, row.weight, row.checked_at = check.required, check.weighs, now
    row.save()
    return event


def _leave_alert(now: datetime, row: Finding, event: Event) -> None:
    Alert.objects.create(
        kind=event,
        domain_id=row.domain_id,
        address_id=row.address_id,
        check_name=row.check_name,
        required=row.required,
        at=now,
        detail=row.detail,
        expected=row.expected,
        found=row.found,
        mail_due_at=now,
        call_due_at=now if settings.ALERT_WEBHOOK_URL else None,
    )


def _remember_change(now: datetime, row: Finding, before: str) -> None:
    FindingChange.objects.create(
        domain_id=row.domain_id,
        address_id=row.address_id,
        check_name=row.check_name,
        at=now,
        before=before,
        after=row.result,
        found=row.found,
        detail=row.detail,
    )
