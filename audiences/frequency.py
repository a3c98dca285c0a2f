"""How often somebody wants to hear from us: as it comes, or at most one letter in so many days.

Whoever wants fewer rests after each letter: until then campaigns leave them out, by name and reason, when they start.
What had started before still reaches them.
"""

from datetime import datetime, timedelta

from audiences.models import MailFrequency, Subscriber

EVERY = 0
WEEKLY, MONTHLY = 7, 30
CHOICES = (EVERY, WEEKLY, MONTHLY)


def choose_frequency(*, now: datetime, subscriber_id: int, days: int) -> bool:
    """At most one letter in `days` from now on, the one in their hands counted; EVERY ends that. True when it is news.

    Raises ValueError for a number that is not one of CHOICES.
    """
    if days not in CHOICES:
        raise ValueError(f"Nobody can choose one letter in {days} days.")
    mine = MailFrequency.objects.filter(subscriber=subscriber_id)
    if days == EVERY:
        return bool(mine.delete()[0])
    if mine.filter(days=days).exists() or not Subscriber.objects.filter(pk=subscriber_id).exists():
        return False
    rest = {"days": days, "rests_until": now + timedelta(days=days)}
    MailFrequency.objects.update_or_create(subscriber_id=subscriber_id, defaults=rest)
    return True


def frequency_of(subscriber_id: int) -> int:
    """The days they chose; EVERY for whoever chose nothing."""
    return MailFrequency.objects.filter(subscriber=subscriber_id).values_list("days", flat=True).first() or EVERY
