"""Times, numbers and names the way all pages write them."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.utils.formats import date_format, number_format

from reputation.catalogue import catalogue
from reputation.pure.warmup import EVERYONE

register = template.Library()


@register.simple_tag(takes_context=True)
def when(context: template.Context, instant: datetime | None, missing: str = "never") -> str:
    """`Tue 24 Nov 2026, 09:00 (Europe/Warsaw)`: absolute, in the workspace's zone, never without it."""
    if instant is None:
        return missing
    zone = str(context["workspace"].time_zone)
    local = instant.astimezone(ZoneInfo(zone))
    return f"{date_format(local, 'D j M Y, H:i', use_l10n=False)} ({zone})"


@register.filter
def day(value: date | None) -> str:
    """`Tue 24 Nov 2026`."""
    return date_format(value, "D j M Y", use_l10n=False) if value else ""


@register.filter
def count(value: Any) -> str:
    """`8,532`; nothing for nothing."""
    return "" if value is None else number_format(value, use_l10n=True, force_grouping=True)


@register.filter
def provider_name(key: str) -> str:
    """`google` → Gmail; `*` → all providers together."""
    return "All providers together" if key == EVERYONE else catalogue().title(key)


@register.filter
def lookup(mapping: Any, key: Any) -> Any:
    """The value a mapping has for a key, or nothing."""
    return mapping.get(key, "")
