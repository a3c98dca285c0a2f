"""The library of pictures: where each is used, and away with one."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from campaigns.models import Campaign, Media
from config.roles import Role
from tests.campaigns.test_packages import packed, picture
from tests.campaigns.world import ready_campaign, write
from tests.visitors import colleague, visitor

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_media_folder(settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def client() -> Client:
    return colleague()


@pytest.fixture
def campaign() -> Campaign:
    return ready_campaign(timezone.now())


def uploaded(client: Client, name: str = "shelf.png") -> Media:
    file = SimpleUploadedFile(name, picture())
    assert client.post("/pictures/", {"file": file}).status_code == 302
    return Media.objects.get(name=name)


def test_a_picture_comes_in_and_says_that_it_is_not_used(client) -> None:
    uploaded(client)
    seen = client.get("/pictures/").content.decode()
    assert "shelf.png" in seen and "40 × 20" in seen and "Not used" in seen
    bad = client.post("/pictures/", {"file": SimpleUploadedFile("a.svg", b"<svg onload='x'/>")})
    assert bad.status_code == 422 and "This is not a picture we can use." in bad.content.decode()


def test_where_a_picture_is_used_is_listed_also_by_an_earlier_version(client, campaign) -> None:
    shelf = uploaded(client)
    write(timezone.now(), campaign, letter=f"![Shelf]({shelf.file.url})\n")
    write(timezone.now(), campaign, letter="No picture any more.\n")
    assert "In 1 campaign" in client.get("/pictures/").content.decode()
    assert campaign.name in client.get(f"/pictures/{shelf.pk}/").content.decode()


def test_deleting_a_picture_in_use_warns_with_the_list_and_wants_a_tick(client, campaign) -> None:
    shelf = uploaded(client)
    write(timezone.now(), campaign, letter=f"![Shelf]({shelf.file.url})\n")
    there = f"/pictures/{shelf.pk}/"
    refused = client.post(there)
    seen = refused.content.decode()
    assert refused.status_code == 422
    assert "It was not deleted: 1 campaign shows it." in seen and campaign.name in seen
    assert Media.objects.filter(pk=shelf.pk).exists()


def test_a_picture_is_deleted_with_its_file(client, django_capture_on_commit_callbacks) -> None:
    shelf = uploaded(client)
    file = Path(shelf.file.path)
    assert file.exists()
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(f"/pictures/{shelf.pk}/").status_code == 302
    assert not file.exists() and not Media.objects.exists()


def test_a_viewer_looks_and_neither_uploads_nor_deletes(client) -> None:
    shelf = uploaded(client)
    watching = visitor("viewer", Role.VIEWER)
    for there in ("/pictures/", f"/pictures/{shelf.pk}/"):
        assert 'type="submit"' not in watching.get(there).content.decode().split('id="main"')[1].split("</main>")[0]
        assert watching.post(there).status_code == 403


def test_a_zip_becomes_the_newest_version_with_its_pictures(client, campaign) -> None:
    raw = packed({"index.html": '<p>Hi</p><img src="a.png" alt="A"><img src="b.png" alt="B">', "a.png": picture()})
    file = SimpleUploadedFile("mail.zip", raw)
    answer = client.post(
        f"/campaigns/{campaign.pk}/letter/file/", {"based_on": campaign.rev, "file": file}, follow=True
    )
    seen = answer.content.decode()
    assert "1 of its pictures came along." in seen
    assert "Not in the file, though the page shows them: b.png." in seen
    assert Media.objects.get().revisions.get().campaign == campaign
