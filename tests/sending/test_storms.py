"""A receiver that refuses everybody with "no such mailbox": nobody is suppressed until somebody decides."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User

from audiences.models import SoftFailure, Suppression
from reputation import budgets
from reputation.models import DayTally, MailboxVerdict, RecipientDomain, Storm
from sending import storms, sweeping
from sending.models import Mailing
from tests.cast import EPOCH
from tests.sending.engine import assert_books_balance, cut, kinds, mailing_to, send
from tests.sending.scripted_receiver import Script, receiving

pytestmark = pytest.mark.usefixtures("engine")

UNKNOWN = "550 5.1.1 The email account that you tried to reach does not exist"


def refusing(which: Callable[[int], bool]) -> Script:
    """The n-th reader is unknown where `which(n)`."""
    return Script(
        rcpt=lambda _, recipient: (
            UNKNOWN if which(int(recipient.partition("@")[0].removeprefix("reader"))) else "250 Ok"
        )
    )


@pytest.fixture
def deliver(settings):
    def run(mailing: Mailing, script: Script, *, now: datetime, size: int = 40) -> None:
        with receiving(script) as receiver:
            settings.SMTP_PORT = receiver.port
            assert send(cut(mailing, now=now, size=size), now=now, connections=1) == []
        assert_books_balance(mailing)

    return run


def states() -> dict[str, int]:
    found = MailboxVerdict.objects.values_list("state", flat=True)
    return {state: list(found).count(state) for state in set(found)}


def test_a_storm_suppresses_nobody_not_even_those_before_it_was_seen(now: datetime, deliver) -> None:
    mailing = mailing_to(120, now=now, domain="gmail.com")
    deliver(mailing, refusing(lambda n: n % 2 == 0), now=now)

    assert kinds(mailing) == {"accepted": 60, "bounced_hard": 60}
    assert not Suppression.objects.exists() and not SoftFailure.objects.exists()
    storm = Storm.objects.get()
    assert (storm.provider, storm.domain, storm.state) == ("google", "", "open")
    assert storm.until == storm.began_at + timedelta(hours=24)
    assert "were said not to exist within 15 minutes" in storm.why
    assert states() == {"held": 60}


def test_few_unknown_mailboxes_are_suppressed_at_once_as_ever(now: datetime, deliver) -> None:
    mailing = mailing_to(120, now=now, domain="gmail.com")
    deliver(mailing, refusing(lambda n: n < 15), now=now)
    assert Suppression.objects.filter(reason="bounced").count() == 15
    assert not Storm.objects.exists()
    assert states() == {"suppressed": 15}


def test_far_more_than_usual_is_a_storm_before_there_are_fifty(now: datetime, deliver) -> None:
    mailing = mailing_to(120, now=now, domain="gmail.com")
    [budget] = budgets.budgets_for(now=now, kind_scopes=[("ip", "127.0.1.1")], provider="google")
    DayTally.objects.create(
        budget=budget, day=(now - timedelta(days=3)).date(), sent=20_000, unknown_users=100, accepted=19_900
    )
    deliver(mailing, refusing(lambda n: n < 25), now=now)
    assert "where 0.5% is usual over 30 days" in Storm.objects.get().why
    assert not Suppression.objects.exists()
    assert states() == {"held": 25}


def test_what_was_suppressed_for_another_reason_stays_suppressed(now: datetime) -> None:
    mailing = mailing_to(60, now=now, domain="gmail.com")
    rows = list(mailing_rows(mailing))
    gone = [storms.Gone(key, "gmail.com", mailing.pk, "test", {"reply": UNKNOWN}) for key in rows]
    Suppression.objects.create(address_key=rows[0], scope="*", reason="complained", source="x", created_at=now)
    Suppression.objects.create(address_key=rows[1], scope="*", reason="bounced", source="long ago", created_at=EPOCH)
    assert storms.take(now=now, provider="google", gone=gone) == 60
    assert sorted(Suppression.objects.values_list("reason", flat=True)) == ["bounced", "complained"]


def mailing_rows(mailing: Mailing):
    from sending.models import Delivery

    return Delivery.objects.filter(mailing_id=mailing.pk).order_by("id").values_list("address_key", flat=True)


def test_one_company_behind_a_gateway_that_refuses_everybody_is_a_storm_of_its_own(now: datetime) -> None:
    times = {"checked_at": EPOCH, "expires_at": EPOCH + timedelta(days=3650), "state": "ok", "mx": ["127.0.0.1"]}
    RecipientDomain.objects.create(domain="shop.example", provider="m365", site="shop", **times)
    mailing = mailing_to(60, now=now, domain="shop.example")
    gone = [storms.Gone(key, "shop.example", mailing.pk, "test", {}) for key in mailing_rows(mailing)]
    assert storms.take(now=now, provider="m365", gone=gone, answered=100_000) == 60
    storm = Storm.objects.get()
    assert (storm.provider, storm.domain) == ("m365", "shop.example")
    another = [storms.Gone(next(iter(mailing_rows(mailing))), "other.example", mailing.pk, "test", {})]
    assert storms.take(now=now, provider="m365", gone=another, answered=100_000) == 0


@pytest.mark.parametrize(
    ("believed", "suppressed", "soft", "state"), [(True, 60, 0, "suppressed"), (False, 0, 60, "dismissed")]
)
def test_a_person_decides_once(now: datetime, deliver, believed: bool, suppressed: int, soft: int, state: str) -> None:
    actor = User.objects.create_user("mara", password="x")
    deliver(mailing_to(120, now=now, domain="gmail.com"), refusing(lambda n: n % 2 == 0), now=now)
    storm = Storm.objects.get()
    assert storms.decide(now=now, storm=storm, believed=believed, actor=actor, reason="I asked them")
    assert (Suppression.objects.count(), SoftFailure.objects.count()) == (suppressed, soft)
    assert states() == {state: 60}
    assert (storm.decided_by, storm.decision, storm.decided_at) == (actor, "I asked them", now)
    assert not storms.decide(now=now, storm=storm, believed=not believed, actor=actor, reason="again")
    assert Suppression.objects.count() == suppressed


def test_a_day_later_it_is_dismissed_and_old_verdicts_are_forgotten(now: datetime, deliver) -> None:
    deliver(mailing_to(120, now=now, domain="gmail.com"), refusing(lambda n: n % 2 == 0), now=now)
    sweeping.sweep(now=now + timedelta(hours=23))
    assert Storm.objects.get().state == "open"
    sweeping.sweep(now=now + timedelta(hours=25))
    storm = Storm.objects.get()
    assert (storm.state, storm.decided_by) == ("dismissed", None)
    assert SoftFailure.objects.count() == 60 and not Suppression.objects.exists()
    storms.time_out(now=now + timedelta(days=32))
    assert not MailboxVerdict.objects.exists()


def test_while_it_is_open_more_are_held_and_other_providers_are_untouched(now: datetime, deliver) -> None:
    deliver(mailing_to(120, now=now, domain="gmail.com"), refusing(lambda n: n % 2 == 0), now=now)
    key = MailboxVerdict.objects.all()[0].address_key
    one = storms.Gone(key, "gmail.com", 1, "bounce report", {"reply": f"{UNKNOWN} jane@gmail.com"})
    hour = now + timedelta(hours=1)
    assert storms.take(now=hour, provider="google", gone=[one], late=True) == 1
    assert "jane" not in str(MailboxVerdict.objects.latest("id").evidence)
    assert storms.take(now=hour, provider="yahoo", gone=[one], late=True) == 0
    assert Suppression.objects.count() == 1
