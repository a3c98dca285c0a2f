"""The demo world in the database: a shop that may send, limits scaled to the demo's clock, readers, two letters."""

import json
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.contrib.auth.models import User
from django.utils import timezone

from audiences.models import MailingList, PersonField
from campaigns.content import save_letter
from campaigns.models import Campaign
from config.roles import Role
from config.team.members import join
from reputation import blocklists, budgets, dkim_keys, domains
from reputation.catalogue import catalogue
from reputation.models import Budget, RecipientDomain, SendingAddress, SendingDomain, Workspace
from sending.models import Pool, PoolRoute, Route

DOMAIN = "news.harbour-books.example"
RETURN_PATH = f"bounce.{DOMAIN}"
FEEDBACK = f"fbl@{RETURN_PATH}"
ADDRESS = "127.0.1.1"
EHLO_NAME = f"out1.{DOMAIN}"
FROM = f"hello@{DOMAIN}"
SIGN_IN = f"mara@{DOMAIN}"
NEWSLETTER = "Newsletter"
# The lane that small sites share.
TAIL = "tail"
# Limits are rates, so they grow with the demo's clock; connections and messages per connection are not.
SCALED = ("per_minute", "per_hour", "per_day")
UNSCALED = ("connections", "per_connection", "batch_size")

EARLIER_LETTER = """Dear {{ contact.first_name | default: "reader" }},

the boxes from the autumn book fair are unpacked. [See what came in](https://www.harbour-books.example/autumn).

Mara, Harbour Books
"""
LETTER = """Dear {{ contact.first_name | default: "reader" }},

the evenings are long again in {{ contact.city | default: "town" }}, and the shelf by the window is full.
Here are three books we could not put down.

## The lighthouse keeper's daughter

A storm, a letter, and a promise kept for thirty years. [Read the first chapter](https://www.harbour-books.example/books/lighthouse?ref=winter)

## A short history of salt

How one grain moved empires. [Why we love it](https://www.harbour-books.example/books/salt)

## Nine winters

Poems for the dark months. [Listen to two of them](https://www.harbour-books.example/books/nine-winters)

Come by for tea on Saturday, or [order from home](https://www.harbour-books.example/winter-list).

Mara, Harbour Books
"""


@dataclass(frozen=True)
class Lab:
    """Where the lab answers."""

    control: str
    inbound_host: str
    inbound_port: int

    def put_record(self, name: str, type: str, *values: str) -> None:
        self._call("PUT", "/dns/records", [{"name": name, "type": type, "values": list(values)}])

    def _call(self, method: str, path: str, body: object) -> object:
        # The lab's own address on this machine.
        request = urllib.request.Request(  # noqa: S310
            self.control + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return json.load(response)


def build(*, now: datetime, lab: Lab, factor: float) -> Pool:
    """Everything a campaign needs before it has people and words. Harmless to repeat."""
    _workspace()
    _colleague()
    _fields_and_list()
    route = _route()
    domain = _sending_domain(now)
    _publish(lab, domain)
    domains.check_domain(now=now, domain_id=domain.pk)
    domains.check_address(now=now, address_id=SendingAddress.objects.get(ip=ADDRESS).pk)
    _limits(now, domain, factor)
    pool, _ = Pool.objects.get_or_create(name="Harbour")
    PoolRoute.objects.get_or_create(pool=pool, route=route)
    return pool


def _workspace() -> None:
    Workspace.objects.update_or_create(
        pk=1,
        defaults={
            "name": "Harbour Books",
            "postal_address": "ul. Nadbrzeżna 4, 80-001 Gdańsk, Poland",
            "time_zone": "Europe/Warsaw",
            "undo_seconds": 2,
            "reply_forward_to": f"mara@{DOMAIN}",
        },
    )


def _colleague() -> None:
    if not User.objects.filter(username=SIGN_IN).exists():
        mara = User.objects.create_user(SIGN_IN, SIGN_IN, "demo", first_name="Mara")
        join(now=timezone.now(), user=mara, role=Role.ADMIN, by=None)  # clock: entry


def _fields_and_list() -> None:
    for key, label, example in (
        ("first_name", "First name", "Ada"),
        ("last_name", "Last name", "Nowak"),
        ("city", "City", "Gdańsk"),
    ):
        PersonField.objects.get_or_create(key=key, defaults={"label": label, "example": example})
    MailingList.objects.get_or_create(
        name=NEWSLETTER,
        defaults={
            "public_name": "the Harbour Books newsletter",
            "description": "New books, once a week.",
            "opt_in": MailingList.OptIn.DOUBLE,
            "wording": "Send me new books once a week. I can stop it at any time.",
        },
    )


def _route() -> Route:
    address, _ = SendingAddress.objects.get_or_create(ip=ADDRESS, defaults={"ehlo_name": EHLO_NAME})
    route, _ = Route.objects.get_or_create(
        name="Harbour, direct", defaults={"kind": Route.Kind.DIRECT, "address": address}
    )
    return route


def _sending_domain(now: datetime) -> SendingDomain:
    domain, _ = SendingDomain.objects.get_or_create(name=DOMAIN, defaults={"return_path_host": RETURN_PATH})
    if not domain.keys.exists():
        dkim_keys.activate(key=dkim_keys.make(now=now, domain=domain))
    return domain


def _publish(lab: Lab, domain: SendingDomain) -> None:
    """What the shop's DNS people would do with the records that the domain's page shows."""
    for record in domains.records_to_publish(domain=domain, addresses=[ADDRESS]):
        lab.put_record(record.name, record.type, record.value)
    lab.put_record(EHLO_NAME, "A", ADDRESS)
    for row in blocklists.known().values():
        code = next(iter(row.codes), f"127.0.0.{next(iter(row.bits), 2)}")
        for kind in row.kinds:
            lab.put_record(row.question(row.tests[kind][0]), "A", code)


def _limits(now: datetime, domain: SendingDomain, factor: float) -> None:
    """The catalogue's warm limits for our address and our domain, rates times the demo's factor."""
    for key in (*catalogue().providers, TAIL):
        warm = catalogue().get(key).warm
        for kind, scope in ((Budget.Kind.IP, ADDRESS), (Budget.Kind.DKIM_DOMAIN, domain.name)):
            budget = budgets.budgets_for(now=now, kind_scopes=[(kind, scope)], provider=key)[0]
            scaled = {name: round(getattr(warm, name) * factor) for name in SCALED if getattr(warm, name) is not None}
            kept = {name: getattr(warm, name) for name in UNSCALED if getattr(warm, name) is not None}
            # A pause of two seconds would be a tenth of one here: less than what a new connection takes anyway.
            wanted = {**scaled, **kept, "batch_pause": 0.0}
            if any(getattr(budget, name) != value for name, value in wanted.items()):
                budgets.edit(now=now, budget=budget, actor=None, reason="Limits of the demo's clock", **wanted)


def limit_sites(*, now: datetime, factor: float) -> None:
    """The same for single recipient domains behind gateways and small hosters, as soon as they are known."""
    for row in RecipientDomain.objects.filter(state=RecipientDomain.State.OK).order_by("domain"):
        site = catalogue().get(row.provider).site_warm
        if site.per_hour is None:
            continue
        (budget,) = budgets.budgets_for(
            now=now, kind_scopes=[(Budget.Kind.RECIPIENT_DOMAIN, row.domain)], provider=row.provider
        )
        wanted = round(site.per_hour * factor)
        if budget.per_hour != wanted:
            budgets.edit(now=now, budget=budget, actor=None, reason="Limits of the demo's clock", per_hour=wanted)


def campaign(*, now: datetime, pool: Pool, name: str, subject: str, letter: str) -> Campaign:
    """A finished draft to everybody on the newsletter."""
    made = Campaign.objects.create(
        name=name,
        sending_domain=SendingDomain.objects.get(name=DOMAIN),
        from_name="Mara at Harbour Books",
        from_address=FROM,
        reply_to=FROM,
        pool=pool,
    )
    made.included_lists.set(MailingList.objects.filter(name=NEWSLETTER))
    save_letter(
        now=now,
        campaign_id=made.pk,
        based_on=0,
        subject=subject,
        preheader="Three books for long evenings",
        letter=letter,
        by=User.objects.get(username=SIGN_IN),
    )
    made.refresh_from_db()
    return made


def lab_settings(
    *, ledger: Path, inbound_port: int, factor: float, ready_file: Path, hosters: int
) -> dict[str, object]:
    """What the lab is started with: free ports, our address with a name, reports to our listener."""
    return {
        "ledger": str(ledger),
        "smtp_port": 0,
        "dns_port": 0,
        "control_port": 0,
        "time_factor": factor,
        "hosters": hosters,
        "clients": {ADDRESS: EHLO_NAME},
        "reports_host": "127.0.0.1",
        "reports_port": inbound_port,
        "feedback_address": FEEDBACK,
        "ready_file": str(ready_file),
        # Full and unknown mailboxes are among the people already, by name.
        "personas": {"*": {"full_share": 0.0, "unknown_share": 0.0, "inactive_share": 0.0}},
    }
