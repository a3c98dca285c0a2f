import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth.hashers import get_hasher
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from config.roles import Role
from reputation.models import Workspace
from tests.cast import shop
from tests.visitors import colleague, member

pytestmark = pytest.mark.django_db
PASSWORD = "a long pass phrase"
SIGN_IN = "/sign-in/"


def found(pattern, page):
    """What the pattern's group holds on the page."""
    match = re.search(pattern, page, re.S)
    assert match, f"{pattern} is not on the page"
    return match[1]


@pytest.fixture(autouse=True)
def fresh_counts():
    """Attempts are counted in the process's cache."""
    cache.clear()


@pytest.fixture
def mara():
    shop()
    return member("mara", Role.MARKETER, PASSWORD)


def typed(email="mara@harbour.example", password=PASSWORD, **more):
    return {"login": email, "password": password, **more}


def code_of(page):
    """What an authenticator app would show for the secret on the page."""
    secret = found(r'id="authenticator_secret"[^>]*>(\w+)<', page)
    return secret, format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def with_second_factor(client):
    asked = client.get(reverse("mfa_activate_totp")).headers["Location"]
    assert client.post(asked, {"password": PASSWORD}).headers["Location"] == reverse("mfa_activate_totp")
    page = client.get(reverse("mfa_activate_totp")).content.decode()
    secret, code = code_of(page)
    assert client.post(reverse("mfa_activate_totp"), {"code": code}).status_code == 302
    return secret


def test_password_managers_can_fill_the_form_in(mara):
    page = Client().get(SIGN_IN).content.decode()
    assert 'autocomplete="username webauthn"' in page
    assert 'autocomplete="current-password"' in page
    assert "onpaste" not in page


def test_signing_in_leads_to_the_page_that_was_asked_for(mara):
    client = Client()
    asked = client.get(reverse("people"))
    answer = client.post(asked.headers["Location"], typed(next=reverse("people")))
    assert answer.headers["Location"] == reverse("people")
    assert client.get(reverse("people")).status_code == 200


def test_another_site_is_no_place_to_go_to(mara):
    answer = Client().post(SIGN_IN, typed(next="https://evil.example/"))
    assert answer.headers["Location"] == "/"


def test_a_wrong_password_and_an_unknown_address_are_told_in_the_same_words(mara):
    said = []
    for email in ("mara@harbour.example", "nobody@harbour.example"):
        page = Client().post(SIGN_IN, typed(email, "wrong one")).content.decode()
        assert "wrong one" not in page
        said.append(found(r'id="sign-in-error">(.*?)</div>', page))
    assert said[0] == said[1]
    assert "not correct" in said[0]


def test_an_unknown_address_costs_as_much_work_as_a_wrong_password(mara, monkeypatch):
    hasher, worked = type(get_hasher()), []
    encode = hasher.encode

    def counted(*given, **more):
        worked.append(1)
        return encode(*given, **more)

    monkeypatch.setattr(hasher, "encode", counted)

    costs = []
    for email in ("mara@harbour.example", "nobody@harbour.example"):
        worked.clear()
        Client().post(SIGN_IN, typed(email, "wrong one"))
        costs.append(len(worked))

    assert costs[0] == costs[1] > 0


def test_guessing_is_stopped_after_a_few_tries(mara):
    client = Client()
    for _ in range(12):
        page = client.post(SIGN_IN, typed(password="wrong one"))
    page = client.post(SIGN_IN, typed())
    assert page.status_code in {200, 429}
    assert "_auth_user_id" not in client.session


def test_nobody_signs_up_by_themselves(mara):
    assert Client().get("/sign-up/").status_code == 404
    assert Client().get("/accounts/signup/").status_code == 404


def test_signing_out_ends_it(mara):
    client = colleague()
    client.post(reverse("account_logout"))
    assert client.get(reverse("people")).status_code == 302


def test_a_second_factor_is_asked_for_once_there_is_one(mara):
    client = Client()
    client.post(SIGN_IN, typed())
    secret = with_second_factor(client)
    client.post(reverse("account_logout"))
    answer = client.post(SIGN_IN, typed())
    assert answer.headers["Location"].startswith(reverse("mfa_authenticate"))
    assert client.get(reverse("people")).status_code == 302
    cache.clear()  # the code of this half-minute was used a moment ago
    code = format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
    client.post(reverse("mfa_authenticate"), {"code": code})
    assert client.get(reverse("people")).status_code == 200


def test_the_secret_of_a_second_factor_is_sealed_at_rest(mara):
    client = Client()
    client.post(SIGN_IN, typed())
    secret = with_second_factor(client)
    kept = Authenticator.objects.get(user=mara, type=Authenticator.Type.TOTP).data
    assert secret not in str(kept)


def test_where_everybody_needs_a_second_factor_nothing_else_opens_before(mara):
    client = Client()
    client.post(SIGN_IN, typed())
    Workspace.objects.update(second_factor_required=True)
    assert client.get(reverse("people")).headers["Location"] == reverse("mfa_activate_totp")
    with_second_factor(client)
    assert client.get(reverse("people")).status_code == 200


def test_a_changed_password_is_needed_elsewhere_too(mara):
    here, there = Client(), Client()
    for client in (here, there):
        client.post(SIGN_IN, typed())
    new = {"oldpassword": PASSWORD, "password1": "another pass phrase", "password2": "another pass phrase"}
    assert here.post(reverse("account_change_password"), new).status_code == 302
    assert here.get(reverse("people")).status_code == 200
    assert there.get(reverse("people")).status_code == 302


def test_one_can_sign_out_everywhere_else(mara):
    here, there = Client(), Client()
    for client in (here, there):
        client.post(SIGN_IN, typed())
        client.get("/")
    here.post(reverse("usersessions_list"))
    assert here.get(reverse("people")).status_code == 200
    assert there.get(reverse("people")).status_code == 302


OWN_PAGES = ["mfa_index", "usersessions_list", "account_change_password", "profile", "mfa_list_webauthn"]


@pytest.mark.parametrize("name", OWN_PAGES)
def test_the_pages_of_ones_own_account_open_in_the_shell(mara, name):
    client = Client()
    client.post(SIGN_IN, typed())
    page = client.get(reverse(name))
    assert page.status_code == 200
    assert 'class="lp-shell"' in page.content.decode()


def test_a_piece_of_a_page_takes_the_whole_page_to_sign_in(mara):
    asked = {"HX-Request": "true", "HX-Current-URL": "http://testserver/people/?q=a"}
    answer = Client().get(reverse("people"), headers=asked)
    assert answer.headers["HX-Redirect"] == "/sign-in/?next=/people/"


def test_a_page_that_is_not_there_says_so_plainly(settings):
    settings.DEBUG = False
    answer = Client().get("/no/such/page/")
    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()


def test_our_own_failure_is_told_without_a_database():
    from django.template.loader import render_to_string

    assert "Something broke on our side" in render_to_string("500.html")


def test_recovery_codes_are_shown_and_replaced_in_our_own_words(mara):
    client = Client()
    client.post(SIGN_IN, typed())
    with_second_factor(client)
    page = client.get(reverse("mfa_view_recovery_codes")).content.decode()
    assert "10 of 10 are left" in page
    assert page.count("<li><code>") == 10
    assert "stop working the moment" in client.get(reverse("mfa_generate_recovery_codes")).content.decode()
    client.post(reverse("mfa_generate_recovery_codes"))
    assert set(codes(client)).isdisjoint(re.findall(r"<li><code>(\w+)", page))


def codes(client):
    return re.findall(r"<li><code>(\w+)", client.get(reverse("mfa_view_recovery_codes")).content.decode())


def test_the_sessions_are_listed_by_browser_and_end_everywhere_else(mara):
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    here, there = Client(), Client(headers={"User-Agent": firefox})
    for client in (here, there):
        client.post(SIGN_IN, typed())
        client.get("/")
    page = here.get(reverse("usersessions_list")).content.decode()
    assert "2 browsers" in page
    assert "Firefox on Linux" in page
    assert "Sign out everywhere else" in page
    here.post(reverse("usersessions_list"))
    assert there.get(reverse("people")).status_code == 302
    assert "Only here" in here.get(reverse("usersessions_list")).content.decode()


def test_removing_the_last_second_factor_asks_who_you_are_again(mara):
    client = Client()
    client.post(SIGN_IN, typed())
    with_second_factor(client)
    session = client.session
    session["account_authentication_methods"] = [
        {**method, "at": method["at"] - 86_400} for method in session["account_authentication_methods"]
    ]
    session.save()
    answer = client.post(reverse("mfa_deactivate_totp"))
    assert answer.status_code == 302
    assert "confirm" in answer.headers["Location"] or "reauthenticate" in answer.headers["Location"]
    assert Authenticator.objects.filter(user=mara, type=Authenticator.Type.TOTP).exists()
