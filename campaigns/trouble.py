"""Which providers hold us back just now: what the home page says of our name."""

from datetime import datetime

from django.db.models import Q

from reputation.models import Budget, Finding
from reputation.published import headline


def troubled_budgets(*, now: datetime) -> list[Budget]:
    """Slowed or held at this moment, the worst first; at most eight. A hold that is over waits for its first probe."""
    still = Q(state_until=None) | Q(state_until__gt=now)
    found = Budget.objects.filter(still).exclude(state=Budget.State.OPEN).order_by("state", "-changed_at", "pk")
    return list(found[:8])


def broken_checks() -> list[tuple[Finding, str]]:
    """Checks of ours that passed once and fail now, with a headline each; at most eight, the oldest first."""
    broke = Finding.objects.filter(confirmed=True, passed_at__isnull=False, host=None)
    broke = broke.exclude(weight=Finding.Weight.TELL).select_related("domain", "address")
    rows = broke.order_by("failing_since", "id")[:8]
    return [(row, headline(row.check_name, str(row.domain or row.address), broke=True)) for row in rows]
