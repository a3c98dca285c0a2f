import pytest

from audiences import suppress as verbs
from audiences.keys import key_of
from audiences.models import ConsentEvent, Suppression
from audiences.suppress import CannotLift, import_suppressed, lift, suppress
from tests.audiences.cast import DAY, NOW, suppressions

pytestmark = pytest.mark.django_db
JANE = "jane@x.example"
KEY = key_of(JANE)


def add(reason, scope="*", **more):
    return suppress(now=NOW, address_key=KEY, scope=scope, reason=reason, source="test", **more)


def take(scope="*", reason="The mailbox works again"):
    return lift(now=NOW + DAY, address_key=KEY, scope=scope, actor="Olga", reason=reason)


def test_the_same_reason_twice_is_no_news():
    assert add("bounced", evidence={"reply": "550 5.1.1 unknown"})
    assert not add("bounced")
    assert Suppression.objects.get().evidence == {"reply": "550 5.1.1 unknown"}


@pytest.mark.parametrize("first", ["bounced", "manual", "imported", "unsubscribed", "erased"])
def test_a_complaint_stands_in_front_whatever_came_first(first):
    add(first, evidence={"reply": "550"})
    assert add("complained", evidence={"report": "arf"})
    row = Suppression.objects.get()
    assert row.reason == "complained"
    assert row.evidence["also"][first]["reply"] == "550"
    assert not add(first)


def test_a_weaker_reason_is_kept_behind_and_comes_forward():
    add("unsubscribed")
    add("bounced", evidence={"reply": "550"})
    assert suppressions(JANE) == {("*", "unsubscribed")}
    assert verbs.take_reasons_away(address_key=KEY, scopes=["*"], reasons=["unsubscribed"]) == ["*"]
    row = Suppression.objects.get()
    assert (row.reason, row.evidence, row.source) == ("bounced", {"reply": "550"}, "test")


@pytest.mark.parametrize("reason", ["bounced", "manual", "imported"])
def test_an_admin_lifts_with_a_reason_and_leaves_a_trace(reason):
    add(reason)
    assert take()
    assert not take()
    assert suppressions(JANE) == set()
    assert ConsentEvent.objects.get().basis == f"{reason} in *, by Olga: The mailbox works again"


@pytest.mark.parametrize("reason", ["complained", "unsubscribed", "erased"])
def test_an_admin_cannot_lift_what_a_person_wanted(reason):
    add(reason)
    add("bounced")
    with pytest.raises(CannotLift):
        take()
    assert suppressions(JANE) == {("*", reason)}


def test_lifting_needs_a_reason():
    add("manual")
    with pytest.raises(CannotLift, match="Say why"):
        take(reason="  ")


@pytest.mark.parametrize("scope", ["", "all", "list:", "list:0", "list:x", "stream:other", "* ", "list:1;DROP"])
def test_only_real_scopes_are_taken(scope):
    with pytest.raises(ValueError, match="no suppression scope"):
        add("manual", scope=scope)


def test_receivers_texts_may_hold_nul():
    assert add("bounced", evidence={"reply": "550 \0 gone"})
    assert Suppression.objects.get().evidence == {"reply": "550 \ufffd gone"}


def test_addresses_are_imported_as_suppressed_once_without_making_people():
    given = [JANE, "Jane <JANE@x.example>", "joe@x.example", "nobody", ""]
    first = import_suppressed(now=NOW, addresses=given, source="old tool")
    assert (first.n_added, first.n_already) == (2, 0)
    assert [(number, text) for number, text, _ in first.rejected] == [(4, "nobody"), (5, "")]
    again = import_suppressed(now=NOW, addresses=given)
    assert (again.n_added, again.n_already) == (0, 2)
    assert suppressions(JANE) == {("*", "imported")}


def test_importing_a_stronger_reason_keeps_the_weaker_and_never_the_other_way_round():
    add("bounced", evidence={"reply": "550"})
    import_suppressed(now=NOW, addresses=[JANE], reason="complained", source="old tool")
    row = Suppression.objects.get()
    assert (row.reason, row.source) == ("complained", "old tool")
    assert row.evidence == {"also": {"bounced": {"reply": "550", "source": "test"}}}
    import_suppressed(now=NOW, addresses=[JANE], reason="unsubscribed")
    assert suppressions(JANE) == {("*", "complained")}
