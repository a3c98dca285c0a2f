from datetime import UTC, datetime

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import example, given
from hypothesis import strategies as st

from sending.pure import dkim

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
KEY = rsa.generate_private_key(65537, 2048)
HEADERS = [
    ("Date", b"Mon, 04 May 2026 09:30:00 +0000"),
    ("From", b"Acme <news@acme.example>"),
    ("To", b"ann@example.org"),
    ("Subject", b"=?utf-8?B?8J+OiQ==?=\r\n =?utf-8?B?8J+OiQ==?="),
    ("Message-ID", b"<a@acme.example>"),
    ("List-Unsubscribe", b"<https://t.example/u>,\r\n <mailto:u@t.example>"),
    ("List-Unsubscribe-Post", b"List-Unsubscribe=One-Click"),
    ("MIME-Version", b"1.0"),
    ("Content-Type", b"text/plain"),
]


def pem(key, *, password: bytes | None = None) -> bytes:
    sealing = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealing))


def signed(headers, body: bytes) -> bytes:
    signature = dkim.sign(headers, body, key=KEY, domain="acme.example", selector="s1", now=NOW)
    lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers)
    return signature + lines + b"\r\n" + body


def verifies(raw: bytes) -> bool:
    record = dkim.public_record(KEY).encode()
    return bool(dkimpy.verify(raw, dnsfunc=lambda name, timeout=5: record))


LINE = st.one_of(
    st.sampled_from(
        [b"", b" ", b"\t", b".", b"..", b"a", b"a ", b" a", b"a \t b", b"a\t", b"x" * 998, b"=20", b"--b--"]
    ),
    st.binary(max_size=30).map(lambda octets: octets.replace(b"\r", b"").replace(b"\n", b"")),
)


@given(st.lists(LINE, max_size=8), st.sampled_from([b"", b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n", b" \r\n", b"\t"]))
@example([], b"")
@example([], b"\r\n\r\n")
@example([b"a"], b" \r\n \r\n")
def test_another_implementation_verifies_any_body(lines: list[bytes], end: bytes):
    raw = signed(HEADERS, b"\r\n".join(lines) + end)
    assert verifies(raw if raw.endswith(b"\r\n") else raw + b"\r\n")  # SMTP ends every message with CRLF


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"  ", b"\r\n ", b"\r\n\t", b":", b";"]), max_size=12))
def test_another_implementation_verifies_any_folding(pieces: list[bytes]):
    value = b"x" + b"".join(pieces) + b"y"
    assert verifies(signed([*HEADERS[:3], ("Subject", value), *HEADERS[4:]], b"Hello\r\n"))


def test_changing_anything_signed_breaks_it():
    raw = signed(HEADERS, b"Hello  world\r\n")
    assert verifies(raw)
    assert verifies(raw.replace(b"Hello  world", b"Hello world"))  # what relaxed allows
    for old, new in (
        (b"Hello", b"Hallo"),
        (b"To: ann", b"To: bob"),
        (b"List-Unsubscribe=One-Click", b"List-Unsubscribe=Two-Click"),
        (b"t.example/u>", b"t.example/v>"),
    ):
        assert not verifies(raw.replace(old, new))


def test_nobody_can_add_a_from_or_a_reply_to():
    raw = signed(HEADERS, b"Hello\r\n")
    start, end = raw.split(b"Date: ", 1)
    assert not verifies(start + b"From: Evil <evil@x.example>\r\nDate: " + end)
    assert not verifies(start + b"Reply-To: evil@x.example\r\nDate: " + end)


def test_the_signature_names_what_bulk_receivers_ask_for():
    signature = dkim.sign(HEADERS, b"", key=KEY, domain="acme.example", selector="s1", now=NOW)
    assert signature.endswith(b"\r\n")
    assert all(len(line) <= 100 for line in signature.split(b"\r\n"))
    tags = dict(tag.strip().split(b"=", 1) for tag in signature.partition(b":")[2].split(b";"))
    names = tags[b"h"].replace(b"\r\n", b"").replace(b" ", b"").split(b":")
    assert names.count(b"from") == 2
    assert {b"list-unsubscribe", b"list-unsubscribe-post", b"to", b"subject", b"date", b"message-id"} <= set(names)
    assert tags[b"c"] == b"relaxed/relaxed"
    assert b"l" not in tags
    assert int(tags[b"t"]) == int(NOW.timestamp())


def test_keys_are_read_or_refused_with_a_reason():
    assert dkim.load_key(pem(KEY)).key_size == 2048
    for bad, said in (
        (b"nonsense", "PEM"),
        (pem(KEY, password=b"secret"), "password"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "RSA"),
    ):
        with pytest.raises(dkim.BadKey, match=said):
            dkim.load_key(bad)
