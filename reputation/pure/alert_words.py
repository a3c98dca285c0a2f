"""What an alert says: a subject and a text for people, and an object for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Told:
    """One alert in words. `headline` says what happened, `about` names a domain, an address or an account; `type` is
    the name of the event for programs. What is `expected` and `found` is a check's; a warm-up has neither."""

    id: int
    type: str
    broke: bool
    headline: str
    about: str
    check: str
    required: bool
    at: datetime
    detail: str
    expected: str
    found: str
    page: str


def subject(alerts: Sequence[Told]) -> str:
    """What a busy person reads in the list of mails."""
    first = next((alert for alert in alerts if alert.broke), alerts[0])
    return first.headline if len(alerts) == 1 else f"{first.headline}, and {len(alerts) - 1} more"


def text(alerts: Sequence[Told]) -> str:
    """What broke first, then what was mended; each with what was found, what should be there, and where to look."""
    ordered = sorted(alerts, key=lambda alert: (not alert.broke, not alert.required, alert.about))
    return "\n\n".join(_one(alert) for alert in ordered) + "\n"


def payload(alert: Told) -> dict[str, object]:
    """The body of a webhook call."""
    return {
        "type": alert.type,
        "id": alert.id,
        "timestamp": alert.at.isoformat(),
        "data": {
            "about": alert.about,
            "check": alert.check,
            "headline": alert.headline,
            "stops_mail": alert.required,
            "detail": alert.detail,
            "expected": alert.expected,
            "found": alert.found,
            "page": alert.page,
        },
    }


def _one(alert: Told) -> str:
    lines = [f"{alert.headline}."]
    if alert.broke:
        lines += [alert.detail] if alert.detail else []
        lines += [f"Expected: {alert.expected}"] if alert.expected else []
        lines += [f"Found: {alert.found or 'nothing'}"] if alert.type.startswith("check.") else []
        lines += ["Campaigns from this domain are held until it passes."] if alert.required else []
    lines += [f"Seen on {alert.at:%d %b %Y at %H:%M} UTC.", alert.page]
    return "\n".join(lines)
