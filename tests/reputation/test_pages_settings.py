import pytest
from django.urls import reverse

from reputation.models import Workspace
from tests.visitors import admin, colleague

pytestmark = pytest.mark.django_db
FORM = {
    "name": "Harbour Books",
    "postal_address": "ul. Nadbrzeżna 4",
    "time_zone": "Asia/Tokyo",
    "language": "ja",
    "undo_seconds": "60",
    "missed_grace_minutes": "30",
    "reply_forward_to": "mara@harbour.example",
    "track_opens": "on",
}


def test_an_admin_changes_them():
    admin().post(reverse("settings"), FORM)
    found = Workspace.objects.get()
    assert (found.time_zone, found.undo_seconds, found.language) == ("Asia/Tokyo", 60, "ja")
    assert (found.track_opens, found.track_clicks) == (True, False)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"undo_seconds": "121"}, "minutes"),
        ({"time_zone": "Mars"}, "valid choice"),
        ({"language": "tlh"}, "valid choice"),
        ({"name": ""}, "required"),
    ],
)
def test_a_wrong_one_is_refused_and_nothing_is_changed(change, sentence):
    answer = admin().post(reverse("settings"), FORM | change)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert Workspace.objects.get().time_zone == "Europe/Warsaw"


def test_a_colleague_reads_them_and_changes_nothing():
    client = colleague()
    assert "disabled" in client.get(reverse("settings")).content.decode()
    assert client.post(reverse("settings"), FORM).status_code == 403
    assert Workspace.objects.get().time_zone == "Europe/Warsaw"
