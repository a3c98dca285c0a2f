"""A route's settings and its webhook's secret: sealed at rest, checked when written and when read."""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.conf import settings

from reputation import sealed
from sending.esp.catalogue import ESPS, Esp
from sending.models import Route


class BadSettings(ValueError):
    """The route can't be used like this. The message is a sentence for whoever set it up, and holds no secret."""


@dataclass(frozen=True, slots=True)
class EspSettings:
    esp: Esp
    values: Mapping[str, str] = field(repr=False)


def set_settings(route: Route, given: Mapping[str, str]) -> None:
    """Check and seal a route's settings: `backend` names the provider, the rest are its own. Raises BadSettings."""
    found = checked(name=route.name, given=given)
    route.esp = found.esp.name
    route.settings_sealed = sealed.seal(json.dumps({"backend": route.esp, **found.values}), about=_settings_of(route))
    route.save(update_fields=["esp", "settings_sealed"])


def settings_of(route: Route) -> EspSettings:
    """Raises BadSettings."""
    if not route.settings_sealed:
        raise BadSettings(f"The route {route.name} has no settings yet: choose the provider and enter its key.")
    try:
        given = json.loads(sealed.unseal(route.settings_sealed, about=_settings_of(route)))
    except sealed.SealBroken as error:
        raise BadSettings(f"The settings of the route {route.name} can't be opened. {error}") from error
    except ValueError as error:
        raise BadSettings(f"The settings of the route {route.name} are not JSON.") from error
    if not isinstance(given, dict):
        raise BadSettings(f"The settings of the route {route.name} are no list of names and values.")
    return checked(name=route.name, given={"backend": route.esp, **given})


def set_webhook_secret(route: Route, secret: str) -> None:
    """Seal what calls to this route's webhook prove themselves with: a signing key, or `name:password`.

    Empty takes it away: then every call is refused. Raises BadSettings.
    """
    esp = ESPS.get(route.esp)
    if secret and len(secret) < 16:
        raise BadSettings("The secret has at least 16 characters, so that nobody guesses it.")
    if secret and esp is not None and not esp.signed_by and not all(secret.partition(":")):
        raise BadSettings(f"Write the secret as name:password; {esp.title} sends it so with every call.")
    route.webhook_secret_sealed = sealed.seal(secret, about=_webhook_of(route)) if secret else None
    route.save(update_fields=["webhook_secret_sealed"])


def webhook_secret_of(route: Route) -> str:
    """Empty when none is set. Raises sealed.SealBroken."""
    return sealed.unseal(route.webhook_secret_sealed, about=_webhook_of(route)) if route.webhook_secret_sealed else ""


def check_api_url(url: str) -> None:
    """Keys go over HTTPS only; in the lab nothing leaves this machine. Raises BadSettings."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadSettings(f"{url!r} is no web address; write it like https://api.example.com/.")
    if settings.LAB:
        if not _is_here(parts.hostname):
            raise BadSettings(f"{parts.hostname} is not on this machine, and LAB is on: nothing may leave it.")
    elif parts.scheme != "https":
        raise BadSettings(f"{url} is not encrypted: the key would be read on the way. Use https.")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked(*, name: str, given: Mapping[str, str]) -> EspSettings:
    """The settings of a route of this name, when the provider can work with them. Raises BadSettings."""
    esp = ESPS.get(given.get("backend", ""))
    if esp is None:
        known = ", ".join(esp.title for esp in ESPS.values())
        raise BadSettings(f"The route {name} needs a provider out of these: {known}.")
    values = {key: value for key, value in given.items() if key != "backend" and value}
    if missing := [key for key in esp.needs if not values.get(key)]:
        raise BadSettings(f"{esp.title} also needs: {', '.join(missing)}.")
    if strange := sorted(values.keys() - {*esp.needs, *esp.takes}):
        raise BadSettings(f"{esp.title} has no setting called {', '.join(strange)}.")
    if wrong := [key for key, value in values.items() if not _fits_a_header(value)]:
        raise BadSettings(f"{', '.join(wrong)}: only plain letters, digits and signs, without blanks.")
    if "api_url" in values:
        check_api_url(values["api_url"])
    return EspSettings(esp, values)


def _fits_a_header(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value and len(value) < 2000


def _settings_of(route: Route) -> str:
    return f"route:{route.pk}:settings"


def _webhook_of(route: Route) -> str:
    return f"route:{route.pk}:webhook"
