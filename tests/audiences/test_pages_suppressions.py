import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from audiences.models import ConsentEvent, Subscriber, Suppression
from audiences.paging import SIZE
from audiences.suppress import import_suppressed
from tests.audiences.cast import NOW, make_list, reader, suppressions
from tests.visitors import admin, colleague

pytestmark = pytest.mark.django_db


def suppressed(email, reason="manual"):
    import_suppressed(now=NOW, addresses=[email], reason=reason, source="by hand")
    return Suppression.objects.latest("pk")


def test_they_are_listed_with_reason_and_source_also_for_people_we_do_not_know():
    reader("jane@x.example", make_list())
    suppressed("jane@x.example")
    unknown = suppressed("stranger@x.example")
    page = colleague().get(reverse("suppressions")).content.decode()
    assert "jane@x.example" in page
    assert "stranger@x.example" not in page
    assert str(unknown.address_key) in page


def test_an_address_is_found_however_it_is_written():
    suppressed("stranger@x.example")
    answer = colleague().get(reverse("suppressions"), {"q": " Stranger@X.example "})
    assert [row.reason for row, _, _ in answer.context["rows"]] == ["manual"]
    assert "Not suppressed" in colleague().get(reverse("suppressions"), {"q": "free@x.example"}).content.decode()
    assert "nothing after the @" in colleague().get(reverse("suppressions"), {"q": "free@"}).content.decode()


def test_a_pasted_list_is_suppressed_and_its_bad_lines_are_named():
    typed = "a@x.example\n\nb@x.example\nnonsense\n"
    form = {"addresses": typed, "reason": "manual", "scope": "*", "note": "from the old system"}
    answer = admin().post(reverse("suppression-new"), form)
    assert Suppression.objects.count() == 2
    assert [(number, text) for number, text, _ in answer.context["rejected"]] == [(3, "nonsense")]


def test_lifting_needs_a_reason_and_leaves_a_line_in_the_history():
    row = suppressed("jane@x.example")
    client = admin()
    assert client.post(reverse("suppression-lift", args=[row.pk]), {"reason": ""}).status_code == 422
    assert suppressions("jane@x.example")
    client.post(reverse("suppression-lift", args=[row.pk]), {"reason": "Mistyped"})
    assert not suppressions("jane@x.example")
    assert "Mistyped" in ConsentEvent.objects.get(subject_key=row.address_key).basis


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [("complained", "is never lifted"), ("unsubscribed", "Only they can come back"), ("erased", "forgotten")],
)
def test_what_must_stand_is_not_lifted_and_the_page_says_why(reason, sentence):
    row = suppressed("jane@x.example", reason)
    answer = admin().post(reverse("suppression-lift", args=[row.pk]), {"reason": "Please"})
    assert sentence in answer.content.decode()
    assert suppressions("jane@x.example") == {("*", reason)}


def test_only_admins_add_and_lift():
    row = suppressed("jane@x.example")
    client = colleague()
    assert client.post(reverse("suppression-new"), {"addresses": "b@x.example", "scope": "*"}).status_code == 403
    assert client.post(reverse("suppression-lift", args=[row.pk]), {"reason": "x"}).status_code == 403
    assert Suppression.objects.count() == 1


def test_the_next_page_goes_on_where_the_first_ended(django_assert_max_num_queries):
    import_suppressed(now=NOW, addresses=[f"r{n}@x.example" for n in range(SIZE + 3)], source="old")
    client = colleague()
    with django_assert_max_num_queries(7):
        first = client.get(reverse("suppressions"))
    rest = client.get(reverse("suppressions"), {"after": first.context["page"].after})
    assert (len(first.context["rows"]), len(rest.context["rows"])) == (SIZE, 3)


def test_a_file_of_unsubscribed_people_is_imported_as_such(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    file = SimpleUploadedFile("left.csv", b"Name;Adresse\nJane;jane@x.example\nJoe;joe@x.example\nBad;joe@\n")
    form = {"file": file, "reason": "unsubscribed", "scope": "stream:marketing", "note": "from the old system"}

    answer = admin().post(reverse("suppression-new"), form)

    assert suppressions("jane@x.example") == {("stream:marketing", "unsubscribed")}
    assert [(number, text) for number, text, _ in answer.context["rejected"]] == [(3, "joe@")]
    assert not Subscriber.objects.exists()
    assert not list((tmp_path / "imports").iterdir())


def test_a_file_without_addresses_is_refused_with_a_sentence(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    form = {"file": SimpleUploadedFile("x.csv", b"a;b\n1;2\n"), "reason": "manual", "scope": "*", "note": "x"}

    answer = admin().post(reverse("suppression-new"), form)

    assert answer.status_code == 422
    assert "No column of this file holds e-mail addresses." in answer.content.decode()


def test_neither_addresses_nor_a_file_is_told():
    answer = admin().post(reverse("suppression-new"), {"reason": "manual", "scope": "*", "note": "x"})

    assert "Enter addresses, or choose a file." in answer.content.decode()


def test_one_reason_is_shown_alone():
    suppressed("a@x.example", "manual")
    suppressed("b@x.example", "bounced")

    answer = colleague().get(reverse("suppressions"), {"reason": "bounced"})

    assert [row.reason for row, _, _ in answer.context["rows"]] == ["bounced"]


def test_keys_are_exported_and_no_address():
    row = suppressed("stranger@x.example")

    text = admin().get(reverse("suppression-export")).getvalue().decode()

    assert f"{row.address_key},*,manual," in text
    assert "stranger" not in text
    assert colleague().get(reverse("suppression-export")).status_code == 403


def test_an_address_and_a_reason_are_asked_for_together():
    suppressed("jane@x.example")
    held = colleague().get(reverse("suppressions"), {"q": "jane@x.example", "reason": "manual"})
    free = colleague().get(reverse("suppressions"), {"q": "jane@x.example", "reason": "bounced"})
    assert [row.reason for row, _, _ in held.context["rows"]] == ["manual"]
    assert "Not suppressed for this reason" in free.content.decode()
    assert held.content.decode().count('role="search"') == held.content.decode().count('class="lp-filters"') == 1
