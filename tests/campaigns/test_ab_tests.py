"""A/B tests of a campaign: kept with the letter, looked at by preflight, launched in parts, and told in words."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User

from campaigns import content
from campaigns.launch import NotReady, launch
from campaigns.models import Campaign, LinkCheck
from campaigns.preflight import must_fix, preflight
from campaigns.pure.findings import Level
from campaigns.pure.variants import AbTest, Variant
from campaigns.schedule import schedule
from campaigns.variants import variants_of
from campaigns.variants_outlook import power_of
from campaigns.variants_result import result_of
from sending import split_test
from sending.doors.visits import links_of
from sending.models import Delivery, Event, Mailing, MailingMessage, Outcome, SplitTest
from sending.pure.message import CompiledMessage
from sending.pure.personalise import Literal
from sending.pure.split import By, Split
from tests.campaigns.world import colleague, ready_campaign, write

pytestmark = pytest.mark.django_db
HOURS = timedelta(hours=4)
ZONE = ZoneInfo("Europe/Warsaw")


def a_test(*others: Variant, share: int = 50, by: By = By.CLICKS) -> AbTest:
    return AbTest(others or (Variant(subject="Sit by the window, {{ contact.first_name | default: 'reader' }}"),),
                  Split(share, by, HOURS))  # fmt: skip


def with_test(now: datetime, ab_test: AbTest | None = None, *, readers: int = 12, **fields) -> Campaign:
    campaign = ready_campaign(now, readers=readers, **fields)
    campaign.refresh_from_db()
    content.set_ab_test(now=now, campaign_id=campaign.pk, based_on=campaign.rev, ab_test=ab_test or a_test(), by=None)
    campaign.refresh_from_db()
    return campaign


def launched(now: datetime, campaign: Campaign) -> Mailing:
    schedule(now=now, campaign_id=campaign.pk, by=None)
    mailing = launch(now=now + timedelta(minutes=1), campaign_id=campaign.pk)
    assert mailing is not None
    return mailing


def sent(mailing: Mailing, now: datetime) -> None:
    """Everybody of the test has it."""
    rows = Delivery.objects.filter(mailing_id=mailing.pk, variant__gte=0)
    for row in rows:
        Outcome.objects.create(
            mailing_id=mailing.pk, delivery=row.id, attempt=1, kind="accepted", provider=row.provider, at=now
        )
    for lane in mailing.lanes.all():
        lane.next_seq = lane.release_seq + 1
        lane.save(update_fields=["next_seq"])


def click(mailing: Mailing, variant: int, n: int) -> None:
    for row in Delivery.objects.filter(mailing_id=mailing.pk, variant=variant).order_by("id")[:n]:
        Event.objects.create(mailing=mailing, delivery=row.id, kind="clicked", at=mailing.launched_at)


def ids(now: datetime, campaign: Campaign, level: Level) -> list[str]:
    return [row.id for row in preflight(now=now, campaign=campaign) if row.level is level]


def test_saving_the_letter_keeps_it_and_versions_bring_it_back(now: datetime) -> None:
    campaign = with_test(now)
    kept = content.current(campaign).ab_test
    write(now, campaign, subject="Another subject")
    campaign.refresh_from_db()
    assert content.current(campaign).ab_test == kept != {}

    content.set_ab_test(now=now, campaign_id=campaign.pk, based_on=campaign.rev, ab_test=None, by=None)
    campaign.refresh_from_db()
    assert content.current(campaign).ab_test == {}
    content.restore(now=now, campaign_id=campaign.pk, number=campaign.rev - 1, based_on=campaign.rev, by=None)
    campaign.refresh_from_db()
    assert content.current(campaign).ab_test == kept
    assert content.current(content.duplicate(now=now, campaign=campaign, by=None)).ab_test == kept


def test_somebody_elses_save_is_not_overwritten_and_an_approval_is_taken_back(now: datetime) -> None:
    campaign = with_test(now)
    Campaign.objects.filter(pk=campaign.pk).update(review="approved")
    with pytest.raises(content.Conflict):
        content.set_ab_test(now=now, campaign_id=campaign.pk, based_on=campaign.rev - 1, ab_test=None, by=None)
    content.set_ab_test(now=now, campaign_id=campaign.pk, based_on=campaign.rev, ab_test=None, by=None)
    campaign.refresh_from_db()
    assert campaign.review == ""


def test_each_variant_is_the_letter_with_what_is_another(now: datetime) -> None:
    campaign = with_test(now, a_test(Variant(from_name="Mara"), Variant(subject="Look", preheader="Inside")))
    a, b, c = variants_of(campaign, content.current(campaign))
    assert [one.name for one in (a, b, c)] == ["A", "B", "C"]
    assert (b.campaign.from_name, b.content.subject) == ("Mara", a.content.subject)
    assert (c.content.subject, c.content.preheader, c.campaign.from_name) == ("Look", "Inside", campaign.from_name)
    campaign.refresh_from_db()
    assert campaign.from_name == "Mara at Harbour Books"


@pytest.mark.parametrize(
    ("variant", "sentence"),
    [
        (Variant(subject="Hello {{ contact.frist_name }}"), "Variant “B”: `frist_name` is not a known field."),
        (Variant(subject="Hello\nBcc: everybody@example.org"), "Variant “B”: The subject has to be one line."),
        (Variant(subject="{{ contact.first_name }}"), "Variant “B”: 3 of 12 people's copies cannot be written"),
        (Variant(from_name="Mara\r\nBcc: x@example.org"), "Variant “B”: "),
    ],
)
def test_preflight_stops_a_variant_as_it_stops_the_subject(now: datetime, variant: Variant, sentence: str) -> None:
    campaign = with_test(now, a_test(variant))
    from audiences.models import Subscriber

    for person in Subscriber.objects.order_by("pk")[:3]:
        person.fields = {}
        person.save(update_fields=["fields"])
    found = must_fix(now=now, campaign=campaign)
    assert [row for row in found if row.sentence.startswith(sentence)], found
    with pytest.raises(NotReady):
        Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
        launch(now=now, campaign_id=campaign.pk)


def test_preflight_says_when_it_cannot_be_decided_or_means_nothing(now: datetime) -> None:
    campaign = with_test(now)
    assert "abtest.noise" in ids(now, campaign, Level.SHOULD_LOOK)
    assert not ids(now, campaign, Level.MUST_FIX)
    Campaign.objects.filter(pk=campaign.pk).update(track_clicks=False)
    campaign.refresh_from_db()
    assert ids(now, campaign, Level.MUST_FIX) == ["abtest.clicks"]
    same = content.current(campaign).subject
    content.set_ab_test(
        now=now,
        campaign_id=campaign.pk,
        based_on=campaign.rev,
        ab_test=a_test(Variant(subject=same), by=By.HAND),
        by=None,
    )
    campaign.refresh_from_db()
    assert "abtest.same" in ids(now, campaign, Level.MUST_FIX)


def test_launch_freezes_every_variant_and_divides_the_people(now: datetime) -> None:
    mailing = launched(now, with_test(now))
    rows = MailingMessage.objects.filter(mailing=mailing).order_by("variant")
    first, second = (CompiledMessage.from_json(row.compiled) for row in rows)
    assert first.subject == (Literal("Long evenings, good books"),)
    assert second.subject[0] == Literal("Sit by the window, ")
    test = SplitTest.objects.get(pk=mailing.pk)
    assert (test.people, test.rest, test.by, test.wait) == (6, 6, "clicked", HOURS)
    assert Delivery.objects.filter(mailing_id=mailing.pk, variant=-1).count() == 6


def test_it_is_told_in_words_from_the_start_to_the_choice(now: datetime) -> None:
    campaign = with_test(now, readers=40)
    mailing = launched(now, campaign)
    campaign.refresh_from_db()

    def told() -> str:
        mailing.refresh_from_db()
        found = result_of(now=now, zone=ZONE, campaign=campaign, mailing=mailing)
        assert found is not None
        return found.told

    assert told() == "2 variants are tested with 20 people. The winner goes out 4 hours after the test has been sent."
    sent(mailing, now)
    click(mailing, 1, 6)
    split_test.watch(now=now)
    local = (now + HOURS).astimezone(ZONE)
    assert told() == f"2 variants are tested with 20 people. The winner goes out at {local:%H:%M}."
    split_test.watch(now=now + HOURS)
    assert told().startswith("Variant B was chosen at ")
    assert told().endswith("for the other 20 people. It was ahead by more than chance explains.")
    found = result_of(now=now, zone=ZONE, campaign=campaign, mailing=mailing)
    assert found is not None and not found.may_choose
    assert [(row.name, row.tally.clicked, round(row.percent), row.is_winner) for row in found.rows] == [
        ("A", 0, 0, False),
        ("B", 6, 60, True),
    ]
    assert found.rows[0].compared.startswith("60.0 points less (")


def test_small_differences_are_not_distinguishable(now: datetime) -> None:
    campaign = with_test(now, readers=40)
    mailing = launched(now, campaign)
    sent(mailing, now)
    click(mailing, 0, 1)
    campaign.refresh_from_db()
    found = result_of(now=now, zone=ZONE, campaign=campaign, mailing=mailing)
    assert found is not None and [row.compared for row in found.rows] == ["", "not distinguishable"]


def test_by_hand_it_waits_and_a_person_chooses(now: datetime) -> None:
    campaign = with_test(now, a_test(by=By.HAND), readers=40)
    mailing = launched(now, campaign)
    user: User = colleague()
    campaign.refresh_from_db()
    found = result_of(now=now, zone=ZONE, campaign=campaign, mailing=mailing)
    assert found is not None and found.may_choose
    assert found.told.endswith("The other 20 people wait for your choice.")
    split_test.choose_by_hand(now=now, mailing_id=mailing.pk, variant=1, actor=user)
    mailing.refresh_from_db()
    found = result_of(now=now, zone=ZONE, campaign=campaign, mailing=mailing)
    assert found is not None and found.told.endswith("mara chose it by hand.")


def test_the_outlook_says_what_so_many_people_could_show(now: datetime) -> None:
    campaign = with_test(now, readers=40)
    power = power_of(now=now, campaign=campaign, share=50, by=By.CLICKS, variants=2)
    assert power is not None
    assert (power.people, power.in_test, power.each, power.rest, power.is_noise) == (40, 20, 10, 20, True)
    assert power.usual == 0.025 and not power.is_own
    assert power.shown is not None and power.shown > 0.3
    campaign.included_lists.clear()
    assert power_of(now=now, campaign=campaign, share=50, by=By.CLICKS, variants=2) is None


def test_letters_of_variants_share_the_numbers_of_their_links(now: datetime) -> None:
    other = "Dear reader,\n\n[a lamp](https://lamp.example/)\n\n[the shelf](https://www.harbour.example/autumn)"
    campaign = with_test(now, a_test(Variant(letter=other)))
    mailing = launched(now, campaign)
    first, second = MailingMessage.objects.filter(mailing=mailing).order_by("variant")
    assert first.compiled["links"] == second.compiled["links"] == [
        "https://www.harbour.example/autumn", "https://lamp.example/",
    ]  # fmt: skip
    assert links_of(mailing.pk) == tuple(first.compiled["links"])
    assert "link[0]" in str(first.compiled["body"]) and "link[1]" not in str(first.compiled["body"])
    assert "link[0]" in str(second.compiled["body"]) and "link[1]" in str(second.compiled["body"])


def test_preflight_looks_at_every_letter_and_a_change_of_writing_leaves_none_behind(now: datetime) -> None:
    campaign = with_test(now, a_test(Variant(letter="Hello {{ contact.nam }}"), Variant(subject="Other")))
    assert any(row.sentence.startswith("Variant “B”: `nam`") for row in must_fix(now=now, campaign=campaign))
    assert LinkCheck.objects.filter(url="https://www.harbour.example/autumn").exists()
    content.begin_as(now=now, campaign_id=campaign.pk, kind="mjml", based_on=campaign.rev, by=None)
    campaign.refresh_from_db()
    assert content.current(campaign).ab_test["others"] == [{"subject": "Other"}]


def test_a_test_by_opens_that_are_not_counted_is_stopped(now: datetime) -> None:
    campaign = with_test(now, a_test(by=By.OPENS), track_opens=False)
    assert ids(now, campaign, Level.MUST_FIX) == ["abtest.opens"]


def test_with_enough_people_its_size_is_fine(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.variants_preflight.NOISE_BELOW", 5)
    assert "abtest.size" in ids(now, with_test(now), Level.FINE)
