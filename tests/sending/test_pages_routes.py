import socket
import threading
from base64 import b64decode
from contextlib import suppress

import pytest
from django.urls import reverse
from django.utils import timezone

from reputation import sealed
from reputation.models import Budget, DayTally, SendingAddress
from reputation.workspace import zone
from sending.esp.settings import settings_of, webhook_secret_of
from sending.models import Pool, Route
from sending.relay import secret_of
from tests.visitors import admin, colleague

pytestmark = pytest.mark.django_db
RELAY = {"name": "Office relay", "security": "none", "username": "", "password": ""}


class Relay:
    """Greets, offers AUTH PLAIN, takes one password."""

    def __init__(self, password="secret"):
        self.good = password
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            with suppress(OSError), peer, peer.makefile("rb") as lines:
                peer.sendall(b"220 relay.test ESMTP\r\n")
                for line in lines:
                    peer.sendall(self._answer(line))

    def _answer(self, line):
        if line.upper().startswith(b"EHLO"):
            return b"250-relay.test\r\n250 AUTH PLAIN\r\n"
        if line.upper().startswith(b"AUTH PLAIN"):
            right = b64decode(line.split()[2]).endswith(b"\0" + self.good.encode())
            return b"235 2.7.0 Welcome\r\n" if right else b"535 5.7.8 No such luck\r\n"
        return b"221 Bye\r\n"


@pytest.fixture
def relay():
    running = Relay()
    yield running
    running.server.close()


def url(name, row):
    return reverse(name, args=[row.pk])


def relay_form(relay, **changes):
    return RELAY | {"host": "127.0.0.1", "port": str(relay.port)} | changes


def test_a_relay_is_tried_before_it_is_saved_and_its_password_is_sealed(relay):
    form = relay_form(relay, username="mara", password="secret")
    answer = admin().post(reverse("route-new", args=["relay"]), form, follow=True)
    made = Route.objects.get()
    page = answer.content.decode()
    assert "let us in as mara" in page
    assert sealed.unseal(made.password_sealed or b"", about=secret_of(made)) == "secret"
    assert "secret" not in page.replace("secret of", "")


def test_a_wrong_password_is_said_plainly_and_nothing_is_saved(relay):
    form = relay_form(relay, username="mara", password="wrong")
    answer = admin().post(reverse("route-new", args=["relay"]), form)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "127.0.0.1 refused our user name or password." in page
    assert "No such luck" in page
    assert "wrong" not in page.split("<form")[2].split("</form>")[0].replace("wrong price", "")
    assert not Route.objects.exists()


def test_a_wrong_port_is_said_plainly_and_may_be_saved_all_the_same():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    form = RELAY | {"host": "127.0.0.1", "port": str(port)}
    client = admin()
    answer = client.post(reverse("route-new", args=["relay"]), form)
    assert f"Nothing answers at 127.0.0.1 on port {port}" in answer.content.decode()
    client.post(reverse("route-new", args=["relay"]), form | {"anyway": "on"})
    assert Route.objects.get().port == port


def test_tls_where_there_is_none_is_said_plainly(relay):
    answer = admin().post(reverse("route-new", args=["relay"]), relay_form(relay, security="tls"))
    assert "does not speak TLS from the start" in answer.content.decode()
    answer = admin().post(reverse("route-new", args=["relay"]), relay_form(relay, security="starttls"))
    assert "does not offer STARTTLS" in answer.content.decode()


def test_an_empty_password_keeps_the_one_there_is_and_the_route_is_tried_with_it(relay):
    client = admin()
    client.post(reverse("route-new", args=["relay"]), relay_form(relay, username="mara", password="secret"))
    made = Route.objects.get()
    client.post(url("route-edit", made), relay_form(relay, name="Renamed", username="mara"))
    made.refresh_from_db()
    assert made.name == "Renamed"
    assert sealed.unseal(made.password_sealed or b"", about=secret_of(made)) == "secret"
    assert "let us in as mara" in client.post(url("route-test", made), follow=True).content.decode()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"host": "https://x.example"}, "no https://"),
        ({"host": "smtp.example.com"}, "only a server on this machine"),
        ({"port": "70000"}, "less than or equal to 65535"),
        ({"username": "mara"}, "needs a password"),
    ],
)
def test_a_relay_that_can_not_be_is_refused_before_anything_is_asked(relay, change, sentence):
    answer = admin().post(reverse("route-new", args=["relay"]), relay_form(relay, **change))
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Route.objects.exists()


def test_a_direct_route_uses_the_machine_of_its_address_and_one_address_has_one_route():
    address = SendingAddress.objects.create(ip="127.0.1.1", ehlo_name="out1.x.example", egress_host="second")
    client = admin()
    client.post(reverse("route-new", args=["direct"]), {"name": "Own", "address": address.pk})
    assert Route.objects.get().egress_host == "second"
    answer = client.post(reverse("route-new", args=["direct"]), {"name": "Other", "address": address.pk})
    assert "leaves from 127.0.1.1 already" in answer.content.decode()


def test_an_esp_keeps_its_settings_sealed():
    client = admin()
    form = {"name": "Mail", "setting_server_token": "s3cret", "webhook_secret": "hook:a-long-secret"}
    page = client.post(reverse("route-new", args=["esp"]) + "?esp=postmark", form, follow=True).content.decode()
    made = Route.objects.get()
    assert settings_of(made).values == {"server_token": "s3cret"}
    assert webhook_secret_of(made) == "hook:a-long-secret"
    assert f"/hooks/{made.pk}/" in page
    assert "s3cret" not in page
    assert "a-long-secret" not in page
    client.post(url("route-edit", made), {"name": "Post", "setting_message_stream": "broadcast"})
    made.refresh_from_db()
    assert made.name == "Post"
    assert settings_of(made).values == {"server_token": "s3cret", "message_stream": "broadcast"}


def test_the_provider_is_chosen_first():
    page = admin().get(reverse("route-new", args=["esp"])).content.decode()
    assert '<a href="?esp=mailgun">Mailgun</a>' in page


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"setting_server_token": ""}, "required"),
        ({"setting_server_token": "two words"}, "only plain letters"),
        ({"setting_api_url": "ftp://x"}, "is no web address"),
        ({"webhook_secret": "short"}, "at least 16 characters"),
    ],
)
def test_settings_that_can_not_work_are_refused_and_nothing_is_kept(change, sentence):
    form = {"name": "Postmark", "setting_server_token": "s3cret"} | change
    answer = admin().post(reverse("route-new", args=["esp"]) + "?esp=postmark", form)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Route.objects.exists()


def relays(*names):
    return [Route.objects.create(name=name, kind="relay", host="localhost") for name in names]


def test_a_route_is_drained_and_taken_back():
    [route] = relays("A")
    client = admin()
    client.post(url("route-drain", route))
    route.refresh_from_db()
    assert not route.active
    client.post(url("route-activate", route))
    route.refresh_from_db()
    assert route.active


def test_a_pool_keeps_the_order_of_its_places():
    a, b, c = relays("A", "B", "C")
    client = admin()
    client.post(reverse("pool-new"), {"name": "P", f"place_{a.pk}": "2", f"place_{c.pk}": "1"})
    pool = Pool.objects.get()
    assert [member.route for member in pool.members.all()] == [c, a]
    client.post(url("pool", pool), {"name": "P", "overflow": "on", f"place_{b.pk}": "1"})
    pool.refresh_from_db()
    assert ([member.route for member in pool.members.all()], pool.overflow) == ([b], True)
    answer = client.post(url("pool", pool), {"name": "P"})
    assert "sends nothing" in answer.content.decode()
    client.post(url("pool-delete", pool))
    assert not Pool.objects.exists()


def test_a_colleague_looks_and_changes_nothing():
    [route] = relays("A")
    pool = Pool.objects.create(name="P")
    client = colleague()
    assert client.get(reverse("routes")).status_code == 200
    assert client.get(url("route", route)).status_code == 200
    for name in ("route-edit", "route-test", "route-drain", "route-activate"):
        assert client.post(url(name, route)).status_code == 403
    paths = [reverse("route-new", args=["relay"]), reverse("pool-new"), url("pool", pool), url("pool-delete", pool)]
    assert {client.post(path).status_code for path in paths} == {403}


def test_ten_routes_cost_as_many_queries_as_one(django_assert_max_num_queries):
    relays(*(f"R{n}" for n in range(10)))
    client = colleague()
    with django_assert_max_num_queries(10):
        client.get(reverse("routes"))


def test_a_route_says_what_left_today_and_where_it_is_slowed_down():
    [route] = relays("A")
    day = timezone.localdate(timezone=zone())
    for provider, state in (("google", "held"), ("yahoo", "slowed"), ("gmx", "open")):
        budget = Budget.objects.create(kind="account", scope=f"route:{route.pk}", provider=provider, state=state)
        DayTally.objects.create(budget=budget, day=day, sent=100, accepted=90, deferred=7, bounced=3)
    page = " ".join(colleague().get(reverse("routes")).content.decode().split())
    assert "300 sent<small>90 % accepted, 21 put off, 9 bounced</small>" in page
    assert "Held</span> <small>at 1 provider</small>" in page
    assert "300 sent" in colleague().get(url("route", route)).content.decode()


def test_the_page_of_a_test_shows_each_step(relay):
    client = admin()
    client.post(reverse("route-new", args=["relay"]), relay_form(relay, username="mara", password="secret"))
    page = client.post(url("route-test", Route.objects.get())).content.decode()
    assert "Test letter to" in page and page.count("Worked") >= 3 and "Left out" in page
