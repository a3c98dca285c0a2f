"""Whom receivers refused because of us, and whether that is mended: what the button "send again" is offered on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from campaigns.lanes import advice_at
from campaigns.pure.plain_words import sentence
from reputation.advice import Advice
from reputation.catalogue import catalogue
from reputation.domains import may_send
from sending import resend
from sending.models import Mailing


@dataclass(frozen=True, slots=True)
class BlockedRow:
    """One provider's. `why`: what it said of us, in sentences. `wait`: why not yet; empty when it can be sent again."""

    lane: str
    name: str
    people: int
    why: str
    wait: str


def blocked_of(*, now: datetime, zone: ZoneInfo, mailing: Mailing) -> list[BlockedRow]:
    """Two queries where nobody is blocked for something that can be mended, a few more where somebody is."""
    found = resend.blocked(mailing_id=mailing.pk)
    if not found:
        return []
    lanes = list(dict.fromkeys(row.lane for row in found))
    known = advice_at(now=now, zone=zone, mailing=mailing, providers=lanes)
    allowed, ours = may_send(now=now, domain=mailing.sending_domain)
    rows = []
    for lane in lanes:
        name = catalogue().title(lane)
        here = [row for row in found if row.lane == lane]
        said = dict.fromkeys(sentence(kind="blocked", who=name, reply_class=row.reply_class) for row in here)
        wait = _still_closed(known.get(lane, [])) if allowed else f"{mailing.sending_domain.name}: {ours}"
        rows.append(BlockedRow(lane, name, sum(row.people for row in here), " ".join(said), wait))
    return rows


def _still_closed(known: Sequence[Advice]) -> str:
    """What the receiver said, as long as we keep silent there. While it recovers, the pace is careful by itself."""
    closed = [row.limits.reason or "An admin holds it" for row in known if row.limits.closed]
    return f"{closed[0].rstrip('.')}." if closed else ""
