"""What the tests of campaigns share: a shop that may send, with a letter and readers."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from audiences.models import PersonField
from campaigns.content import save_letter
from campaigns.models import Campaign
from config.roles import Role
from config.team.members import join
from reputation.models import Finding
from tests.cast import EPOCH, direct_route, newsletter, people, pool_of, shop, verified_domain
from tests.sending.engine import sign_with_a_key

LETTER = """Dear {{ contact.first_name | default: "reader" }},

the boxes from the autumn book fair are unpacked, and the shelf by the window is full again.

[See what came in](https://www.harbour.example/autumn)

Mara, Harbour Books
"""


def colleague(name: str = "mara", **fields: Any) -> User:
    user, created = User.objects.get_or_create(username=name, defaults={"email": f"{name}@gmail.com", **fields})
    if created:
        join(now=EPOCH, user=user, role=Role.MARKETER, by=None)
    return user


def ready_campaign(now: datetime, *, readers: int = 12, name: str = "Winter reading list", **fields: Any) -> Campaign:
    """A draft that nothing stops: verified domain, key, route with a reverse name, postal address, list, letter."""
    shop()
    sign_with_a_key(now)
    route = direct_route()
    Finding.objects.get_or_create(
        address=route.address, check_name="ptr", defaults={"result": Finding.Result.PASS, "checked_at": now}
    )
    PersonField.objects.get_or_create(key="first_name", defaults={"label": "First name"})
    on = newsletter()
    if not on.subscriptions.exists():
        people(readers, on=on)
    campaign = Campaign.objects.create(
        **{
            "name": name,
            "sending_domain": verified_domain(),
            "pool": pool_of(route),
            "from_name": "Mara at Harbour Books",
            "from_address": "hello@news.harbour.example",
            **fields,
        }
    )
    campaign.included_lists.set([on])
    write(now, campaign)
    return campaign


def write(now: datetime, campaign: Campaign, **changes: Any) -> None:
    """Save a letter as the next revision."""
    words: dict[str, Any] = {
        "subject": "Long evenings, good books",
        "preheader": "Three books for long evenings",
        "letter": LETTER,
        **changes,
    }
    save_letter(now=now, campaign_id=campaign.pk, based_on=campaign.rev, by=None, **words)
    campaign.refresh_from_db()
