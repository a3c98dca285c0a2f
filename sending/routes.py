"""Routes and pools as admins make them. Secrets go in, sealed; nothing here brings one out."""

from collections.abc import Mapping, Sequence

from django.conf import settings as installation
from django.db import transaction

from reputation import sealed
from reputation.models import Budget
from sending.capacity import account
from sending.esp.settings import set_settings, set_webhook_secret, settings_of
from sending.models import Pool, PoolRoute, Route
from sending.relay import secret_of


def save_relay(*, route: Route, password: str) -> Route:
    """A relay with its log-in. An empty password keeps the one there is; without a user name there is none."""
    with transaction.atomic():
        _write(route, Route.Kind.RELAY, "host", "port", "security", "username")
        if not route.username:
            route.password_sealed = None
        elif password:
            route.password_sealed = sealed.seal(password, about=secret_of(route))
        route.save(update_fields=["password_sealed"])
    return route


def save_direct(*, route: Route) -> Route:
    """A route from one of our addresses: only the machine that has the address can use it."""
    if route.address is not None:
        route.egress_host = route.address.egress_host
    _write(route, Route.Kind.DIRECT, "address", "egress_host")
    return route


def save_esp(*, route: Route, settings: Mapping[str, str], webhook_secret: str) -> Route:
    """A provider's account; what is not given stays as it is. Raises BadSettings, and then saves nothing."""
    kept = settings_of(route).values if route.settings_sealed else {}
    with transaction.atomic():
        _write(route, Route.Kind.ESP, "esp")
        set_settings(route, {**kept, **settings, "backend": route.esp})
        if webhook_secret:
            set_webhook_secret(route, webhook_secret)
    return route


def _write(route: Route, kind: str, *fields: str) -> None:
    """Of a route that exists, only what its form holds: somebody may be draining it at this moment."""
    route.kind = kind
    if route.pk is None:
        if kind != Route.Kind.DIRECT:
            # Any machine can reach a relay: the one that is here has a worker.
            route.egress_host = installation.EGRESS_HOST
        route.save()
    else:
        route.save(update_fields=["name", *fields])


def drain(*, route_id: int) -> bool:
    """Give it nothing new; batches under way end by themselves. False when it was drained already."""
    return Route.objects.filter(pk=route_id, active=True).update(active=False) == 1


def activate(*, route_id: int) -> bool:
    """Take it back into use. False when it was in use."""
    return Route.objects.filter(pk=route_id, active=False).update(active=True) == 1


def save_pool(*, pool: Pool, route_ids: Sequence[int]) -> Pool:
    """A pool with its routes in this order."""
    with transaction.atomic():
        if pool.pk is None:
            pool.save()
        else:
            pool.save(update_fields=["name", "overflow"])
        Pool.objects.select_for_update(no_key=True).get(pk=pool.pk)
        pool.members.all().delete()
        PoolRoute.objects.bulk_create(
            PoolRoute(pool=pool, route_id=route_id, position=position) for position, route_id in enumerate(route_ids, 1)
        )
    return pool


def scope_of(route: Route) -> tuple[str, str]:
    """The kind and scope of the budgets a route spends from, beside the signing domain's."""
    if route.address is not None and route.kind == Route.Kind.DIRECT:
        return Budget.Kind.IP, route.address.ip
    return Budget.Kind.ACCOUNT, account(route.pk)
