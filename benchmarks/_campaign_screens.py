"""The pages of campaigns for `benchmarks.screens`."""

import argparse
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from benchmarks import _mailings

CAMPAIGNS, OWNERS = 10_000, 10
TAGS = ("spring", "shop", "news")
LETTER = """Dear {{ contact.first_name | default: "reader" }},

{% if contact.city %}in {{ contact.city | default: "town" }} and {{ contact.country | default: "elsewhere" }}{% endif %}
"""
# The first looks read code, templates and pages of the database.
UNMEASURED = 3


def looked(times: int, look: Callable[[], object]) -> list[float]:
    """Seconds of each look."""
    found = []
    for _time in range(UNMEASURED + times):
        began = time.perf_counter()
        look()
        found.append(time.perf_counter() - began)
    return found[UNMEASURED:]


def fetching(path: str, **query: str | int | list[int]) -> Callable[[], object]:
    from tests.visitors import admin

    client = admin()

    def fetch() -> None:
        answer = client.get(path, query, headers={"Host": "127.0.0.1"})
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")

    return fetch


def campaigns(asked: argparse.Namespace, now: datetime) -> tuple[dict[str, list[float]], int]:
    ids = _campaigns(now)
    looks = {
        "first_page": fetching("/campaigns/"),
        "drafts": fetching("/campaigns/", status="drafts"),
        "search": fetching("/campaigns/", q="letter 77"),
        "tag": fetching("/campaigns/", tag="shop"),
        "page_200": fetching("/campaigns/", after=ids[5_000]),
        "home": fetching("/"),
    }
    return {name: looked(asked.looks, look) for name, look in looks.items()}, 300


def audience(asked: argparse.Namespace, now: datetime) -> tuple[dict[str, list[float]], int]:
    from campaigns.audience import choice_of
    from campaigns.counting import counted
    from tests.campaigns.world import ready_campaign

    _mailings.crowd(asked.people, now=now)
    campaign = ready_campaign(now, readers=0)
    _second_list(campaign, now)
    lists = list(campaign.included_lists.values_list("pk", flat=True))
    looks = {
        "count": lambda: counted(choice_of(campaign), now=now),
        "answer": fetching(f"/campaigns/{campaign.pk}/audience/count/", included=lists),
        "page": fetching(f"/campaigns/{campaign.pk}/audience/"),
    }
    return {name: looked(min(10, asked.looks), look) for name, look in looks.items()}, 2_000


def preflights(asked: argparse.Namespace, now: datetime) -> tuple[dict[str, list[float]], int]:
    from audiences.models import PersonField
    from campaigns.preflight import preflight
    from tests.campaigns.world import ready_campaign, write

    _mailings.crowd(asked.people, now=now)
    campaign = ready_campaign(now, readers=0)
    for key in ("city", "country"):
        PersonField.objects.create(key=key, label=key)
    links = "\n\n".join(f"[What came in, {n}](https://harbour.example/{n})" for n in range(50))
    write(now, campaign, letter=f"{LETTER}\n{links}\n")
    looks = {
        "preflight": lambda: preflight(now=now, campaign=campaign),
        "review": fetching(f"/campaigns/{campaign.pk}/review/"),
        "hub": fetching(f"/campaigns/{campaign.pk}/"),
    }
    return {name: looked(min(10, asked.looks), look) for name, look in looks.items()}, 5_000


def _second_list(campaign: object, now: datetime) -> None:
    """A third of the same people, a tenth of them gone from it."""
    from django.db import connection

    from tests.cast import newsletter

    other = newsletter("Regulars")
    campaign.included_lists.add(other)  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute(_A_THIRD, {"list": other.pk, "now": now})
        cursor.execute("VACUUM ANALYZE")


_A_THIRD = """
INSERT INTO audiences_subscription (subscriber_id, list_id, state, since, source)
SELECT id, %(list)s, CASE WHEN id %% 30 = 0 THEN 'unsubscribed' ELSE 'subscribed' END, %(now)s, ''
FROM audiences_subscriber WHERE id %% 3 = 0
"""


def _campaigns(now: datetime) -> list[int]:
    """Every second one was sent, to five providers; their ids, the oldest first."""
    from django.db import connection

    from campaigns.models import Campaign, Revision
    from config.roles import Role
    from sending.models import Mailing, MailingCount
    from tests.campaigns.world import ready_campaign
    from tests.visitors import member

    like = ready_campaign(now, readers=5)
    owners = [member(f"owner{number}", Role.MARKETER) for number in range(OWNERS)]
    mailings = Mailing.objects.bulk_create(
        (
            Mailing(
                name=f"Letter {n}", launch_key=f"made:{n}", pool=like.pool, sending_domain=like.sending_domain,
                from_address=like.from_address, scopes=["*"], state="done", state_since=now, total=1_000,
                launched_at=now - timedelta(hours=n), finished_at=now - timedelta(hours=n),
            )
            for n in range(0, CAMPAIGNS, 2)
        ),
        batch_size=1_000,
    )  # fmt: skip
    made = Campaign.objects.bulk_create(
        (
            Campaign(
                name=f"Letter {n}", tags=[TAGS[n % 3]], created_by=owners[n % OWNERS], rev=1,
                mailing=mailings[n // 2] if n % 2 == 0 else None, state="draft" if n % 2 else "launched",
            )
            for n in range(CAMPAIGNS)
        ),
        batch_size=1_000,
    )  # fmt: skip
    Revision.objects.bulk_create(
        (Revision(campaign=one, number=1, subject=one.name, letter="Dear reader", saved_at=now) for one in made),
        batch_size=1_000,
    )
    on = like.included_lists.get()
    Campaign.included_lists.through.objects.bulk_create(
        (Campaign.included_lists.through(campaign=one, mailinglist=on) for one in made), batch_size=1_000
    )
    MailingCount.objects.bulk_create(
        (
            MailingCount(mailing=mailing, provider=provider, kind=kind, n=100)
            for mailing in mailings
            for provider in ("google", "microsoft", "yahoo", "gmx", "tail")
            for kind in ("accepted", "clicked", "unsubscribed")
        ),
        batch_size=5_000,
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return [one.pk for one in made]
