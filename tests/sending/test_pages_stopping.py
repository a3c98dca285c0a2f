import pytest
from django.urls import reverse

from reputation.models import Workspace
from tests.visitors import admin, colleague

pytestmark = pytest.mark.django_db


def test_stopping_takes_two_steps_and_a_reason():
    client = admin()
    assert "Stop all sending now" in client.get(reverse("stop-sending")).content.decode()
    assert Workspace.objects.get().sending_stopped_at is None
    assert client.post(reverse("stop-sending"), {"reason": ""}).status_code == 422
    client.post(reverse("stop-sending"), {"reason": "Wrong price"})
    found = Workspace.objects.get()
    assert found.sending_stopped_at is not None
    assert found.sending_stopped_reason == "Wrong price (admin)"


PAGES = ["people", "lists", "domains", "limits", "routes", "warmup", "suppressions", "settings"]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_so_while_it_is_stopped(page):
    admin().post(reverse("stop-sending"), {"reason": "Wrong price"})
    client = colleague()
    assert "All sending is stopped" in client.get(reverse(page)).content.decode()
    Workspace.objects.update(sending_stopped_at=None)
    assert "All sending is stopped" not in client.get(reverse(page)).content.decode()


def test_the_first_reason_stands():
    client = admin()
    client.post(reverse("stop-sending"), {"reason": "First"})
    at = Workspace.objects.get().sending_stopped_at
    client.post(reverse("stop-sending"), {"reason": "Second"})
    found = Workspace.objects.get()
    assert (found.sending_stopped_at, found.sending_stopped_reason) == (at, "First (admin)")


def test_looking_at_the_way_back_resumes_nothing_and_posting_does():
    client = admin()
    client.post(reverse("stop-sending"), {"reason": "Wrong price"})
    assert "Wrong price" in client.get(reverse("resume-sending")).content.decode()
    assert Workspace.objects.get().sending_stopped_at is not None
    client.post(reverse("resume-sending"))
    found = Workspace.objects.get()
    assert (found.sending_stopped_at, found.sending_stopped_reason) == (None, "")


def test_a_colleague_does_neither():
    client = colleague()
    assert client.post(reverse("stop-sending"), {"reason": "x"}).status_code == 403
    assert client.post(reverse("resume-sending")).status_code == 403
    assert Workspace.objects.get().sending_stopped_at is None
