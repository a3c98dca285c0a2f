"""Which providers hold us back just now: what the home page says of our name."""

from reputation.models import Budget


def troubled_budgets() -> list[Budget]:
    """Slowed or held, the worst first; at most eight."""
    found = Budget.objects.exclude(state=Budget.State.OPEN).order_by("state", "-changed_at", "pk")
    return list(found[:8])
