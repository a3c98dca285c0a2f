"""A bad list is stopped early, a good one goes on after its first part, and going on again takes a person."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User

from sending import guard, mailings
from sending.line import waiting as in_line
from sending.models import Delivery, Mailing, MailingChange, MailingLane
from sending.progress import progress_of
from sending.pure import guard as rules
from sending.waiting import waiting
from tests.cast import newsletter, people, pressed
from tests.sending.engine import assert_books_balance, cut, kinds, letter, mailing_to, send
from tests.sending.scripted_receiver import Script, receiving

pytestmark = pytest.mark.usefixtures("engine")

GONE = "550 5.1.1 The email account that you tried to reach does not exist. gsmtp"


@pytest.fixture
def actor() -> User:
    return User.objects.create(username="mara")


@pytest.fixture
def small_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first part of a fifth, from 20 people on: what is 1.5 % of thousands otherwise."""
    monkeypatch.setattr(rules, "CANARY_FROM", 20)
    monkeypatch.setattr(rules, "CANARY_SHARE", 0.2)


def run(mailing: Mailing, now: datetime, settings, script: Script, size: int = 50) -> None:
    with receiving(script) as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now, size=size), now=now, connections=2) == []
    assert_books_balance(mailing)


def gone(*domains: str) -> Script:
    """Every mailbox of these domains is said not to exist."""
    return Script(rcpt=lambda _, recipient: GONE if recipient.rpartition("@")[2] in domains else "250 2.1.5 Ok")


def lane_of(mailing: Mailing, provider: str = "google") -> MailingLane:
    return MailingLane.objects.get(mailing=mailing, provider=provider)


def test_only_the_first_part_is_released_and_it_is_counted_as_untried(now: datetime, small_lists: None) -> None:
    mailing = mailing_to(200, now=now, first_part=True)
    lane = lane_of(mailing)
    assert 20 <= lane.canary <= 60 and lane.release_seq == lane.canary
    assert lane.canary + lane.held_back == lane.total == 200
    shown = progress_of(mailing).lanes[0]
    assert (shown.untried, shown.retrying, shown.waiting) == (200, 0, 200)
    assert sum(amount.fresh for amount in waiting(now=now, mailings=[mailing.pk]).values()) == 200
    assert in_line(now=now)[0]


def test_the_first_part_is_a_random_sample_and_another_one_in_every_mailing(now: datetime, small_lists: None) -> None:
    """The most engaged come first after it, not in it."""
    readers = newsletter()
    for number, person in enumerate(people(300, on=readers, domain="gmail.com")):
        if number < 100:
            person.last_engaged_at = now
            person.save(update_fields=["last_engaged_at"])
    first = []
    for key in ("campaign:1", "campaign:2"):
        mailing = pressed(now, readers, key=key, messages=[letter()], first_part=True)
        rows = Delivery.objects.filter(mailing_id=mailing.pk).order_by("seq")
        n = lane_of(mailing).canary
        chosen = set(rows.filter(seq__lte=n).values_list("address_key", flat=True))
        engaged = set(readers.subscriptions.filter(subscriber__last_engaged_at=now).values_list(
            "subscriber__address_key", flat=True))  # fmt: skip
        rest = list(rows.filter(seq__gt=n).values_list("address_key", flat=True))
        n_engaged = len(engaged - chosen)
        assert set(rest[:n_engaged]) == engaged - chosen
        assert 0.15 < len(chosen & engaged) / len(chosen) < 0.55
        first.append(chosen)
    assert len(first[0] & first[1]) < min(len(first[0]), len(first[1])) / 2


def test_small_lanes_and_other_mailings_have_no_first_part(now: datetime) -> None:
    assert lane_of(mailing_to(50, now=now, first_part=True)).held_back == 0


def test_the_rest_follows_when_the_answers_are_in(now: datetime, settings, small_lists: None) -> None:
    mailing = mailing_to(200, now=now, first_part=True)
    assert guard.watch(now=now + timedelta(days=1)) == 0  # nothing has left yet: no time runs
    run(mailing, now, settings, Script())
    n = lane_of(mailing).canary
    assert kinds(mailing) == {"accepted": n}

    assert guard.watch(now=now + timedelta(minutes=4)) == 0  # late bounces and complaints
    assert guard.watch(now=now + timedelta(minutes=6)) == 1
    assert guard.watch(now=now + timedelta(minutes=6)) == 0
    change = MailingChange.objects.get(mailing=mailing)
    assert (change.kind, change.provider, change.evidence["answered"]) == ("released", "google", n)
    run(mailing, now, settings, Script())
    assert kinds(mailing) == {"accepted": 200}


def test_without_answers_the_rest_waits_for_an_hour_and_no_longer(now: datetime, settings, small_lists: None) -> None:
    mailing = mailing_to(100, now=now, first_part=True)
    run(mailing, now, settings, Script(rcpt="450 4.2.0 Greylisted, please try again in 5 minutes"))
    assert guard.watch(now=now + timedelta(minutes=59)) == 0
    assert guard.watch(now=now + timedelta(minutes=61)) == 1
    assert lane_of(mailing).held_back == 0 and lane_of(mailing).release_seq == 100


def test_a_bad_list_never_gets_beyond_its_first_part(now: datetime, settings, small_lists: None, actor: User) -> None:
    mailing = mailing_to(200, now=now, first_part=True)
    run(mailing, now, settings, gone("gmail.com"))

    assert guard.watch(now=now + timedelta(hours=2)) == 1
    mailing.refresh_from_db()
    n = lane_of(mailing).canary
    assert mailing.state == "held"
    assert mailing.state_reason.startswith(
        f"Stopped early at all providers: {n} of {n} mailboxes do not exist (100 %; up to 2 % is let pass)."
    )
    assert lane_of(mailing).held_back == 200 - n
    assert guard.watch(now=now + timedelta(hours=3)) == 0

    assert not mailings.resume(now=now, mailing_id=mailing.pk)  # without a reason nobody goes on
    with pytest.raises(ValueError, match="Say why"):
        guard.resume(now=now, mailing_id=mailing.pk, lane="", actor=actor, reason=" ")
    assert guard.resume(now=now, mailing_id=mailing.pk, lane="", actor=actor, reason="Test list, we know")
    assert not guard.resume(now=now, mailing_id=mailing.pk, lane="", actor=actor, reason="Again")
    mailing.refresh_from_db()
    assert mailing.state == "running" and guard.stops_of(mailing.pk) == {}
    newest = MailingChange.objects.filter(mailing=mailing).first()
    assert newest is not None and (newest.kind, newest.actor, newest.reason) == ("resumed", actor, "Test list, we know")


def test_one_bad_provider_is_held_and_the_others_go_on(now: datetime, settings, actor: User) -> None:
    readers = newsletter()
    people(160, on=readers)
    mailing_to(0, now=now)
    mailing = pressed(now, readers, key="campaign:2", messages=[letter()])
    _point_all(settings)
    run(mailing, now, settings, gone("gmail.com"), size=20)

    assert guard.watch(now=now) == 1
    mailing.refresh_from_db()
    states = dict(mailing.lanes.values_list("provider", "state"))
    assert mailing.state == "running"
    assert states == {"google": "held", "microsoft": "open", "yahoo": "open", "gmx": "open"}
    stop = guard.stops_of(mailing.pk)["google"]
    assert stop.evidence == {"signal": "unknown", "bad": 40, "of": 40, "limit": 0.02, "false_stop": 0.001}
    assert guard.watch(now=now) == 0
    assert not mailings.resume_provider(now=now, mailing_id=mailing.pk, provider="google")

    assert guard.resume(now=now, mailing_id=mailing.pk, lane="google", actor=actor, reason="Gmail was ill")
    assert lane_of(mailing).state == "open"
    assert guard.watch(now=now) == 0  # the answers a person has seen stop nothing again


def test_a_held_lane_stops_its_connections_within_a_message(now: datetime, settings) -> None:
    mailing = mailing_to(10, now=now)

    def hold(receiver, _recipient) -> str:
        if len(receiver.dots) == 4:
            MailingLane.objects.filter(mailing=mailing).update(state="held")
        return "250 Ok"

    with receiving(Script(dot=hold)) as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now), now=now, connections=1) == []
    assert len(receiver.dots) == 4
    assert_books_balance(mailing)


def test_a_person_may_let_the_rest_go_with_a_reason(now: datetime, small_lists: None, actor: User) -> None:
    mailing = mailing_to(100, now=now, first_part=True)
    with pytest.raises(ValueError, match="Say why"):
        guard.let_rest_go(now=now, mailing_id=mailing.pk, lane="google", actor=actor, reason="")
    assert guard.let_rest_go(now=now, mailing_id=mailing.pk, lane="google", actor=actor, reason="It is breaking news")
    assert not guard.let_rest_go(now=now, mailing_id=mailing.pk, lane="google", actor=actor, reason="Twice")
    assert lane_of(mailing).release_seq == 100


def test_good_lists_tests_and_paused_campaigns_are_left_alone(now: datetime, settings) -> None:
    mailing = mailing_to(60, now=now)
    run(mailing, now, settings, Script(rcpt=lambda _, to: GONE if to.startswith("reader7@") else "250 Ok"))
    assert guard.watch(now=now) == 0
    mailing.refresh_from_db()
    assert mailing.state == "running"


def _point_all(settings) -> None:
    from reputation.models import RecipientDomain

    RecipientDomain.objects.update(mx=["127.0.0.1"], site="one site")
