"""Notes, the approval of a second person, and warnings ignored with a reason."""

import pytest
from django.test import Client
from django.utils import timezone

from campaigns import edit, remarks, schedule
from campaigns.content import save_letter
from campaigns.launch import launch
from campaigns.models import Campaign, Remark
from campaigns.preflight import preflight
from campaigns.pure.findings import Finding, Level
from config.roles import Role
from reputation.models import Workspace
from tests.campaigns.world import ready_campaign, write
from tests.cast import newsletter
from tests.visitors import member, visitor

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    return ready_campaign(timezone.now())


@pytest.fixture
def mara() -> Client:
    return visitor("mara", Role.MARKETER)


@pytest.fixture
def olga() -> Client:
    return visitor("olga", Role.APPROVER)


def hub(client: Client, campaign: Campaign) -> str:
    return " ".join(client.get(f"/campaigns/{campaign.pk}/").content.decode().split())


def post(client: Client, campaign: Campaign, name: str, **data: str) -> str:
    answer = client.post(f"/campaigns/{campaign.pk}/{name}/", data, follow=True)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def decide(client: Client, campaign: Campaign, what: str, words: str = "", seen: str = "") -> str:
    campaign.refresh_from_db()
    seen = seen or remarks.stamp(campaign)
    return post(client, campaign, "approval/decide", **{what: "1", "words": words, "seen": seen})


def review_of(campaign: Campaign) -> str:
    campaign.refresh_from_db()
    return campaign.review


def approved(mara: Client, olga: Client, campaign: Campaign) -> None:
    post(mara, campaign, "approval/ask")
    decide(olga, campaign, "approve")
    assert review_of(campaign) == "approved"


# -- Notes -------------------------------------------------------------------------------------------------------------


def test_a_note_stands_with_who_and_its_line_breaks_between_the_versions(mara, campaign) -> None:
    seen = post(mara, campaign, "notes", words="The price is <b>wrong</b>.\nAsk Jo.")
    assert "<b>Mara</b> wrote a note" in seen and "saved version 1" in seen
    assert "The price is &lt;b&gt;wrong&lt;/b&gt;.<br>Ask Jo." in seen
    assert "Write something first." in post(mara, campaign, "notes", words="  ")
    assert Remark.objects.count() == 1


def test_a_viewer_reads_notes_and_writes_none(mara, campaign) -> None:
    post(mara, campaign, "notes", words="For everybody")
    watching = visitor("viewer", Role.VIEWER)
    seen = hub(watching, campaign)
    assert "For everybody" in seen and "A note for your team" not in seen and "Ask for approval" not in seen
    assert watching.post(f"/campaigns/{campaign.pk}/notes/", {"words": "x"}).status_code == 403


# -- Approval ----------------------------------------------------------------------------------------------------------


def test_asking_puts_it_under_needs_review_and_an_approver_approves_it_with_a_note(mara, olga, campaign) -> None:
    assert "It stands under “Needs review” now." in post(mara, campaign, "approval/ask", words="The price?")
    listed = olga.get("/campaigns/", {"status": "review"}).content.decode()
    assert "Winter reading list" in listed and "Needs review</span>" in listed
    assert "Winter reading list" not in olga.get("/campaigns/", {"status": "drafts"}).content.decode()
    assert "“The price?”" in hub(olga, campaign)
    assert "Approve version 1" in hub(olga, campaign) and "Approve version" not in hub(mara, campaign)

    assert "Approved." in decide(olga, campaign, "approve", "The price is right.")
    seen = hub(mara, campaign)
    assert "<b>Olga</b> approved it" in seen and "“The price is right.”" in seen
    assert review_of(campaign) == "approved"
    assert any(row.id == "review.approved" for row in preflight(now=timezone.now(), campaign=campaign))


def test_sending_it_back_needs_a_note_and_stops_it_until_it_is_asked_for_again(mara, olga, campaign) -> None:
    post(mara, campaign, "approval/ask")
    assert "Say what should change" in decide(olga, campaign, "back", " ")
    assert "Sent back, with your note." in decide(olga, campaign, "back", "Wrong price")
    stopped = mara.post(f"/campaigns/{campaign.pk}/schedule/", {"when": "now"})
    assert stopped.status_code == 422 and "Olga sent it back: “Wrong price”" in stopped.content.decode()
    assert "Ask for approval again" in hub(mara, campaign)
    post(mara, campaign, "approval/ask")
    assert mara.post(f"/campaigns/{campaign.pk}/schedule/", {"when": "now"}).status_code == 302


@pytest.mark.parametrize("change", ["letter", "audience", "sender", "tracking"])
def test_any_edit_after_approval_resets_it(mara, olga, campaign, change: str) -> None:
    approved(mara, olga, campaign)
    now = timezone.now()
    if change == "letter":
        write(now, campaign, subject="Another subject")
    elif change == "audience":
        edit.set_audience(now=now, campaign_id=campaign.pk, included=[newsletter("Other")], excluded=[])
    elif change == "sender":
        edit.set_sender(
            now=now, campaign_id=campaign.pk, sending_domain=campaign.sending_domain, pool=campaign.pool,
            from_name="Somebody else", from_address=campaign.from_address, reply_to="",
        )  # fmt: skip
    else:
        edit.set_tracking(now=now, campaign_id=campaign.pk, opens=False, clicks=True)
    assert review_of(campaign) == ""


def test_name_and_speed_leave_an_approval_as_it_is(mara, olga, campaign) -> None:
    approved(mara, olga, campaign)
    edit.rename(now=timezone.now(), campaign_id=campaign.pk, name="Other", tags=[])
    edit.set_speed(now=timezone.now(), campaign_id=campaign.pk, per_hour=100)
    assert review_of(campaign) == "approved"


def test_what_was_changed_while_somebody_looked_is_not_approved(mara, olga, campaign) -> None:
    post(mara, campaign, "approval/ask")
    campaign.refresh_from_db()
    seen = remarks.stamp(campaign)
    write(timezone.now(), campaign, subject="Changed meanwhile")
    assert "It was changed while you looked." in decide(olga, campaign, "approve", seen=seen)
    assert review_of(campaign) == "asked"


def test_an_audience_that_was_not_seen_is_not_approved(mara, olga, campaign) -> None:
    post(mara, campaign, "approval/ask")
    campaign.refresh_from_db()
    seen = remarks.stamp(campaign)
    edit.set_audience(now=timezone.now(), campaign_id=campaign.pk, included=[newsletter("Other")], excluded=[])
    assert "It was changed while you looked." in decide(olga, campaign, "approve", seen=seen)
    assert review_of(campaign) == "asked"


def test_what_is_saved_while_sending_is_looked_at_is_not_sent(campaign, monkeypatch) -> None:
    def look_long(*, now, campaign):
        write(now, Campaign.objects.get(pk=campaign.pk), subject="Saved meanwhile")
        return []

    monkeypatch.setattr(schedule, "must_fix", look_long)
    with pytest.raises(schedule.CannotSchedule, match="changed meanwhile"):
        schedule.schedule(now=timezone.now(), campaign_id=campaign.pk, by=None)
    campaign.refresh_from_db()
    assert (campaign.state, campaign.review) == ("draft", "")


def test_what_is_scheduled_comes_out_of_the_archive(campaign) -> None:
    now = timezone.now()
    assert edit.archive(now=now, campaign_ids=[campaign.pk]) == 1
    schedule.schedule(now=now, campaign_id=campaign.pk, by=None)
    campaign.refresh_from_db()
    assert campaign.archived_at is None
    assert edit.archive(now=now, campaign_ids=[campaign.pk]) == 0


def test_where_two_people_are_needed_nobody_approves_or_sends_what_they_wrote_last(mara, olga, campaign) -> None:
    Workspace.objects.update(second_person_sends=True)
    save_letter(
        now=timezone.now(), campaign_id=campaign.pk, based_on=campaign.rev, subject="Mine", preheader="Line two of it",
        letter="A letter.\n", by=member("olga", Role.APPROVER),
    )  # fmt: skip
    campaign.refresh_from_db()
    post(mara, campaign, "approval/ask")
    assert "You wrote its latest version, so somebody else has to decide." in hub(olga, campaign)
    assert "You wrote its latest version." in decide(olga, campaign, "approve")
    refused = olga.post(f"/campaigns/{campaign.pk}/schedule/", {"when": "now"})
    assert refused.status_code == 422 and "You wrote its latest version." in refused.content.decode()

    admin = visitor("ada", Role.ADMIN)
    assert "Approved." in decide(admin, campaign, "approve")
    assert olga.post(f"/campaigns/{campaign.pk}/schedule/", {"when": "now"}).status_code == 302


def test_where_two_people_are_needed_the_second_ones_sending_is_written_down_as_approval(olga, campaign) -> None:
    Workspace.objects.update(second_person_sends=True)
    assert olga.post(f"/campaigns/{campaign.pk}/schedule/", {"when": "now"}).status_code == 302
    assert Remark.objects.get(kind="approved").by == member("olga", Role.APPROVER)


def test_a_marketer_decides_nothing_and_what_is_on_its_way_is_not_asked_for(mara, campaign) -> None:
    assert mara.post(f"/campaigns/{campaign.pk}/approval/decide/", {"approve": "1"}).status_code == 403
    now = timezone.now()
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    assert launch(now=now, campaign_id=campaign.pk) is not None
    post(mara, campaign, "approval/ask")
    assert not Remark.objects.exists()


# -- Warnings ----------------------------------------------------------------------------------------------------------


def warned(campaign: Campaign, id: str) -> Finding:
    campaign.refresh_from_db()
    return next(row for row in preflight(now=timezone.now(), campaign=campaign) if row.id == id)


def test_a_warning_is_ignored_with_a_reason_that_is_kept_and_can_be_heeded_again(mara, campaign) -> None:
    write(timezone.now(), campaign, preheader="")
    key = warned(campaign, "preheader.empty").key
    assert "Say in a sentence" in post(mara, campaign, "preflight/ignore", key=key, words=" ")
    seen = post(mara, campaign, "preflight/ignore", key=key, words="Plain text readers only")
    assert "Ignored here" in seen and "Plain text readers only" in seen
    assert warned(campaign, "preheader.empty").level is Level.IGNORED
    assert "There is no preheader" not in hub(mara, campaign).split('id="story"')[0]
    assert "ignores a warning" in hub(mara, campaign)

    post(mara, campaign, "preflight/ignore", key=key, heed="1")
    assert warned(campaign, "preheader.empty").level is Level.SHOULD_LOOK
    assert [row.kind for row in Remark.objects.order_by("pk")] == ["ignored", "heeded"]


def test_what_says_something_else_after_an_edit_warns_again(mara, campaign) -> None:
    write(timezone.now(), campaign, subject="Hello you")
    post(mara, campaign, "preflight/ignore", key=warned(campaign, "subject.short").key, words="It is our name")
    write(timezone.now(), campaign, subject="x" * 90)
    assert warned(campaign, "subject.long").level is Level.SHOULD_LOOK


def test_that_it_waits_for_approval_is_an_order_and_cannot_be_ignored(mara, campaign) -> None:
    post(mara, campaign, "approval/ask")
    waits = warned(campaign, "review.asked")
    assert f'value="{waits.key}"' not in mara.get(f"/campaigns/{campaign.pk}/review/").content.decode()
    post(mara, campaign, "preflight/ignore", key=waits.key, words="No time")
    Remark.objects.create(
        campaign=campaign, kind="ignored", rev=1, about=waits.key, words="As it was possible once", at=timezone.now()
    )
    assert warned(campaign, "review.asked").level is Level.SHOULD_LOOK
    assert [row.words for row in Remark.objects.filter(kind="ignored")] == ["As it was possible once"]


def test_what_must_be_fixed_cannot_be_ignored(mara, campaign) -> None:
    write(timezone.now(), campaign, subject="")
    key = warned(campaign, "subject.empty").key
    assert "Nobody is warned of that any more." in post(mara, campaign, "preflight/ignore", key=key, words="So what")
    assert warned(campaign, "subject.empty").level is Level.MUST_FIX


def test_what_was_changed_since_somebody_looked_is_shown_before_it_is_sent(mara, campaign) -> None:
    page = mara.get(f"/campaigns/{campaign.pk}/review/").content.decode()
    seen = page.split('name="seen" value="')[1].split('"')[0]
    write(timezone.now(), campaign, subject="Somebody else changed it")
    there = f"/campaigns/{campaign.pk}/schedule/"
    stale = mara.post(there, {"when": "now", "seen": seen})
    assert stale.status_code == 422 and "It was changed since you looked." in stale.content.decode()
    fresh = stale.content.decode().split('name="seen" value="')[1].split('"')[0]
    assert mara.post(there, {"when": "now", "seen": fresh}).status_code == 302
