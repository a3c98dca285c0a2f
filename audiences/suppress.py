"""Suppressions: the rows the gate asks. A reason is added or taken away; the strongest one shows on the row.

One address and scope has one row, but may have several reasons: somebody who bounced may have complained before. The
row shows the strongest and keeps the others with their evidence under `evidence["also"]`, so that taking one away never
takes the others with it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from audiences.keys import key_of
from audiences.models import ANYWHERE, ConsentEvent, Suppression
from audiences.pure.addresses import BadAddress, bare_address
from audiences.pure.csv_export import csv_lines
from words import gettext as _

Reason = Suppression.Reason

# Strongest first. What consent lifts stands above what an admin lifts, so mending a bounce forgets no leaving.
STRENGTH = [
    Reason.COMPLAINED,
    Reason.UNSUBSCRIBED,
    Reason.ERASED,
    Reason.MANUAL,
    Reason.BOUNCED,
    Reason.IMPORTED,
    Reason.PAUSED,
]
# Only the person's own new, confirmed consent takes these away. Nothing takes a complaint away.
LIFTED_BY_CONSENT = (Reason.UNSUBSCRIBED, Reason.ERASED, Reason.PAUSED)
LIFTED_BY_HAND = (Reason.MANUAL, Reason.BOUNCED, Reason.IMPORTED)

# The source of suppressions that keep sample people from ever being mailed.
SAMPLE = "sample data"

_SCOPE = re.compile(r"\*|stream:(?:marketing|transactional)|list:[1-9]\d{0,18}")
_AT_ONCE = 5_000


class CannotLift(ValueError):
    """The suppression may not be taken away like this; the text says why."""


@dataclass(slots=True)
class ImportedSuppressions:
    """What became of a file of addresses: `rejected` holds (number of the address from 1, text, reason)."""

    n_added: int = 0
    n_already: int = 0
    rejected: list[tuple[int, str, str]] = field(default_factory=list)


def suppress(
    *,
    now: datetime,
    address_key: UUID,
    scope: str,
    reason: str,
    source: str,
    evidence: Mapping[str, Any] | None = None,
    user_id: int | None = None,
) -> bool:
    """Let nothing in `scope` (`*`, `stream:<name>`, `list:<id>`) reach the address. True when the reason is new."""
    if not _SCOPE.fullmatch(scope):
        raise ValueError(f"{scope!r} is no suppression scope.")
    reason = Reason(reason)
    proof = _storable(evidence or {})
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_INSERT, [address_key, scope, reason.value, source[:120], json.dumps(proof), now, user_id])
        if cursor.fetchone():
            return True
        # Somebody may lift it in this very moment: then it is written anew.
        row = Suppression.objects.select_for_update(no_key=True).filter(address_key=address_key, scope=scope).first()
        if row is None:
            cursor.execute(_INSERT, [address_key, scope, reason.value, source[:120], json.dumps(proof), now, user_id])
            return cursor.fetchone() is not None
        return _add_reason(row, reason, source[:120], proof)


_INSERT = """
INSERT INTO audiences_suppression (address_key, scope, reason, source, evidence, created_at, created_by_id)
VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s)
ON CONFLICT (address_key, scope) DO NOTHING
RETURNING id
"""


def _add_reason(row: Suppression, reason: str, source: str, proof: dict[str, Any]) -> bool:
    # Who leaves need not pause; beneath anything else a pause goes on, and shows again when that is taken away.
    reasons = {} if row.reason == Reason.PAUSED and reason in LIFTED_BY_CONSENT else reasons_of(row)
    # One reason of the kind that consent lifts is enough: two would say nothing more.
    if reason in reasons or (reason in LIFTED_BY_CONSENT and not reasons.keys().isdisjoint(LIFTED_BY_CONSENT)):
        return False
    reasons[reason] = {**proof, "source": source}
    _show(row, reasons)
    return True


def outlives_consent(row: Suppression) -> bool:
    """Does it stand after the person's own new, confirmed consent?"""
    return not reasons_of(row).keys() <= {str(reason) for reason in LIFTED_BY_CONSENT}


def reasons_of(row: Suppression) -> dict[str, dict[str, Any]]:
    """Every reason of the row with its evidence; of a pause also when it ends."""
    own = {key: value for key, value in row.evidence.items() if key != "also"}
    own |= {"until": row.until.isoformat()} if row.until else {}
    return {row.reason: {**own, "source": row.source}, **row.evidence.get("also", {})}


def _show(row: Suppression, reasons: dict[str, dict[str, Any]]) -> None:
    """Write the row with the strongest of the reasons in front; without any, the row goes."""
    if not reasons:
        row.delete()
        return
    strongest = min(reasons, key=[str(reason) for reason in STRENGTH].index)
    own = dict(reasons.pop(strongest))
    row.reason, row.source = strongest, str(own.pop("source", ""))
    ends = own.pop("until", None)
    row.until = datetime.fromisoformat(ends) if ends else None
    row.evidence = {**own, "also": reasons} if reasons else own
    row.save(update_fields=["reason", "source", "evidence", "until"])


def _storable(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Receivers' texts may hold NUL, which jsonb can't."""
    kept = {str(key): value for key, value in evidence.items() if key not in ("also", "source", "until")}
    return {key: value.replace("\0", "\ufffd") if isinstance(value, str) else value for key, value in kept.items()}


def take_reasons_away(*, address_key: UUID, scopes: Iterable[str], reasons: Iterable[str]) -> list[str]:
    """Drop these reasons in these scopes and return the scopes that changed. For verbs that have the right to, only."""
    unwanted, changed = {str(reason) for reason in reasons}, []
    with transaction.atomic():
        locked = Suppression.objects.select_for_update(no_key=True)
        rows = locked.filter(address_key=address_key, scope__in=list(scopes))
        for row in rows.order_by("pk"):
            held = reasons_of(row)
            kept = {reason: proof for reason, proof in held.items() if reason not in unwanted}
            if len(kept) < len(held):
                _show(row, kept)
                changed.append(row.scope)
    return changed


def lift(*, now: datetime, address_key: UUID, scope: str, actor: str, reason: str) -> bool:
    """Take a suppression away by hand, leaving a line in the consent history. False when there was none.

    Raises CannotLift for complaints (never), unsubscriptions and erasures (only by the person's own new consent), and
    when no reason is given.
    """
    if not reason.strip():
        raise CannotLift(_("Say why it is lifted."))
    with transaction.atomic():
        row = Suppression.objects.select_for_update(no_key=True).filter(address_key=address_key, scope=scope).first()
        if row is None:
            return False
        if row.reason == Reason.COMPLAINED:
            raise CannotLift(_("This person complained. A complaint is never lifted."))
        if row.reason == Reason.PAUSED:
            raise CannotLift(_("This person asked for a pause. It ends by itself."))
        if row.reason in LIFTED_BY_CONSENT:
            raise CannotLift(_("This person left. Only they can come back, by subscribing and confirming again."))
        if row.source == SAMPLE:
            raise CannotLift(_("This is sample data, which is never mailed."))
        basis = f"{row.reason} in {scope}, by {actor}: {' '.join(reason.split())}"[:200]
        # A pause is the person's own, and ends by itself.
        _show(row, {name: proof for name, proof in reasons_of(row).items() if name == Reason.PAUSED})
        ConsentEvent.objects.create(subject_key=address_key, kind=ConsentEvent.Kind.LIFTED, basis=basis, at=now)
        return True


def import_suppressed(
    *,
    now: datetime,
    addresses: Iterable[str],
    scope: str = ANYWHERE,
    reason: str = Reason.IMPORTED,
    source: str = "import",
    user_id: int | None = None,
) -> ImportedSuppressions:
    """Suppress many addresses as such, without making them subscribers; one transaction per 5,000, repeatable."""
    if not _SCOPE.fullmatch(scope):
        raise ValueError(f"{scope!r} is no suppression scope.")
    result, numbered = ImportedSuppressions(), enumerate(addresses, 1)
    while batch := list(islice(numbered, _AT_ONCE)):
        keys = sorted(set(_keys(batch, result)))
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_IMPORT, [scope, Reason(reason).value, source[:120], now, user_id, keys])
            added = cursor.rowcount
            result.n_added += added
            result.n_already += len(keys) - added
    return result


# A weaker or equal reason changes nothing; a stronger one is shown in front and keeps the weaker one beneath.
_IMPORT = f"""
INSERT INTO audiences_suppression AS s (address_key, scope, reason, source, evidence, created_at, created_by_id)
SELECT key, %s, %s, %s, '{{}}'::jsonb, %s, %s FROM unnest(%s::uuid[]) key
ON CONFLICT (address_key, scope) DO UPDATE
    SET reason = EXCLUDED.reason, source = EXCLUDED.source, until = NULL,
        evidence = jsonb_build_object('also', coalesce(s.evidence -> 'also', '{{}}') || jsonb_build_object(
                       s.reason, (s.evidence - 'also') || jsonb_strip_nulls(
                           jsonb_build_object('source', s.source, 'until', s.until))))
    WHERE array_position(ARRAY{[str(r) for r in STRENGTH]}, EXCLUDED.reason::text)
        < array_position(ARRAY{[str(r) for r in STRENGTH]}, s.reason::text)
"""


def _keys(batch: list[tuple[int, str]], result: ImportedSuppressions) -> Iterator[UUID]:
    for number, text in batch:
        try:
            yield key_of(bare_address(text))
        except BadAddress as error:
            result.rejected.append((number, text, str(error)))


def keys_csv() -> Iterator[str]:
    """Every suppression as a CSV line, by key."""
    yield from csv_lines([("address_key", "scope", "reason", "since")])
    rows = Suppression.objects.order_by("pk").values_list("address_key", "scope", "reason", "created_at")
    yield from csv_lines((str(key), *rest, at.isoformat()) for key, *rest, at in rows.iterator(chunk_size=2000))
