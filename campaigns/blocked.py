"""Who did not get it and still could, and whether what kept it from them is mended: what "send again" is offered on."""

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
from sending.resend import Why


@dataclass(frozen=True, slots=True)
class BlockedRow:
    """One provider's. `said`: of us, in sentences. `wait`: why not yet; empty when it can be sent again."""

    lane: str
    why: Why
    name: str
    people: int
    said: str
    wait: str

    @property
    def is_expired(self) -> bool:
        """Tried for as long as we try; nobody refused because of us."""
        return self.why is Why.EXPIRED

    @property
    def icon(self) -> str:
        return "clock" if self.is_expired else "hand-stop"


def blocked_of(*, now: datetime, zone: ZoneInfo, mailing: Mailing) -> list[BlockedRow]:
    """Two queries where nobody is left for something that can be mended, a few more where somebody is."""
    found = resend.not_reached(mailing_id=mailing.pk)
    if not found:
        return []
    lanes = list(dict.fromkeys(row.lane for row in found))
    known = advice_at(now=now, zone=zone, mailing=mailing, providers=lanes)
    allowed, ours = may_send(now=now, domain=mailing.sending_domain)
    rows = []
    for lane, why in dict.fromkeys((row.lane, row.why) for row in found):
        name = catalogue().title(lane)
        here = [row for row in found if (row.lane, row.why) == (lane, why)]
        said = dict.fromkeys(sentence(kind=why.value, who=name, reply_class=row.reply_class) for row in here)
        wait = _still_closed(known.get(lane, [])) if allowed else f"{mailing.sending_domain.name}: {ours}"
        rows.append(BlockedRow(lane, why, name, sum(row.people for row in here), " ".join(said), wait))
    return rows


def _still_closed(known: Sequence[Advice]) -> str:
    """What the receiver said, as long as we keep silent there. While it recovers, the pace is careful by itself."""
    closed = [row.limits.reason or "An admin holds it" for row in known if row.limits.closed]
    return f"{closed[0].rstrip('.')}." if closed else ""
