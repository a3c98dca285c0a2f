import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.cast import shop
from tests.visitors import colleague

pytestmark = pytest.mark.django_db


@pytest.fixture
def mara():
    shop()
    return User.objects.create_user("mara", password="a long pass phrase")


def test_password_managers_can_fill_the_form_in(mara):
    page = Client().get(reverse("sign-in")).content.decode()
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    assert "onpaste" not in page


def test_signing_in_leads_to_the_page_that_was_asked_for(mara):
    client = Client()
    asked = client.get(reverse("people"))
    form = {"username": "mara", "password": "a long pass phrase", "next": reverse("people")}
    answer = client.post(asked.headers["Location"], form)
    assert answer.headers["Location"] == reverse("people")
    assert client.get(reverse("people")).status_code == 200


def test_another_site_is_no_place_to_go_to(mara):
    form = {"username": "mara", "password": "a long pass phrase", "next": "https://evil.example/"}
    assert Client().post(reverse("sign-in"), form).headers["Location"] == "/"


@pytest.mark.parametrize("name", ["mara", "nobody"])
def test_a_wrong_password_and_an_unknown_name_are_told_in_the_same_words(mara, name):
    page = Client().post(reverse("sign-in"), {"username": name, "password": "wrong"}).content.decode()
    assert "User name or password is wrong." in page
    assert 'value="wrong"' not in page


def test_signing_out_ends_it(mara):
    client = colleague()
    client.post(reverse("sign-out"))
    assert client.get(reverse("people")).status_code == 302


def test_a_page_that_is_not_there_says_so_plainly(settings):
    settings.DEBUG = False
    answer = Client().get("/no/such/page/")
    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()


def test_our_own_failure_is_told_without_a_database():
    from django.template.loader import render_to_string

    assert "Something broke on our side" in render_to_string("500.html")
