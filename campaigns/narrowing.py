"""Those of an audience who did, or did not do, something with an earlier mailing."""

from campaigns.models import Campaign
from sending.models import Event, OutcomeKind
from sending.press import Audience

Whom = Campaign.Whom
# Whoever could be reached at another time: a mailbox that does not exist is no such.
AGAIN = (OutcomeKind.BOUNCED_SOFT, OutcomeKind.BOUNCED_POLICY, OutcomeKind.BLOCKED)
_ACCEPTED = """EXISTS (SELECT 1 FROM sending_outcome o
    WHERE o.mailing_id = d.mailing_id AND o.delivery = d.id AND o.kind = 'accepted')"""
_DID = """EXISTS (SELECT 1 FROM sending_event e WHERE e.mailing_id = d.mailing_id AND e.kind = '{kind}'
    AND e.delivery = d.id AND NOT e.by_machine)"""
_LAST_WAS = """EXISTS (SELECT 1 FROM sending_outcome o
    WHERE o.mailing_id = d.mailing_id AND o.delivery = d.id AND o.kind IN ({kinds})
      AND NOT EXISTS (SELECT 1 FROM sending_outcome later WHERE later.mailing_id = o.mailing_id
                      AND later.delivery = o.delivery AND later.attempt > o.attempt))"""
_WHICH = {
    Whom.NOT_CLICKED: f"{_ACCEPTED} AND NOT {_DID.format(kind=Event.Kind.CLICKED)}",
    Whom.NOT_OPENED: f"{_ACCEPTED} AND NOT {_DID.format(kind=Event.Kind.OPENED)}",
    Whom.CLICKED: _DID.format(kind=Event.Kind.CLICKED),
    Whom.NOT_REACHED: _LAST_WAS.format(kinds=", ".join(f"'{kind}'" for kind in AGAIN)),
}


def narrowed(audience: Audience, *, mailing_id: int, whom: str) -> Audience:
    """Those of an audience who are meant; nobody else is counted, chosen or left out."""
    sql = f"""SELECT chosen.* FROM ({audience.sql}) chosen
WHERE EXISTS (SELECT 1 FROM sending_delivery d
              WHERE d.mailing_id = %(follow_mailing)s AND d.address_key = chosen.address_key
                AND {_WHICH[Whom(whom)]})"""
    return Audience(sql, {**audience.params, "follow_mailing": mailing_id})
