"""The deliverability page: counters of 30 days, the score, what to do, and the way from a figure to its people."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from audiences.models import ListAge
from audiences.quiet import count_quiet, quiet_share
from campaigns.deliverability import authenticated_share, campaigns_at, dashboard
from campaigns.models import Campaign
from campaigns.pure.score import limits_of
from config.roles import Role
from reputation import taking_reports
from reputation.models import Budget, DayTally, SendingDomain, Workspace
from reputation.outside_figures import of_ours
from sending.models import Mailing, MailingCount, MailingMessage
from tests.cast import direct_route, newsletter, people, pool_of, shop, verified_domain
from tests.outside_reports import DOMAIN, dmarc
from tests.visitors import visitor

pytestmark = pytest.mark.django_db

ZONE = ZoneInfo("Europe/Warsaw")
TODAY = date(2026, 11, 27)
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
STOCK = limits_of({})


@pytest.fixture(autouse=True)
def house():
    shop()
    verified_domain(DOMAIN)


def campaign(*, at: datetime, domain: str = DOMAIN, name: str = "A letter", **providers: dict[str, int]) -> Campaign:
    """A campaign that left, with counters by provider."""
    sender, pool = verified_domain(domain), pool_of(direct_route())
    mailing = Mailing.objects.create(
        name=name,
        launch_key=f"campaign:{Mailing.objects.count()}",
        pool=pool,
        sending_domain=sender,
        from_address=f"hello@{domain}",
        scopes=["*"],
        state_since=at,
        launched_at=at,
    )
    rows = [(provider, kind, n) for provider, counts in providers.items() for kind, n in counts.items()]
    MailingCount.objects.bulk_create(
        [MailingCount(mailing=mailing, provider=provider, kind=kind, n=n) for provider, kind, n in rows]
    )
    return Campaign.objects.create(name=name, state="launched", sending_domain=sender, pool=pool, mailing=mailing)


def good(n: int = 2000, **changed: int) -> dict[str, int]:
    return {"accepted": n, "clicked": n // 20, "opened": n // 4, **changed}


def page(**given):
    return dashboard(**{"now": NOW, "zone": ZONE, "today": TODAY, "limits": STOCK, **given})


def test_good_campaigns_of_the_month_have_a_good_score():
    campaign(at=NOW - timedelta(days=3), google=good(), yahoo=good(500))
    found = page()
    assert found.counts.tried == 2500
    assert found.score is not None and found.score.value == 100
    assert found.steps == []


def test_below_a_thousand_messages_there_is_no_score():
    campaign(at=NOW - timedelta(days=3), google=good(999))
    assert page().score is None and page().steps == []


def test_what_left_more_than_thirty_days_ago_does_not_count():
    campaign(at=NOW - timedelta(days=31), google=good(n=5000))
    campaign(at=NOW - timedelta(days=29), google=good(n=1000))
    assert page().counts.tried == 1000


def test_tests_and_mail_that_is_no_campaign_do_not_count():
    campaign(at=NOW, google=good())
    Mailing.objects.update(is_test=True)
    assert page().counts.tried == 0


def test_gmail_tells_no_complaints_so_its_people_do_not_dilute_them():
    campaign(at=NOW, google=good(100_000), yahoo=good(1000, complained=2))
    found = page()
    shares = {row.key: row.shares["complained"] for row in found.providers}
    assert shares == {"google": None, "yahoo": 0.2}
    assert found.counts.shares()["complained"] == 0.2


def test_a_complaint_where_nobody_tells_does_not_weigh_on_those_that_do():
    campaign(at=NOW, google=good(5000, complained=7), yahoo=good(1000, complained=2))
    counts = page().counts
    assert (counts.complained, counts.shares()["complained"]) == (9, 0.2)


def test_a_letter_that_counted_no_clicks_says_nothing_of_them():
    campaign(at=NOW, yahoo=good(clicked=0, opened=400))
    MailingMessage.objects.create(mailing=Mailing.objects.get(), compiled={"track_clicks": False, "track_opens": True})
    shares = page().counts.shares()
    assert (shares["clicked"], shares["opened"]) == (None, 20)


def test_what_to_do_is_ordered_by_points_and_names_the_worst_provider():
    campaign(at=NOW, yahoo=good(complained=5), microsoft=good(bounced_hard=60))
    found = page()
    assert [(step.key, step.provider) for step in found.steps] == [("bounced", "microsoft"), ("complained", "yahoo")]
    assert found.steps[0].gain > found.steps[1].gain > 0


def test_attempts_that_were_put_off_come_from_the_day_tallies():
    campaign(at=NOW, google=good())
    budget = Budget.objects.create(kind=Budget.Kind.DKIM_DOMAIN, scope=DOMAIN, provider="google")
    DayTally.objects.create(budget=budget, day=TODAY, sent=1000, deferred=100)
    DayTally.objects.create(budget=budget, day=TODAY - timedelta(days=40), sent=1000, deferred=900)
    assert page().counts.shares()["deferred"] == 10


def test_the_score_is_drawn_for_each_day_of_the_thirty_days_before_it():
    campaign(at=NOW - timedelta(days=10), google=good())
    drawn = dict(page().over_time)
    assert drawn[TODAY - timedelta(days=11)] is None
    assert drawn[TODAY - timedelta(days=10)] == 100 == drawn[TODAY]


def test_each_domain_has_its_own_score_and_can_be_looked_at_alone():
    campaign(at=NOW, google=good())
    campaign(at=NOW, domain="shop.harbour.example", yahoo=good(complained=20))
    assert [row.key for row in page().domains] == [DOMAIN, "shop.harbour.example"]
    alone = page(domain="shop.harbour.example")
    assert alone.counts.tried == 2000 and [row.key for row in alone.providers] == ["yahoo"]
    assert alone.score is not None and alone.score.capped_by == "Complaints"


def test_authentication_is_what_receivers_say_of_our_addresses_else_what_dns_says():
    assert authenticated_share(of_ours(now=NOW)) == (100.0, 0)
    SendingDomain.objects.update(state="held")
    assert authenticated_share(of_ours(now=NOW)) == (0.0, 0)
    direct_route("127.0.1.1")
    rows = (
        ("127.0.1.1", 300, "pass", "pass"),
        ("127.0.1.1", 100, "fail", "fail"),
        ("203.0.113.9", 999, "fail", "fail"),
    )
    taking_reports.take(now=NOW, data=dmarc(*rows), source="upload")
    assert authenticated_share(of_ours(now=NOW)) == (75.0, 400)
    strangers = [(f"203.0.113.{n}", 20, "fail", "fail") for n in range(60)]
    taking_reports.take(now=NOW, data=dmarc(*strangers, report_id="18"), source="upload")
    assert authenticated_share(of_ours(now=NOW)) == authenticated_share(of_ours(now=NOW), domain=DOMAIN) == (75.0, 400)


def test_the_age_of_the_list_is_counted_once_a_day():
    on = newsletter()
    people(4, on=on)
    old = on.subscriptions.earliest("pk").subscriber
    now = timezone.now()
    type(old).objects.filter(pk=old.pk).update(created_at=now - timedelta(days=400))
    assert quiet_share() is None
    assert count_quiet(now=now) and not count_quiet(now=now + timedelta(hours=23))
    assert quiet_share() == 25
    assert count_quiet(now=now + timedelta(hours=25)) and ListAge.objects.count() == 1


def test_every_figure_leads_to_the_campaigns_behind_it_and_their_lists_add_up():
    first = campaign(at=NOW - timedelta(days=2), name="First", yahoo=good(complained=3))
    campaign(at=NOW - timedelta(days=1), name="Second", yahoo=good(complained=1), google=good())
    rows = campaigns_at(today=TODAY, zone=ZONE, provider="yahoo")
    assert [row.name for row in rows] == ["Second", "First"]
    assert sum(dict(row.cells)["complained"] for row in rows) == page().counts.complained
    assert rows[1].campaign_id == first.pk


# The pages


def open_page(path: str, role: Role = Role.VIEWER) -> str:
    answer = visitor(role.value, role).get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_shows_score_factors_and_formula():
    campaign(at=timezone.now(), yahoo=good(complained=5), google=good())
    shown = open_page("/deliverability/")
    assert "Room for improvement" in shown or "Needs attention" in shown or "Healthy" in shown
    assert "points = weight × (bad − measured) ÷ (bad − good)" in shown
    assert "not told" in shown
    assert "/deliverability/at/yahoo/" in shown
    assert "Change thresholds" not in shown


def test_the_page_of_an_empty_house_says_that_there_is_no_score():
    assert "No score yet." in open_page("/deliverability/")


def test_a_providers_page_leads_to_the_people():
    made = campaign(at=timezone.now(), yahoo=good(complained=5, bounced_hard=2))
    shown = open_page("/deliverability/at/yahoo/")
    assert f'/campaigns/{made.pk}/people/complained/?provider=yahoo">5<' in shown
    client = visitor("viewer", Role.VIEWER)
    for topic in ("accepted", "bounced_hard", "complained", "unsubscribed", "clicked", "opened"):
        assert client.get(f"/campaigns/{made.pk}/people/{topic}/?provider=yahoo").status_code == 200


def test_a_domain_that_is_not_ours_has_no_page():
    assert visitor("viewer", Role.VIEWER).get("/deliverability/?domain=other.example").status_code == 404


def stock_form() -> dict[str, float]:
    found = {f"{key}_good": good for key, (good, _) in STOCK.items()}
    return found | {f"{key}_bad": bad for key, (_, bad) in STOCK.items()}


def test_an_admin_changes_thresholds_and_takes_it_back():
    campaign(at=timezone.now(), yahoo=good(bounced_hard=60))
    client = visitor("admin", Role.ADMIN)
    answer = client.post("/deliverability/thresholds/", stock_form() | {"bounced_good": 5, "bounced_bad": 9})
    assert answer.status_code == 302
    assert Workspace.objects.get().thresholds == {"bounced": [5.0, 9.0]}
    assert "5 %" in open_page("/deliverability/")
    client.post("/deliverability/thresholds/", {"reset": "1"})
    assert Workspace.objects.get().thresholds == {}


def test_thresholds_the_wrong_way_round_are_refused():
    answer = visitor("admin", Role.ADMIN).post("/deliverability/thresholds/", stock_form() | {"clicked_good": 0.1})
    assert answer.status_code == 422 and "Good has to lie above bad here." in answer.content.decode()
    assert Workspace.objects.get().thresholds == {}
