from datetime import UTC, datetime, timedelta

from audiences.pure.consent_history import Fact, state_by_events

START = datetime(2026, 3, 10, tzinfo=UTC)


def standing(*kinds, list_id=1):
    facts = [Fact(kind, list_id, START + timedelta(hours=hour)) for hour, kind in enumerate(kinds)]
    found = state_by_events(facts).get(1)
    return (found.state, (found.since - START) // timedelta(hours=1)) if found else None


def test_each_event_leads_where_the_table_says():
    assert standing("requested") == ("unconfirmed", 0)
    assert standing("requested", "confirmed") == ("subscribed", 1)
    assert standing("subscribed") == ("subscribed", 0)
    assert standing("imported", "unsubscribed") == ("unsubscribed", 1)
    assert standing("imported", "unsubscribed", "requested") == ("unconfirmed", 2)
    assert standing("imported", "requested") == ("subscribed", 0)
    assert standing("unsubscribed") is None
    assert standing("imported", "complained") == ("subscribed", 0)


def test_an_undo_brings_back_what_was():
    assert standing("imported", "unsubscribed", "resubscribed") == ("subscribed", 2)
    assert standing("requested", "unsubscribed", "resubscribed") == ("unconfirmed", 2)
    assert standing("imported", "resubscribed") == ("subscribed", 0)
    assert standing("unsubscribed", "resubscribed") is None


def test_erasure_forgets_every_list():
    facts = [Fact("imported", 1, START), Fact("imported", 2, START), Fact("erased", None, START)]
    assert state_by_events(facts) == {}
