"""The cast of the tests: a shop with one domain, one address, one list, and people at several providers."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from audiences.models import MailingList, Subscriber, Subscription
from reputation.models import RecipientDomain, SendingAddress, SendingDomain, Workspace
from sending.models import Delivery, Mailing, Pool, PoolRoute, Route
from sending.press import Audience, NewMailing, press

NAMESPACE = UUID("6f9619ff-8b86-d011-b42d-00cf4fc964ff")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
# One mail domain for each provider people usually have.
DOMAINS = {
    "gmail.com": "google",
    "hotmail.com": "microsoft",
    "yahoo.com": "yahoo",
    "gmx.de": "gmx",
}


def key_for(email: str) -> UUID:
    """A stand-in for the keyed hash where a test needs no pepper."""
    return uuid5(NAMESPACE, email)


def shop() -> Workspace:
    workspace, _ = Workspace.objects.get_or_create(
        pk=1,
        defaults={
            "name": "Harbour Books",
            "postal_address": "ul. Nadbrzeżna 4, 80-001 Gdańsk",
            "time_zone": "Europe/Warsaw",
        },
    )
    return workspace


def verified_domain(name: str = "news.harbour.example") -> SendingDomain:
    domain, _ = SendingDomain.objects.get_or_create(
        name=name,
        defaults={
            "return_path_host": f"bounce.{name}",
            "state": SendingDomain.State.VERIFIED,
            "verified_at": EPOCH,
            "last_pass_at": EPOCH,
        },
    )
    return domain


def direct_route(ip: str = "127.0.1.1") -> Route:
    address, _ = SendingAddress.objects.get_or_create(ip=ip, defaults={"ehlo_name": "out1.news.harbour.example"})
    route, _ = Route.objects.get_or_create(name=f"from {ip}", defaults={"kind": Route.Kind.DIRECT, "address": address})
    return route


def pool_of(*routes: Route) -> Pool:
    pool, _ = Pool.objects.get_or_create(name="+".join(route.name for route in routes))
    for position, route in enumerate(routes, 1):
        PoolRoute.objects.get_or_create(pool=pool, route=route, defaults={"position": position})
    return pool


def newsletter(name: str = "Newsletter", **fields: Any) -> MailingList:
    found, _ = MailingList.objects.get_or_create(
        name=name, defaults={"public_name": name, "opt_in": "single", **fields}
    )
    return found


def domains_known() -> None:
    for domain, provider in DOMAINS.items():
        RecipientDomain.objects.get_or_create(
            domain=domain,
            defaults={
                "provider": provider,
                "site": provider,
                "mx": [f"mx.{domain}"],
                "state": RecipientDomain.State.OK,
                "checked_at": EPOCH,
                "expires_at": EPOCH + timedelta(days=3650),
            },
        )


def people(
    n: int,
    on: MailingList | None = None,
    domain: str | None = None,
    prefix: str = "reader",
) -> list[Subscriber]:
    """`n` people, spread over the known mail domains unless one is named, subscribed to `on`."""
    domains_known()
    names = list(DOMAINS)
    made = []
    for number in range(n):
        at = domain or names[number % len(names)]
        email = f"{prefix}{number}@{at}"
        made.append(
            Subscriber(
                email=email,
                address_key=key_for(email),
                domain=at,
                fields={"first_name": f"Ada{number}"},
            )
        )
    made = Subscriber.objects.bulk_create(made)
    if on is not None:
        Subscription.objects.bulk_create(
            Subscription(
                subscriber=person,
                list=on,
                state=Subscription.State.SUBSCRIBED,
                since=EPOCH,
            )
            for person in made
        )
    return made


ON_THE_LIST = """
    SELECT s.id AS subscriber_id, s.address_key, s.domain, u.list_id AS via_list, s.last_engaged_at AS engaged_at,
           NULL::varchar AS to_address,
           CASE WHEN u.state = 'unsubscribed' THEN 'unsubscribed' END AS reason
    FROM audiences_subscription u JOIN audiences_subscriber s ON s.id = u.subscriber_id WHERE u.list_id = %(list)s
"""


def pressed(now: datetime, mailing_list: MailingList, key: str = "campaign:1", **changes: Any) -> Mailing:
    """A mailing to everybody on the list, from one direct route; `changes` go into NewMailing."""
    shop()
    defaults: dict[str, Any] = {
        "name": "Winter reading list",
        "launch_key": key,
        "pool_id": pool_of(direct_route()).pk,
        "sending_domain_id": verified_domain().pk,
        "from_address": "hello@news.harbour.example",
        "stream": "marketing",
        "scopes": ["*", "stream:marketing"],
        "included_lists": [mailing_list.pk],
    }
    messages = changes.pop("messages", [{"v": 0}])
    return press(
        now=now,
        new=NewMailing(**{**defaults, **changes}),
        messages=messages,
        audience=Audience(ON_THE_LIST, {"list": mailing_list.pk}),
    )


def deliveries(mailing: Mailing) -> list[Delivery]:
    return list(Delivery.objects.filter(mailing_id=mailing.pk).order_by("id"))
