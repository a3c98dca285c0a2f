import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import transaction

from reputation import sealed
from sending import direct, egress, relay, smtp
from sending.models import Route
from sending.transports import CouldNotOpen, Destination, Letter, NoAnswer, Patience
from tests.cast import direct_route
from tests.sending.scripted_receiver import Script, receiving

PATIENCE = Patience(connect=2.0, command=1.0, dot=1.0)


@pytest.mark.parametrize("ip", ["8.8.8.8", "10.0.0.1", "192.168.1.1", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
def test_in_the_lab_nothing_leaves_this_machine(ip: str) -> None:
    with pytest.raises(egress.EgressRefused):
        egress.check_target(ip, lab=True, is_mx=False)


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_in_the_lab_loopback_is_open(ip: str) -> None:
    egress.check_target(ip, lab=True, is_mx=True)


@pytest.mark.parametrize(
    "ip",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"),
    ],
)
def test_a_strangers_mx_never_leads_into_our_network(ip: str) -> None:
    with pytest.raises(egress.EgressRefused):
        egress.check_target(ip, lab=False, is_mx=True)


def test_public_addresses_and_a_relay_of_our_own_network_are_open() -> None:
    for ip in ("8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808"):
        egress.check_target(ip, lab=False, is_mx=True)
    egress.check_target("10.0.0.25", lab=False, is_mx=False)


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_opened_inside_a_transaction() -> None:
    with transaction.atomic(), pytest.raises(egress.InsideTransaction):
        egress.connect(ip="127.0.0.1", port=25, source=None, timeout=1, lab=True, is_mx=True)


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1)).sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def starttls_server(certificate: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Offers STARTTLS, and sends a reply in plain text behind its answer, as a man in the middle would."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve() -> None:
        connection, _ = listener.accept()
        connection.sendall(b"220 mx.test\r\n")
        connection.recv(1000)
        connection.sendall(b"250-mx.test\r\n250 STARTTLS\r\n")
        connection.recv(1000)
        connection.sendall(b"220 Go ahead\r\n250-mx.test\r\n250 INJECTED\r\n")
        with context.wrap_socket(connection, server_side=True) as secured:
            heard.append(secured.recv(1000))
            secured.sendall(b"250-mx.test\r\n250 PIPELINING\r\n")
            secured.recv(1000)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1], heard
    listener.close()


def test_what_came_in_plain_text_behind_starttls_is_thrown_away(starttls_server, settings) -> None:
    port, heard = starttls_server
    sock = socket.create_connection(("127.0.0.1", port), 2)
    dialogue = smtp.Dialogue(sock, host="mx.test", ehlo_name="out1.example", patience=PATIENCE)
    smtp.greet(dialogue, PATIENCE)
    smtp.start_tls(dialogue, direct._unverified())

    assert dialogue.has_extn("pipelining") and not dialogue.has_extn("injected")
    assert heard[0].startswith(b"ehlo out1.example")
    dialogue.close()


# -- Replies that take for ever ----------------------------------------------------------------------------------------


def test_a_receiver_that_drips_is_given_one_limit_for_the_whole_reply() -> None:
    ours, theirs = socket.socketpair()
    dialogue = smtp.Dialogue(ours, host="x", ehlo_name="y", patience=PATIENCE)
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.1):
            try:
                theirs.sendall(b"2")
            except OSError:
                return

    threading.Thread(target=drip, daemon=True).start()
    session = smtp.SmtpSession(dialogue, patience=PATIENCE)
    with pytest.raises(NoAnswer):
        session.hear_content()
    stop.set()
    theirs.close()


# -- Relays ------------------------------------------------------------------------------------------------------------


def relay_route(**fields) -> Route:
    return Route.objects.create(
        **{"name": "relay", "kind": "relay", "host": "127.0.0.1", "security": "none", "port": 1, **fields}
    )


@pytest.mark.django_db
def test_a_relay_takes_our_mail() -> None:
    with receiving() as receiver:
        session = relay.transport(relay_route(port=receiver.port), patience=PATIENCE).open(Destination(site=""))
        letter = Letter(mail_from="b@x.example", rcpt_to="a@b.example", content=b"Subject: x\r\n\r\n.dot\r\n")
        session.offer(letter)
        assert session.hear_offer() is None and session.begin_content() is None
        session.send_content(letter)
        assert session.hear_content().code == 250
        session.quit()
    assert receiver.messages["a@b.example"] == letter.content


@pytest.mark.django_db
def test_a_wrong_password_is_said_in_a_sentence() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"220 relay\r\n")
            connection.recv(1000)
            connection.sendall(b"250-relay\r\n250 AUTH PLAIN\r\n")
            connection.recv(1000)
            connection.sendall(b"535 5.7.8 Authentication credentials invalid\r\n")
            connection.recv(1000)

    threading.Thread(target=serve, daemon=True).start()
    route = relay_route(port=listener.getsockname()[1], username="shop")
    route.password_sealed = sealed.seal("wrong", about=relay.secret_of(route))
    with pytest.raises(CouldNotOpen, match="did not take the user name and password of the route relay") as caught:
        relay.transport(route, patience=PATIENCE).open(Destination(site=""))
    assert caught.value.refusal is not None and caught.value.refusal.phase == "auth"
    assert "wrong" not in repr(relay.transport(route, patience=PATIENCE))
    listener.close()


@pytest.mark.django_db
def test_a_relay_that_must_encrypt_and_does_not_is_refused() -> None:
    with receiving() as receiver, pytest.raises(CouldNotOpen, match="does not offer STARTTLS"):
        route = relay_route(port=receiver.port, security="starttls")
        relay.transport(route, patience=PATIENCE).open(Destination(site=""))


@pytest.mark.django_db
def test_a_provider_that_requires_tls_is_not_spoken_to_in_plain_text(settings) -> None:
    with receiving() as receiver, pytest.raises(CouldNotOpen, match="does not offer TLS"):
        settings.SMTP_PORT = receiver.port
        destination = Destination(site="x", hosts=("127.0.0.1",), requires_tls=True)
        direct.transport(direct_route(), patience=PATIENCE).open(destination)
    assert not any(command.startswith("MAIL") for command in receiver.commands)


@pytest.mark.django_db
def test_the_next_mx_is_tried_when_one_cannot_be_reached_but_not_when_one_refuses(settings) -> None:
    with receiving(ip="127.0.0.3") as receiver:
        settings.SMTP_PORT = receiver.port
        hosts = Destination(site="x", hosts=("127.0.0.2", "127.0.0.3"))
        direct.transport(direct_route(), patience=PATIENCE).open(hosts).quit()
        assert receiver.connections == 1
        with receiving(Script(greeting="554 No"), ip="127.0.0.2", port=receiver.port), pytest.raises(CouldNotOpen):
            direct.transport(direct_route(), patience=PATIENCE).open(hosts)
        assert receiver.connections == 1
