import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from config.models import Invitation, TeamChange
from config.roles import Role
from config.team import inviting, members
from tests.cast import EPOCH, shop
from tests.visitors import admin, member, visitor

pytestmark = pytest.mark.django_db
WELCOME = {"name": "Ines", "password": "a long pass phrase"}


def role_of(user):
    return members.role_of(user, members.member_of(user))


def found(pattern, page):
    """What the pattern's group holds on the page."""
    match = re.search(pattern, page)
    assert match, f"{pattern} is not on the page"
    return match[1]


def link_for(email="ines@harbour.example", role="marketer"):
    """As an admin makes it on the page."""
    page = admin().post(reverse("team"), {"email": email, "role": role}).content.decode()
    return found(r'id="link">https?://[^/]+(/[^<]+)<', page)


def test_an_invited_person_comes_in_once():
    link = link_for()
    newcomer = Client()
    assert "Marketer" in newcomer.get(link).content.decode()
    assert newcomer.post(link, WELCOME).headers["Location"] == "/"
    assert newcomer.get(reverse("people")).status_code == 200
    assert "127.0.0.1" in newcomer.get(reverse("usersessions_list")).content.decode()
    assert role_of(User.objects.get(email="ines@harbour.example")) is Role.MARKETER
    assert Client().get(link).status_code == 410
    assert Client().post(link, WELCOME).status_code == 410
    assert User.objects.filter(email="ines@harbour.example").count() == 1


def test_looking_at_an_invitation_changes_nothing():
    link = link_for()
    for method in ("get", "head", "options"):
        getattr(Client(), method)(link)
    assert Client().get(link).status_code == 200


def test_a_weak_password_is_refused_in_words_and_the_link_goes_on_working():
    link = link_for()
    answer = Client().post(link, {"name": "Ines", "password": "ines"})
    assert answer.status_code == 422
    assert "too short" in answer.content.decode()
    assert Client().get(link).status_code == 200


def test_only_the_hash_of_a_link_is_kept():
    secret = link_for().strip("/").split("/")[-1]
    kept = bytes(Invitation.objects.get().token_hash)
    assert secret.encode() not in kept and len(kept) == 32


def test_a_link_ends_after_a_week():
    shop()
    secret = inviting.invite(now=EPOCH, email="ines@harbour.example", role=Role.VIEWER, by=None)
    assert inviting.find(now=EPOCH + timedelta(days=6), secret=secret)
    assert inviting.find(now=EPOCH + timedelta(days=7), secret=secret) is None
    with pytest.raises(members.CannotChange):
        inviting.accept(now=EPOCH + timedelta(days=8), secret=secret, name="Ines", password="x")


def test_a_withdrawn_link_no_longer_works():
    link = link_for()
    admin().post(reverse("team-withdraw", args=[Invitation.objects.get().pk]))
    assert Client().get(link).status_code == 410


def test_inviting_again_ends_the_older_link():
    first = link_for()
    second = link_for()
    assert Client().get(first).status_code == 410
    assert Client().get(second).status_code == 200


def test_a_member_cannot_be_invited_again():
    member("ines", Role.VIEWER)
    page = admin().post(reverse("team"), {"email": "Ines@harbour.example", "role": "admin"})
    assert page.status_code == 422
    assert "in the team already" in page.content.decode()
    assert not Invitation.objects.exists()


def test_a_link_for_a_new_password_signs_out_everywhere_else():
    shop()
    ines, old = member("ines", Role.APPROVER, "the old pass phrase"), Client()
    old.post("/sign-in/", {"login": ines.email, "password": "the old pass phrase"})
    old.get("/")
    page = admin().post(reverse("team-link", args=[ines.pk])).content.decode()
    link = found(r'id="link">https?://[^/]+(/[^<]+)<', page)
    new = Client()
    assert new.post(link, {"password": "the new pass phrase"}).status_code == 302
    assert new.get(reverse("people")).status_code == 200
    assert old.get(reverse("people")).status_code == 302
    assert role_of(ines) is Role.APPROVER


def test_a_role_counts_from_the_next_request():
    client = visitor("ines", Role.MARKETER)
    ines = User.objects.get(email="ines@harbour.example")
    assert client.get(reverse("campaign-new")).status_code == 200
    admin().post(reverse("team-role", args=[ines.pk]), {"role": "viewer"})
    assert client.get(reverse("campaign-new")).status_code == 403
    assert client.get(reverse("campaigns")).status_code == 200


def test_whoever_is_removed_is_out_at_once():
    client = visitor("ines", Role.ADMIN)
    ines = User.objects.get(email="ines@harbour.example")
    admin().post(reverse("team-remove", args=[ines.pk]))
    assert client.get(reverse("campaigns")).status_code in {302, 403}
    assert not User.objects.get(pk=ines.pk).is_active


def test_whoever_was_removed_can_be_invited_again_and_is_the_same_person():
    visitor("ines", Role.ADMIN)
    ines = User.objects.get(email="ines@harbour.example")
    admin().post(reverse("team-remove", args=[ines.pk]))
    link, back = link_for(role="viewer"), Client()
    assert back.post(link, WELCOME).headers["Location"] == "/"
    assert back.get(reverse("campaigns")).status_code == 200
    assert User.objects.get(email="ines@harbour.example").pk == ines.pk
    assert role_of(User.objects.get(pk=ines.pk)) is Role.VIEWER


def test_the_only_admin_stays_one():
    client = admin()
    only = User.objects.get(email="admin@harbour.example")
    for path, form in (
        (reverse("team-role", args=[only.pk]), {"role": "viewer"}),
        (reverse("team-remove", args=[only.pk]), {}),
    ):
        assert "only admin" in client.post(path, form, follow=True).content.decode()
    assert role_of(User.objects.get(pk=only.pk)) is Role.ADMIN


def test_what_happens_to_the_team_is_written_down():
    link = link_for()
    Client().post(link, WELCOME)
    told = [str(change) for change in TeamChange.objects.order_by("pk")][-2:]
    assert told == ["ines@harbour.example: was invited as marketer", "Ines: is marketer now"]


def test_the_first_admin_comes_in_by_a_command(capsys):
    call_command("invite", "first@harbour.example")
    path = "/" + capsys.readouterr().out.strip().split("/", 3)[3]
    newcomer = Client()
    newcomer.post(path, WELCOME)
    assert newcomer.get(reverse("team")).status_code == 200


@pytest.mark.parametrize("address", ["nobody", "a@b@c", ""])
def test_the_command_refuses_what_is_no_address(address):
    with pytest.raises(CommandError, match="not an e-mail address"):
        call_command("invite", address)


def test_a_superuser_of_the_command_line_is_an_admin_and_an_account_without_a_place_is_nobody():
    shop()
    assert role_of(User.objects.create_superuser("root", "root@harbour.example", "x")) is Role.ADMIN
    stray = User.objects.create_user("stray", "stray@harbour.example", "x")
    client = Client()
    client.force_login(stray)
    answer = client.get(reverse("campaigns"))
    assert answer.status_code == 403
    assert "no place in the team" in answer.content.decode()
