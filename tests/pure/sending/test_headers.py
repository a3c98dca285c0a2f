from datetime import UTC, datetime, timedelta, timezone
from email import policy
from email.header import decode_header, make_header
from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sending.pure.headers import (
    HeaderError,
    NeedsSmtputf8,
    ascii_address,
    date_value,
    header_name,
    mailbox,
    message_id,
    text_header,
    uri_list,
)


def parsed(name: str, value: bytes):
    return BytesParser(policy=policy.SMTP).parsebytes(name.encode() + b": " + value + b"\r\n\r\n")


@pytest.mark.parametrize(
    "subject",
    [
        "Hello",
        "🎉 Party, Zoë! 🎉",
        "שלום עולם, מבצע מיוחד",
        "مرحبا بكم في نشرتنا الإخبارية",
        "春のセールが始まりました。今すぐチェックして、お得な情報を手に入れましょう。" * 3,
        "👩‍👩‍👧‍👦" * 12,
        "word " * 60,
        "x" * 300,
        "=?utf-8?q?not_encoded?=",
        'a, b; c: <d@e> "f" \\',
        "A long subject with é in the middle and a good number of words after it so that it folds",
    ],
)
def test_any_script_reads_back_from_short_ascii_lines(subject: str):
    value = text_header("Subject", subject)
    value.decode("ascii")
    first, *rest = value.split(b"\r\n")
    assert len(b"Subject: " + first) <= 76
    assert all(line.startswith(b" ") and len(line) <= 76 for line in rest)
    assert parsed("Subject", value)["Subject"] == " ".join(subject.split())


@given(
    st.text(
        alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Zs", "Cf", "Cn", "Co"]),
        min_size=1,
        max_size=200,
    )
)
def test_texts_read_back(text: str):
    value = text_header("Subject", text)
    assert parsed("Subject", value)["Subject"] == text


HOSTILE = [
    "a\r\nBcc: victim@example.org",
    "a\nBcc: x@y.example",
    "a\rBcc: x@y.example",
    "a\0b",
    "a\x0bb",
    "a\x0cb",
    "a\x85b",
    "a\u2028Bcc: x",
    "a\u2029b",
    "a\r\n\r\n<script>",
    "\x1b[2J",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_can_begin_another_line(text: str):
    with pytest.raises(HeaderError):
        text_header("Subject", text)
    with pytest.raises(HeaderError):
        mailbox("To", text, "a@example.org")
    with pytest.raises(HeaderError):
        mailbox("To", "", f"a{text}@example.org")
    with pytest.raises(HeaderError):
        mailbox("To", "", f"a@exam{text}ple.org")
    with pytest.raises(HeaderError):
        message_id(f"<a{text}@b.example>")
    with pytest.raises(HeaderError):
        uri_list(f"https://example.org/{text}")
    with pytest.raises(HeaderError):
        header_name(f"X-A{text}")


@given(st.text(max_size=60))
def test_whatever_comes_the_value_stays_one_header(text: str):
    try:
        value = text_header("Subject", text)
    except HeaderError:
        return
    assert b"\n" not in value.replace(b"\r\n ", b"")
    assert b"\r" not in value.replace(b"\r\n ", b"")


def test_more_than_998_bytes_are_refused():
    assert text_header("Subject", "x" * 998)
    for text in ("x" * 999, "é" * 500):
        with pytest.raises(HeaderError, match="998"):
            text_header("Subject", text)


@pytest.mark.parametrize(
    ("display", "shown"),
    [
        ("Acme", "Acme"),
        ("Müller, Anna", "Müller, Anna"),
        ('Bob "the" \\ Builder', 'Bob "the" \\ Builder'),
        ("a@b.example", "a@b.example"),
        ("x" * 200, "x" * 200),
        ("山田太郎" * 12, "山田太郎" * 12),
        ("Evil <evil@x.example>,", "Evil <evil@x.example>,"),
        ("=?utf-8?q?x?=", "=?utf-8?q?x?="),
    ],
)
def test_a_display_name_never_becomes_an_address(display: str, shown: str):
    value = mailbox("To", display, "anna@example.org")
    (address,) = parsed("To", value)["To"].addresses
    assert address.addr_spec == "anna@example.org"
    # The new parser puts a blank between the encoded words of a phrase, against RFC 2047 §6.2; the old one is right.
    assert str(make_header(decode_header(value.decode().rpartition("<")[0]))).strip().replace('\\"', '"').replace(
        "\\\\", "\\"
    ).strip('"').strip() in (shown, shown.strip('"'))
    assert address.display_name.replace(" ", "") == shown.replace(" ", "")
    assert all(len(line) <= 78 for line in value.split(b"\r\n"))


def test_domains_are_sent_as_a_labels():
    assert ascii_address("anna@bücher.example") == "anna@xn--bcher-kva.example"
    assert ascii_address("Anna@EXAMPLE.org") == "Anna@example.org"


def test_a_local_part_beyond_ascii_says_what_is_missing():
    with pytest.raises(NeedsSmtputf8, match="route"):
        ascii_address("jörg@example.org")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "@b.example",
        "a@",
        "a b@c.example",
        "a@b c.example",
        "<a@b.example>",
        "a@b.example> NOTIFY=NEVER",
        "a..b@c.example",
        ".a@c.example",
        "a@-b.example",
        "a@b..example",
        f"{'a' * 65}@b.example",
        "a@" + "b" * 64 + ".example",
        "a,b@c.example",
        '"a b"@c.example',
        "a@[127.0.0.1]",
        "a@b_c.example",
        "a@\u2024.example",
    ],
)
def test_what_is_not_an_address_is_refused(address: str):
    with pytest.raises(HeaderError):
        ascii_address(address)


def test_dates_are_rfc_5322_in_their_own_zone():
    moment = datetime(2026, 5, 4, 9, 30, 15, 999, tzinfo=UTC)
    assert date_value(moment) == b"Mon, 04 May 2026 09:30:15 +0000"
    assert date_value(moment.astimezone(timezone(timedelta(hours=-3)))) == b"Mon, 04 May 2026 06:30:15 -0300"
    with pytest.raises(HeaderError):
        date_value(moment.replace(tzinfo=None))


def test_addresses_in_lists_are_bracketed_one_a_line():
    assert uri_list("https://a.example/u", "mailto:u@a.example") == b"<https://a.example/u>,\r\n <mailto:u@a.example>"
    for wrong in ("javascript:x", "https://a.example/>,<https://b.example", "https://a.example/ü", "https://a b"):
        with pytest.raises(HeaderError):
            uri_list(wrong)
