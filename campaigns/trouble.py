"""Which providers hold us back just now: what the home page says of our name."""

from datetime import datetime

from django.db.models import Q

from reputation.models import Budget


def troubled_budgets(*, now: datetime) -> list[Budget]:
    """Slowed or held at this moment, the worst first; at most eight. A hold that is over waits for its first probe."""
    still = Q(state_until=None) | Q(state_until__gt=now)
    found = Budget.objects.filter(still).exclude(state=Budget.State.OPEN).order_by("state", "-changed_at", "pk")
    return list(found[:8])
