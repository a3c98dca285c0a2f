"""Two days of readers for the last campaign of a demo, for its pictures: `python -m tests.browser.readers`.

Runs with the settings of the demo's stage. The campaign becomes two days older, and
some of its people open and click.
"""

import random
from datetime import datetime, timedelta
from typing import Any

SEED = 1126
DAYS = 2
OPENED, BY_PROGRAMS, CLICKED = 0.38, 0.16, 0.062
# Which links they follow: the first the most.
LINKS = (0, 0, 0, 1, 1, 2, 3)


def main() -> None:
    import django

    django.setup()
    from django.db.models import F

    from sending import visit_book
    from sending.models import Mailing, Outcome

    mailing = Mailing.objects.latest("total")
    back = timedelta(days=DAYS)
    times = ("launched_at", "first_sent_at", "finished_at", "state_since")
    Mailing.objects.filter(pk=mailing.pk).update(**{name: F(name) - back for name in times})
    mailing.refresh_from_db()
    accepted = Outcome.objects.filter(mailing_id=mailing.pk, kind="accepted").order_by("delivery")
    people = list(accepted.values_list("delivery", flat=True))
    visit_book.write_in_passing(visits(mailing.pk, people, mailing.launched_at, random.Random(SEED)))


def visits(mailing: int, people: list[int], begin: datetime, source: random.Random) -> list[Any]:
    """Most come on the first evening, fewer and fewer later."""
    from sending.visit_book import Visit

    found = []
    for delivery in people:
        at = begin + timedelta(hours=min(45.0, source.expovariate(1 / 7)))
        if source.random() < OPENED:
            found.append(Visit(mailing, delivery, "opened", at))
        elif source.random() < BY_PROGRAMS:
            found.append(Visit(mailing, delivery, "opened", at, by_machine=True))
        if source.random() < CLICKED:
            found.append(Visit(mailing, delivery, "clicked", at + timedelta(minutes=2), source.choice(LINKS)))
    return found


if __name__ == "__main__":
    main()
