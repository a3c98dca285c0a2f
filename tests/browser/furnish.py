"""What stands on the site whose every page is looked at: one of each thing, in each state with a face of its own."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.conf import settings
from django.contrib.auth.models import User

from audiences.models import PersonField
from campaigns.models import Campaign
from config.roles import Role
from tests.campaigns.test_pages_report import sent_campaign, visited
from tests.campaigns.world import ready_campaign, write
from tests.cast import deliveries, direct_route, newsletter, pool_of, shop
from tests.outside_reports import dmarc
from tests.visitors import member

ADMIN, PASSWORD = "mara", "a long pass phrase"
MJML = """<mjml><mj-body><mj-section><mj-column>
<mj-text>Dear {{ contact.first_name | default: "reader" }}, the shelf is full again.</mj-text>
<mj-button href="https://www.harbour.example/autumn">See what came in</mj-button>
</mj-column></mj-section></mj-body></mjml>
"""


def bare(now: datetime) -> dict[str, Any]:
    """A workspace, its admin, and nothing else."""
    from config.team import inviting

    shop()
    admin = member(ADMIN, Role.ADMIN, PASSWORD)
    secret = inviting.invite(now=now, email="ines@harbour.example", role=Role.MARKETER, by=admin)
    return {"login": admin.email, "password": PASSWORD, "secret": secret}


def full(now: datetime) -> dict[str, Any]:
    """One of everything; the names under which pages find them."""
    member("vera", Role.VIEWER, PASSWORD)
    sent = sent_campaign(now - timedelta(days=3))
    visited(sent, now - timedelta(days=2))
    assert sent.mailing
    first = deliveries(sent.mailing)[8]
    return {
        "sent": sent.pk,
        "mailing_id": sent.mailing_id,
        "delivery_id": first.id,
        "person_id": first.subscriber_id,
        "list_id": newsletter().pk,
        "field_id": PersonField.objects.earliest("pk").pk,
        "totp": _second_factor(member("ola", Role.ADMIN, PASSWORD)),
        **_campaigns(now),
        **_people(now),
        **_reputation(now),
        **_doors(now, first),
    }


def _second_factor(user: User) -> str:
    """The secret that an authenticator app would hold."""
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    secret: str = generate_totp_secret()
    TOTP.activate(user, secret)
    RecoveryCodes.activate(user)
    return secret


def code_of(secret: str) -> str:
    """What an authenticator app shows now."""
    code: str = format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
    return code


def _campaigns(now: datetime) -> dict[str, Any]:
    from campaigns import schedule
    from campaigns.trial import send_test

    draft = ready_campaign(now, name="Spring reading list")
    write(
        now,
        draft,
        letter="Dear {{ contact.first_nam }},\n\n[click here](http://localhost/x)\n\n![](https://x.example/a.png)",
    )
    code = ready_campaign(now, name="Written as MJML")
    write(now, code, kind="mjml", letter=MJML)
    later = ready_campaign(now, name="Next week")
    schedule.schedule(
        now=now, campaign_id=later.pk, by=User.objects.get(username=ADMIN), zone="Europe/Warsaw",
        wall_time=f"{now + timedelta(days=7):%Y-%m-%d} 09:00",
    )  # fmt: skip
    Campaign.objects.filter(pk=later.pk).update(undo_until=now + timedelta(hours=1))
    trial = send_test(
        now=now, campaign_id=code.pk, addresses=["mara@gmail.com"], as_subscriber_id=None,
        by=User.objects.get(username=ADMIN), request_key="a" * 32,
    )  # fmt: skip
    return {
        "draft": draft.pk, "code": code.pk, "later": later.pk, "trial": trial.pk,
        "unwritten": Campaign.objects.create(name="Only a name").pk,
        "ab": _with_ab_test(now, "Two subjects").pk, "testing": _tested(now).pk,
        "local": _at_their_hours(now).pk, "running": _running(now, "On its way").pk, "stopped": _stopped_early(now).pk,
    }  # fmt: skip


def _running(now: datetime, name: str) -> Campaign:
    from campaigns.launch import launch

    campaign = ready_campaign(now, name=name)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    assert launch(now=now, campaign_id=campaign.pk)
    campaign.refresh_from_db()
    return campaign


def _at_their_hours(now: datetime) -> Campaign:
    """Under way in Warsaw; those in New York wait for the same time there."""
    from audiences.models import Subscriber
    from campaigns.launch import launch

    campaign = ready_campaign(now, name="At nine where you live")
    for person in Subscriber.objects.order_by("pk")[:8]:
        Subscriber.objects.filter(pk=person.pk).update(fields=person.fields | {"time_zone": "America/New_York"})
    wall = f"{now.astimezone(ZoneInfo('Europe/Warsaw')):%Y-%m-%dT%H:%M}"
    Campaign.objects.filter(pk=campaign.pk).update(
        state="scheduled", scheduled_for=now, undo_until=now, local_time=True, wall_time=wall, zone="Europe/Warsaw"
    )
    assert launch(now=now, campaign_id=campaign.pk)
    campaign.refresh_from_db()
    return campaign


def _with_ab_test(now: datetime, name: str) -> Campaign:
    from campaigns import content
    from campaigns.pure.variants import AbTest, Variant
    from sending.pure.split import By, Split

    campaign = ready_campaign(now, name=name)
    campaign.refresh_from_db()
    words = content.current(campaign).letter.replace("unpacked", "here at last")
    others = (
        Variant(subject="Sit by the window with one of these", letter=words),
        Variant(from_name="Mara", preheader="For tea"),
    )
    ab_test = AbTest(others, Split(50, By.CLICKS, timedelta(hours=4)))
    content.set_ab_test(now=now, campaign_id=campaign.pk, based_on=campaign.rev, ab_test=ab_test, by=None)
    return campaign


def _tested(now: datetime) -> Campaign:
    """Under way, its winner not chosen yet; a few have clicked."""
    from campaigns.launch import launch
    from sending.models import Event, Outcome

    campaign = _with_ab_test(now, "Which subject?")
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    mailing = launch(now=now, campaign_id=campaign.pk)
    assert mailing
    for row in (row for row in deliveries(mailing) if row.variant >= 0):
        Outcome.objects.create(
            mailing_id=mailing.pk, delivery=row.id, attempt=1, kind="accepted", provider=row.provider, at=now
        )
        if row.variant == 1:
            Event.objects.create(mailing=mailing, delivery=row.id, kind="clicked", at=now)
    campaign.refresh_from_db()
    return campaign


def _stopped_early(now: datetime) -> Campaign:
    """By the guard, at one provider."""
    from sending import guard
    from sending.models import MailingCount, MailingLane

    campaign = _running(now, "Old addresses")
    assert campaign.mailing
    MailingLane.objects.filter(mailing=campaign.mailing, provider="google").update(total=8_000)
    for kind, n in (("accepted", 40), ("bounced_hard", 60)):
        MailingCount.objects.create(mailing=campaign.mailing, provider="google", kind=kind, n=n)
    guard.watch(now=now)
    return campaign


def _people(now: datetime) -> dict[str, Any]:
    from audiences import import_files, imports
    from audiences.models import Suppression
    from audiences.suppress import import_suppressed

    lines = b"E-mail,First name,City\nada@gmail.com,Ada,Oslo\nnot an address,Nobody,\nada@gmail.com,Ada,Oslo\n"
    waiting = import_files.receive(chunks=[lines], file_name="fair.csv", list_id=newsletter().pk)
    done = import_files.receive(chunks=[lines], file_name="shop.csv", list_id=newsletter().pk)
    imports.start(upload_id=done.pk)
    imports.run_import(now=now, upload_id=done.pk)
    import_suppressed(now=now, addresses=["reader0@gmail.com"], reason="manual", source="by hand")
    return {"waiting": waiting.pk, "done": done.pk, "suppression_id": Suppression.objects.latest("pk").pk}


def _reputation(now: datetime) -> dict[str, Any]:
    from reputation import budgets, handing_on, plans, taking_reports, warmup
    from reputation.add_domain import add_domain
    from reputation.models import MailboxVerdict, Storm, UnreadReply
    from reputation.workspace import zone
    from sending.decisions import Words, meet
    from sending.models import Route

    fresh = add_domain(now=now, name="letters.harbour.example", return_path_host="bounce.letters.harbour.example")
    route = direct_route()
    assert route.address
    plan = plans.make(name="Winter", preset="standard")
    [budget] = budgets.budgets_for(now=now, kind_scopes=[("ip", route.address.ip)], provider="google")
    warmup.start(now=now, zone=zone(), plan=plan, kind="ip", scope=route.address.ip, day=3)
    meet(
        now=now,
        words=Words("google", 550, "", "The harbour is closed to <address>"),
        sample="550 The harbour is closed",
        phase="rcpt",
    )
    storm = Storm.objects.create(
        provider="google", began_at=now, until=now + timedelta(days=1), why="60 of 120 within 15 minutes."
    )
    MailboxVerdict.objects.create(
        provider="google", domain="gmail.com", address_key="0" * 32, mailing_ref=1, at=now, source="mailing 1",
        state="held", storm=storm,
    )  # fmt: skip
    report = taking_reports.take(now=now, data=dmarc(begins=now - timedelta(days=1)), source="upload").report
    assert report
    relay = Route.objects.create(name="Office relay", kind=Route.Kind.RELAY, host="127.0.0.1", port=2525)
    return {
        "domain_id": fresh.pk, "address_id": route.address.pk, "route_id": route.pk, "relayed": relay.pk,
        "pool_id": pool_of(route).pk, "plan_id": plan.pk, "budget_id": budget.pk, "scope": route.address.ip,
        "reply_id": UnreadReply.objects.latest("pk").pk, "storm_id": storm.pk,
        "report": report.pk, "records": handing_on.link_token(fresh.pk),
    }  # fmt: skip


def _doors(now: datetime, row: Any) -> dict[str, Any]:
    from sending.pure import tokens

    asked: dict[str, tokens.Payload] = {
        "unsubscribe": tokens.Unsubscribe(row.subscriber_id, row.mailing_id, row.id, (newsletter().pk,)),
        "preferences": tokens.Preferences(row.subscriber_id),
        "privacy": tokens.Privacy(row.subscriber_id),
        "confirm": tokens.Confirm(row.subscriber_id, newsletter().pk, int(now.timestamp())),
        "web": tokens.Web(row.mailing_id, row.id),
    }
    return {f"door_{name}": tokens.make(name, it, keys=settings.TOKEN_KEYS, key_id=1) for name, it in asked.items()}
