"""What the monitor tells beside its buttons: lanes against their limits, when the rest follows, what went on."""

import re
from datetime import datetime, timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiences.models import Subscriber
from campaigns.happenings import happenings_of
from campaigns.launch import launch
from campaigns.models import Campaign
from reputation.models import Budget, BudgetChange, Workspace
from sending.models import Batch, Mailing, MailingCount, MailingLane, Requeue
from sending.pace import pace_of
from tests.campaigns.world import colleague, ready_campaign
from tests.cast import direct_route
from tests.visitors import admin

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_foreseen_yet() -> None:
    cache.clear()


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(colleague())
    return client


@pytest.fixture
def running() -> Campaign:
    """Views read the real clock, so what they judge is made now."""
    now = timezone.now()
    campaign = ready_campaign(now, readers=12)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    assert launch(now=now, campaign_id=campaign.pk) is not None
    campaign.refresh_from_db()
    return campaign


def page(client: Client, campaign: Campaign, name: str = "monitor", **query: str) -> str:
    answer = client.get(f"/campaigns/{campaign.pk}/{name}/", query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def slowed(provider: str = "google") -> Budget:
    now = timezone.now()
    budget = Budget.objects.get(kind="ip", provider=provider)
    said = "Gmail asked us to slow down at 14:02; next try 14:12"
    until = now + timedelta(minutes=10)
    Budget.objects.filter(pk=budget.pk).update(
        state="slowed", ladder_step=0, rate_share=0.5, state_until=until, state_reason=said, changed_at=now
    )
    BudgetChange.objects.create(budget=budget, at=now, what=said)
    return budget


def test_a_slowed_lane_says_who_asked_and_when_it_goes_on_and_what_is_normal(client, running) -> None:
    assert "normally" not in page(client, running)
    slowed()
    seen = page(client, running)
    assert "Gmail asked us to slow down at 14:02; next try" in seen
    assert "<b>0</b> of 0" in seen
    assert "normally 300" in seen
    assert seen.count('class="cut"') == 24


def test_an_admin_gets_from_the_lane_to_what_holds_it_back_and_others_do_not(client, running) -> None:
    page(client, running)
    budget = slowed()
    there = f'href="/limits/{budget.pk}/"'
    assert there not in page(client, running)
    assert there in page(admin(), running)


def test_while_it_is_probed_the_lane_says_so(client, running) -> None:
    page(client, running)
    Budget.objects.filter(pk=slowed().pk).update(ladder_step=1, state_reason="Gmail slowed us down; one message")
    assert "Gmail slowed us down. One message is tried over one connection" in page(client, running)


def test_the_page_says_when_the_rest_follows_and_each_lane_when_it_is_done(client, running) -> None:
    seen = page(client, running)
    assert "The rest should follow by" in seen
    assert seen.count('data-label="Done"><span class="lp-nowrap">about') == 4


def test_nothing_is_foreseen_for_what_a_person_paused(client, running) -> None:
    client.post(f"/campaigns/{running.pk}/lane-pause/", {"provider": "google"})
    assert page(client, running).count('data-label="Done"><span class="lp-nowrap">about') == 3
    client.post(f"/campaigns/{running.pk}/pause/")
    seen = page(client, running)
    assert "should follow" not in seen
    assert '<span class="lp-nowrap">about' not in seen


def test_while_all_sending_is_stopped_every_lane_says_so(client, running) -> None:
    Workspace.objects.update(sending_stopped_at=timezone.now(), sending_stopped_reason="Drill")
    seen = page(client, running)
    assert seen.count("All sending is stopped, until an admin lets it go on.") == 4
    assert "should follow" not in seen


def test_only_who_may_stop_all_sending_is_offered_it(client, running) -> None:
    assert "Stop all sending…" not in page(client, running)
    assert "Stop all sending…" in page(admin(), running)


def test_one_press_halves_the_pace_and_one_more_gives_it_free(client, running) -> None:
    assert "Slow down to" not in page(client, running)
    mailing = Mailing.objects.get(pk=running.mailing_id)
    now = timezone.now()
    Batch.objects.create(
        mailing=mailing, route=direct_route(), provider="google", kind="fresh", lo=1, hi=3, gap=0.5, due_at=now,
        deadline=now + timedelta(hours=1), state="running", started_at=now,
    )  # fmt: skip
    assert "Slow down to 3,600 an hour" in page(client, running)
    client.post(f"/campaigns/{running.pk}/speed/", {"per_hour": "3600"})
    assert "As fast as is safe</button>" in page(client, running)
    client.post(f"/campaigns/{running.pk}/speed/", {"per_hour": ""})
    assert "As fast as is safe</button>" not in page(client, running)


def test_who_is_tried_again_is_counted_in_the_legend_and_listed(client, running) -> None:
    mailing = Mailing.objects.get(pk=running.mailing_id)
    for number in (1, 2):
        Requeue.objects.create(
            mailing=mailing, delivery=number, provider_now="google", due_at=timezone.now(), reason="deferred"
        )
    # Both have left their range.
    MailingLane.objects.filter(mailing=mailing, provider="google").update(next_seq=3)
    assert ">2 to try again</a>" in page(client, running)
    assert "2 shown" in page(client, running, "people/retrying")


def test_what_happened_to_its_lanes_is_told_beside_the_pace(client, running) -> None:
    page(client, running)
    slowed()
    elsewhere = Budget.objects.create(kind="ip", scope="192.0.2.9", provider="google")
    BudgetChange.objects.create(budget=elsewhere, at=timezone.now(), what="Held")
    own = Budget.objects.get(kind="ip", provider="yahoo")
    BudgetChange.objects.create(budget=own, at=timezone.now(), what="Per minute 5 → 10")
    mailing = Mailing.objects.get(pk=running.mailing_id)
    mailing.changes.create(kind="resent", provider="gmx", at=timezone.now(), actor=colleague())
    assert [one.words for one in happenings_of(mailing)] == [
        "mara: sent again to those who were blocked at GMX and WEB.DE.",
        "Yahoo: per minute 5 → 10.",
        "Gmail asked us to slow down at 14:02; next try 14:12.",
    ]
    seen = page(client, running, "pace")
    assert "Gmail asked us to slow down at 14:02" in seen
    assert "It was started." in seen


def test_the_pace_is_drawn_and_stands_in_a_table(client, running) -> None:
    mailing = Mailing.objects.get(pk=running.mailing_id)
    begin = timezone.now() - timedelta(minutes=30)
    Mailing.objects.filter(pk=mailing.pk).update(first_sent_at=begin)
    sent(mailing, begin, begin + timedelta(minutes=10), 200)
    seen = page(client, running, "pace")
    assert "<polyline points=" in seen
    assert '<td class="num">20</td>' in seen
    assert " style=" not in seen


def test_a_batch_counts_in_the_stretches_in_which_it_sent(now: datetime) -> None:
    campaign = ready_campaign(now)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    mailing = launch(now=now, campaign_id=campaign.pk)
    assert mailing is not None
    sent(mailing, now + timedelta(minutes=1), now + timedelta(minutes=3), 60)
    sent(mailing, now + timedelta(minutes=2), now + timedelta(minutes=4), 20)
    length, stretches = pace_of(
        now=now + timedelta(minutes=5), mailing_id=mailing.pk, begin=now, end=now + timedelta(minutes=5)
    )
    assert length == timedelta(minutes=1)
    assert [round(one.per_minute) for one in stretches][:5] == [0, 30, 40, 10, 0]
    assert sum(one.sent for one in stretches) == 80


def sent(mailing: Mailing, since: datetime, until: datetime, n: int) -> None:
    Batch.objects.create(
        mailing=mailing,
        route=direct_route(),
        provider="google",
        kind="fresh",
        lo=1,
        hi=n,
        gap=1.0,
        due_at=since,
        deadline=until,
        started_at=since,
        last_dot_at=until,
        ended_at=until,
        state="done",
        n_sent=n,
    )


def poll(client: Client, campaign: Campaign, mark: str = "") -> HttpResponse:
    answer = client.get(f"/campaigns/{campaign.pk}/progress/", {"mark": mark}, headers={"HX-Request": "true"})
    assert isinstance(answer, HttpResponse)
    return answer


def mark(answer: HttpResponse) -> str:
    [found] = re.findall(r"mark=([0-9a-f]+)", answer.content.decode())
    return str(found)


def test_a_poll_that_finds_nothing_new_draws_nothing_and_asks_five_questions(client, running) -> None:
    for _minute_may_be_over in range(5):
        shown = mark(poll(client, running))
        with CaptureQueriesContext(connection) as asked:
            answer = poll(client, running, shown)
        if answer.status_code == 204:
            break
    assert answer.status_code == 204
    assert not answer.content
    assert answer.headers["HX-Reswap"] == "none"
    assert not getattr(answer, "templates", [])
    assert len(asked) == 5


def test_a_lane_that_was_paused_keeps_its_button_at_every_poll(client, running) -> None:
    client.post(f"/campaigns/{running.pk}/lane-pause/", {"provider": "google"}, headers={"HX-Request": "true"})
    for _look in range(2):
        seen = poll(client, running).content.decode()
        assert 'aria-label="Go on at Gmail"' in seen
        assert 'aria-label="Pause only Gmail"' not in seen
        assert f'hx-post="/campaigns/{running.pk}/lane-resume/"' in seen
        slowed()


@pytest.mark.parametrize("change", ["count", "pause", "budget", "name", "stop all"])
def test_a_poll_that_finds_something_new_draws_it(client, running, change: str) -> None:
    mailing = Mailing.objects.get(pk=running.mailing_id)
    page(client, running)
    shown = mark(poll(client, running))
    if change == "count":
        MailingCount.objects.create(mailing=mailing, provider="google", kind="accepted", n=1)
    elif change == "pause":
        client.post(f"/campaigns/{running.pk}/lane-pause/", {"provider": "google"})
    elif change == "budget":
        slowed()
    elif change == "name":
        Campaign.objects.filter(pk=running.pk).update(name="Winter, again")
    else:
        Workspace.objects.update(sending_stopped_at=timezone.now(), sending_stopped_reason="Drill")
    answer = poll(client, running, shown)
    assert answer.status_code == 200
    assert mark(answer) != shown


def test_every_figure_stands_in_its_place(client, running) -> None:
    mailing = Mailing.objects.get(pk=running.mailing_id)
    for kind in ("accepted", "bounced_hard", "skipped", "unknown"):
        MailingCount.objects.create(mailing=mailing, provider="google", kind=kind, n=1)
    MailingLane.objects.filter(mailing=mailing, provider="google").update(total=3_000)
    for accepted in (1_234, 1_235):
        MailingCount.objects.filter(mailing=mailing, kind="accepted").update(n=accepted)
        seen = page(client, running)
        assert "\ue000" not in seen
        assert f"<b>{accepted:,}</b> have it · <b>1</b> bounced · <b>1</b> not sent · <b>1</b> lost answer" in seen


def test_the_figures_add_up_to_the_people_also_while_batches_are_under_way(client, running) -> None:
    """Of what a live batch did, nothing is in the counters yet."""
    mailing, now = Mailing.objects.get(pk=running.mailing_id), timezone.now()
    MailingCount.objects.create(mailing=mailing, provider="yahoo", kind="bounced_hard", n=1)
    batch = Batch.objects.create(
        mailing=mailing, route=direct_route(), provider="google", kind="fresh", lo=1, hi=3, gap=0.5, due_at=now,
        deadline=now + timedelta(hours=1), state="running", started_at=now,
    )  # fmt: skip
    for accepted, skipped in ((0, 0), (1, 0), (1, 1), (2, 1)):
        Batch.objects.filter(pk=batch.pk).update(n_accepted=accepted, n_skipped=skipped)
        seen = poll(client, running).content.decode()
        found = dict(re.findall(r'id="n-(accepted|bounced|not|unknown|waiting)"[^>]*>(\d+)</a>', seen))
        assert (found["accepted"], found["bounced"], found["not"]) == (str(accepted), "1", str(skipped))
        assert sum(map(int, found.values())) == 12 and len(found) == 5


def test_a_search_on_the_page_of_everybody_finds_one_person(client, running) -> None:
    person = Subscriber.objects.order_by("pk")[0]
    seen = page(client, running, "people/everyone", q=person.email)
    assert "1 shown" in seen
    assert "Waits for its turn." in seen
    assert "Nobody whose address begins with" in page(client, running, "people/everyone", q="jane@")


def test_a_list_of_an_answer_nobody_gave_is_not_there(client, running) -> None:
    assert client.get(f"/campaigns/{running.pk}/people/answered/", {"meaning": "x"}).status_code == 404
