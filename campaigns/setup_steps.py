"""What has to be there before the first campaign can leave, and whether it is."""

from dataclasses import dataclass
from datetime import datetime

from audiences.models import Subscription
from campaigns.models import Campaign
from reputation.domains import may_send
from reputation.models import SendingDomain
from reputation.workspace import workspace
from sending.models import Mailing, OutcomeKind, PoolRoute
from words import gettext as _


@dataclass(frozen=True, slots=True)
class Step:
    """`page` is the URL name that leads to where it is done; `say` says what is there, or what it is for."""

    done: bool
    words: str
    say: str
    page: str


def setup_steps(*, now: datetime) -> list[Step]:
    """In the order that makes sense; each ticks itself, wherever it was done. Seven short queries."""
    return [_address(), _domain(now), _route(), _people(), _test(), _campaign()]


def _address() -> Step:
    owner = workspace()
    done = bool(owner.postal_address.strip())
    say = f"{owner.name}, {owner.time_zone}" if done else _("The law wants your postal address in every letter.")
    return Step(done, _("Say who you are"), say, "settings")


def _domain(now: datetime) -> Step:
    for domain in SendingDomain.objects.order_by("pk"):
        if may_send(now=now, domain=domain)[0]:
            return Step(True, _("Verify a sending domain"), domain.name, "domains")
    return Step(
        False, _("Verify a sending domain"), _("A few DNS records prove that the letters are yours."), "domains"
    )


def _route() -> Step:
    member = PoolRoute.objects.filter(route__active=True).select_related("route").order_by("pk").first()
    say = member.route.name if member else _("Straight from an address of yours, through a relay, or a provider.")
    return Step(member is not None, _("Choose a way out"), say, "routes")


def _people() -> Step:
    real = Subscription.objects.filter(state=Subscription.State.SUBSCRIBED, list__is_sample=False)
    there = real.exists()
    say = (
        _("There are people who want your letters.") if there else _("Import those who agreed, or add them one by one.")
    )
    return Step(there, _("Bring your people"), say, "people")


def _test() -> Step:
    tested = Mailing.objects.filter(is_test=True, counts__kind=OutcomeKind.ACCEPTED, counts__n__gt=0).exists()
    say = _("It was accepted.") if tested else _("From any campaign: “Send a test”.")
    return Step(tested, _("Send a test to yourself"), say, "campaigns")


def _campaign() -> Step:
    sent = Campaign.objects.filter(state=Campaign.State.LAUNCHED).exists()
    return Step(
        sent,
        _("Send the first campaign"),
        _("Done.") if sent else _("You can undo it while it counts down."),
        "campaigns",
    )
