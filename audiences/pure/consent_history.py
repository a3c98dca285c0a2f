"""What a person's consent events add up to: the state of each list, as the Subscription rows must show it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """One consent event: `kind` is a value of ConsentEvent.Kind, `list_id` None when it is about no single list."""

    kind: str
    list_id: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a person stands with one list: a value of Subscription.State, and since when."""

    state: str
    since: datetime
    # What an Undo brings back.
    before: str = ""


def state_by_events(facts: Iterable[Fact]) -> dict[int, Standing]:
    """Fold the events, oldest first, into the standing per list. Lists never joined do not appear.

    | event | from | to |
    |---|---|---|
    | requested | none, unconfirmed, unsubscribed | unconfirmed |
    | subscribed, imported, confirmed | any | subscribed |
    | unsubscribed | unconfirmed, subscribed | unsubscribed |
    | resubscribed (Undo) | unsubscribed | what it was before |
    | undone (an import) | any | none |
    | erased | any | none, for all lists |
    | complained, lifted | | no change: these are about the address, not about a list |
    """
    standings: dict[int, Standing] = {}
    for fact in facts:
        if fact.kind == "erased":
            standings.clear()
        elif fact.kind == "undone":
            standings.pop(fact.list_id or 0, None)
        elif fact.list_id is not None:
            standing = _after(fact, standings.get(fact.list_id))
            if standing is not None:
                standings[fact.list_id] = standing
    return standings


def _after(fact: Fact, now: Standing | None) -> Standing | None:
    state = now.state if now else ""
    match fact.kind:
        case "requested" if state != "subscribed":
            return Standing("unconfirmed", fact.at)
        case "subscribed" | "imported" | "confirmed" if state != "subscribed":
            return Standing("subscribed", fact.at)
        case "unsubscribed" if state in ("unconfirmed", "subscribed"):
            return Standing("unsubscribed", fact.at, before=state)
        case "resubscribed" if now and state == "unsubscribed" and now.before:
            return Standing(now.before, fact.at)
    return now
