"""Who is chosen for a mailing, and who of them is left out and why: one query over whole lists.

The app above puts the query into its own INSERT … SELECT, so the people never pass through Python. On one million
people it takes a few seconds: two hash joins and one aggregate; the suppressions are read once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audiences.models import list_scope

# Values of sending's Excluded.Reason, which this floor must not import.
UNSUBSCRIBED = "unsubscribed"
UNCONFIRMED = "unconfirmed"
SUPPRESSED = "suppressed"
EXCLUDED_LIST = "excluded_list"
CONSENT_ENDED = "consent_ended"
WANTS_FEWER = "wants_fewer"


@dataclass(frozen=True, slots=True)
class AudienceQuery:
    """A SELECT without a closing semicolon, with its named parameters (all begin with `audience_`).

    Each person with a subscription to an included list, in any state, appears once: subscriber_id bigint, address_key
    uuid, domain text, via_list bigint (the lowest list they get it through; NULL for those left out), engaged_at
    timestamptz, to_address text (always NULL), reason text (NULL for those to be written to).
    """

    sql: str
    params: dict[str, Any]


def audience(
    *,
    included: Sequence[int],
    excluded: Sequence[int] = (),
    scopes: Sequence[str],
    among: Sequence[int] | None = None,
    joined_since: Mapping[int, datetime] | None = None,
    resting_at: datetime | None = None,
) -> AudienceQuery:
    """Everybody on the included lists. `scopes` are the mailing's suppression scopes without lists: `*`, `stream:…`.
    `among`: of these people only (ids), in milliseconds then. `joined_since`: for lists whose people may be written to
    for a time only, since when they must have
    come, or have bought or asked. `resting_at`: the moment at which whoever wants fewer letters must
    not have had one lately; None asks nobody.

    The one reason shown, where several apply: on an excluded list; then what holds everywhere or for the stream; then,
    when no included list is left to choose the person through: suppressed there (or left), came too long ago, not
    confirmed, unsubscribed. Wanting fewer letters is the last: those would else get it.
    Somebody who left list A and is subscribed to list B is chosen through B.
    """
    lists = sorted(set(included))
    params = {
        "audience_included": lists,
        "audience_excluded": sorted(set(excluded)),
        "audience_scopes": list(scopes),
        "audience_list_scopes": [list_scope(list_id) for list_id in lists],
        "audience_resting_at": resting_at,
    }
    if joined_since:
        params |= {"audience_ending": list(joined_since), "audience_since": list(joined_since.values())}
    keys, people = ("", "") if among is None else (_THEIR_KEYS, _THEY)
    if among is not None:
        params |= {"audience_among": list(among)}
    ending, ended = (_ENDING, _ENDED) if joined_since else ("", "false")
    return AudienceQuery(_AUDIENCE.format(keys=keys, people=people, ending=ending, ended=ended), params)


_ENDING = """LEFT JOIN unnest(%(audience_ending)s::bigint[], %(audience_since)s::timestamptz[]) AS e (list_id, since)
        ON e.list_id = s.list_id"""
# Whose sale or question we know the day of counts from that, whenever they came onto the list.
_ENDED = "coalesce(coalesce(s.ground_on::timestamptz, s.since) < e.since, false)"
_THEY = "AND subscriber_id = ANY(%(audience_among)s::bigint[])"
_THEIR_KEYS = """AND address_key IN (
        SELECT address_key FROM audiences_subscriber WHERE id = ANY(%(audience_among)s::bigint[]))"""
_AUDIENCE = """
WITH
-- Suppressed for all of the mailing. The weaker word is shown only when nothing else stands against the person.
for_all AS MATERIALIZED (
    SELECT address_key, bool_and(reason = 'unsubscribed') AS just_left
    FROM audiences_suppression WHERE scope = ANY(%(audience_scopes)s::text[]) {keys}
    GROUP BY address_key
),
-- Suppressed for one included list: a reason against that list only.
for_list AS MATERIALIZED (
    SELECT address_key, substr(scope, 6)::bigint AS list_id, reason = 'unsubscribed' AS just_left
    FROM audiences_suppression WHERE scope = ANY(%(audience_list_scopes)s::text[]) {keys}
),
-- One row per person: the aggregate is what makes "chosen once" true.
chosen AS (
    SELECT p.id, p.address_key, p.domain, p.last_engaged_at,
           min(s.list_id) FILTER (
               WHERE s.state = 'subscribed' AND l.address_key IS NULL AND NOT {ended}
           ) AS via_list,
           bool_or(s.state = 'subscribed' AND {ended}) AS ended,
           bool_or(NOT l.just_left AND s.state <> 'unsubscribed') AS suppressed_on_a_list,
           bool_or(l.just_left AND s.state <> 'unsubscribed') AS left_by_suppression,
           bool_or(s.state = 'unconfirmed') AS unconfirmed
    FROM audiences_subscription s
    JOIN audiences_subscriber p ON p.id = s.subscriber_id
    {ending}
    LEFT JOIN for_list l ON l.address_key = p.address_key AND l.list_id = s.list_id
    WHERE s.list_id = ANY(%(audience_included)s::bigint[]) {people}
    GROUP BY p.id
),
on_excluded AS MATERIALIZED (
    SELECT DISTINCT subscriber_id FROM audiences_subscription
    WHERE list_id = ANY(%(audience_excluded)s::bigint[]) AND state <> 'unsubscribed' {people}
),
judged AS (
    SELECT c.*,
           CASE WHEN x.subscriber_id IS NOT NULL THEN 'excluded_list'
                WHEN a.just_left THEN 'unsubscribed'
                WHEN a.address_key IS NOT NULL THEN 'suppressed'
                WHEN c.via_list IS NOT NULL THEN CASE WHEN f.subscriber_id IS NOT NULL THEN 'wants_fewer' END
                WHEN c.suppressed_on_a_list THEN 'suppressed'
                WHEN c.left_by_suppression THEN 'unsubscribed'
                WHEN c.ended THEN 'consent_ended'
                WHEN c.unconfirmed THEN 'unconfirmed'
                ELSE 'unsubscribed' END AS reason
    FROM chosen c
    LEFT JOIN on_excluded x ON x.subscriber_id = c.id
    LEFT JOIN for_all a ON a.address_key = c.address_key
    LEFT JOIN audiences_mailfrequency f
        ON f.subscriber_id = c.id AND f.rests_until > %(audience_resting_at)s::timestamptz
)
SELECT id AS subscriber_id, address_key, domain::text AS domain,
       CASE WHEN reason IS NULL THEN via_list END AS via_list,
       last_engaged_at AS engaged_at, NULL::text AS to_address, reason
FROM judged
"""
