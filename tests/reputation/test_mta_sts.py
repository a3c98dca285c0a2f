"""The MTA-STS policy by HTTPS, from a server of our own on loopback: right, wrong, or could not be looked up."""

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reputation import mta_sts, optional
from reputation.authentication import _txt
from reputation.mta_sts import CouldNotFetch
from reputation.pure.mta_sts_policy import LARGEST, Policy, Wrong
from tests.reputation.conftest import Zones

HOST = "bounce.news.shop.example"
NAME = f"mta-sts.{HOST}"
TEXT = "version: STSv1\nmode: enforce\nmx: mail.shop.example\nmax_age: 86400\n"


class Site:
    """What the server answers; `certificate` is the only one a reader has to trust."""

    def __init__(self, folder) -> None:
        self.status, self.body = 200, TEXT.encode()
        self.piece, self.pause, self.missing, self.patience = 100_000, 0.0, 0, threading.Event()
        self.certificate = str(_make_certificate(folder))
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path == mta_sts.PATH
                self.send_response(site.status if found else 404)
                self.send_header("Location", "https://elsewhere.example/")
                self.send_header("Content-Length", str(len(site.body) + site.missing))
                self.end_headers()
                for n in range(0, len(site.body), site.piece):
                    self.wfile.write(site.body[n : n + site.piece])
                    site.patience.wait(site.pause)

            def log_message(self, *_words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def fetch(self) -> Policy:
        port = self.server.server_address[1]
        return mta_sts.fetch(HOST, port=port, trust=ssl.create_default_context(cafile=self.certificate))


def _make_certificate(folder):
    """A self-signed certificate for NAME with its key, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def site(zones: Zones, settings, tmp_path) -> Iterator[Site]:
    settings.LAB = True
    zones.add(f"{NAME}. 300 IN A 127.0.0.1\n{HOST}. 300 IN MX 10 mail.shop.example.")
    made = Site(tmp_path)
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_policy_is_read(site: Site):
    policy = site.fetch()
    assert policy == Policy("enforce", ("mail.shop.example",), 86400)
    assert mta_sts.wrong_with(policy, HOST) == ""


def test_a_policy_that_leaves_our_mx_out_keeps_bounces_away(site: Site):
    site.body = TEXT.replace("mail.", "old.").encode()
    assert "bounces cannot reach us" in mta_sts.wrong_with(site.fetch(), HOST)
    site.body = site.body.replace(b"enforce", b"testing")
    assert "once it is enforced" in mta_sts.wrong_with(site.fetch(), HOST)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, b"", "status 404"),
        (301, b"", "status 301; senders want 200 and no redirect"),
        (200, b"hello", "version"),
        (200, b"x" * (LARGEST + 1), "larger than 64 KB"),
    ],
)
def test_what_senders_would_not_take_is_wrong(site: Site, status: int, body: bytes, reason: str):
    site.status, site.body = status, body
    with pytest.raises(Wrong, match=reason):
        site.fetch()


def test_a_certificate_nobody_trusts_is_wrong(site: Site):
    with pytest.raises(Wrong, match="certificate"):
        mta_sts.fetch(HOST, port=site.server.server_address[1])


def test_a_server_that_is_ill_or_away_proves_nothing(site: Site):
    site.status = 503
    with pytest.raises(CouldNotFetch, match="503"):
        site.fetch()
    site.server.shutdown()
    site.server.server_close()
    with pytest.raises(CouldNotFetch, match="did not answer"):
        site.fetch()


def test_a_server_that_answers_letter_by_letter_is_not_waited_for(site: Site, monkeypatch):
    monkeypatch.setattr(mta_sts, "WHOLE_SECONDS", 0.5)
    site.piece, site.pause = 1, 1.0
    with pytest.raises(CouldNotFetch, match="could not be read"):
        site.fetch()
    site.patience.set()


def test_half_an_answer_proves_nothing(site: Site):
    site.missing = 40
    with pytest.raises(CouldNotFetch, match="IncompleteRead"):
        site.fetch()


def test_a_name_that_is_not_there_is_wrong_and_one_nobody_can_look_up_is_not(zones: Zones):
    with pytest.raises(Wrong, match="has no address"):
        mta_sts.fetch(HOST)
    zones.fails.add(NAME)
    with pytest.raises(CouldNotFetch, match="could not be looked up"):
        mta_sts.fetch(HOST)


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "100.64.0.1"])
def test_a_name_never_leads_into_our_own_network(zones: Zones, settings, ip: str):
    settings.LAB = False
    zones.add(f"{NAME}. 300 IN A {ip}")
    with pytest.raises(Wrong, match="inside a network"):
        mta_sts.fetch(HOST)


def test_a_rehearsal_reads_nothing_from_the_world(zones: Zones, settings):
    settings.LAB = True
    zones.add(f"{NAME}. 300 IN A 192.0.2.1")
    with pytest.raises(CouldNotFetch, match="LAB is on"):
        mta_sts.fetch(HOST)


def look():
    made = [call() for call in optional.checks(domain="news.shop.example", host=HOST, txt=_txt)]
    return next(check for check in made if check.name == "mta_sts")


def test_a_record_that_promises_a_policy_nobody_can_read_fails(zones: Zones):
    zones.add(f'_mta-sts.{HOST}. 300 IN TXT "v=STSv1; id=1"')
    check = look()
    assert (check.result, "has no address" in check.detail, check.weighs) == ("fail", True, "tell")


def test_a_policy_that_could_not_be_read_is_no_fault(zones: Zones):
    zones.add(f'_mta-sts.{HOST}. 300 IN TXT "v=STSv1; id=1"')
    zones.fails.add(NAME)
    assert look().result == "unknown"
