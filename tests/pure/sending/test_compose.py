import json
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sending.pure.compose import Composed, RecipientContext, SystemValues, compose, prepare
from sending.pure.dialogue import stuffed
from sending.pure.dkim import canonical_body
from sending.pure.headers import HeaderError, NeedsSmtputf8
from sending.pure.message import TRANSACTIONAL, CompiledMessage, Envelope, Wire, build_message
from sending.pure.personalise import PersonalisationFailed, TemplateError

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
ACME = Envelope(
    from_name="Acme",
    from_address="news@acme.example",
    reply_to="hello@acme.example",
    list_id="News <news.acme.example>",
)
SYSTEM = SystemValues(
    message_id="<m1.d7@acme.example>",
    date=NOW,
    links=[f"https://t.acme.example/l/{n}?a=1&b=2" for n in range(2)],
    unsubscribe_url="https://t.acme.example/u/abc",
    preferences_url="https://t.acme.example/p/abc",
    web_version_url="https://t.acme.example/w/abc",
    unsubscribe_mailto="u-abc@bounce.acme.example",
    mailing_ref="m1",
    feedback_id="m1:news:marketing:acme",
)
TEXT = "Hello {{ contact.first_name | default: 'there' }},\n.\n{{ contact.city }}\nBye {{ link[0] }}\n"
HTML = (
    "<html><body><p>Hello {{ contact.first_name | default: 'there' }}</p>{% if contact.vip %}<b>{{ contact.city }}"
    '</b><a href="{{ link[1] }}">VIP</a>{% endif %}<a href="{{ link[0] }}">x</a></body></html>\n'
)


def message(**changes) -> CompiledMessage:
    values = {
        "envelope": ACME,
        "subject": "Hi {{ contact.first_name }}",
        "text": TEXT,
        "html": HTML,
        "links": ["a", "b"],
    }
    return build_message(**{**values, **changes})


def copy_for(
    fields: dict[str, object], *, compiled: CompiledMessage | None = None, email: str = "ann@example.org", **system: Any
) -> Composed:
    recipient = RecipientContext(email=email, fields=fields, name=str(system.pop("name", "")))
    return compose(prepare(compiled or message()), recipient=recipient, system=replace(SYSTEM, **system))


def read(composed: Composed) -> EmailMessage:
    parsed = BytesParser(policy=policy.SMTP).parsebytes(composed.as_bytes())
    assert not parsed.defects
    return parsed


def parts(composed: Composed) -> tuple[str, str]:
    text, html = (part.get_content().replace("\r\n", "\n") for part in read(composed).iter_parts())
    return text, html


def test_every_header_a_receiver_asks_for_stands_once():
    parsed = read(copy_for({"first_name": "Ann"}))
    expected = {
        "Date": "Mon, 04 May 2026 09:30:00 +0000",
        "From": "Acme <news@acme.example>",
        "To": "ann@example.org",
        "Subject": "Hi Ann",
        "Message-ID": "<m1.d7@acme.example>",
        "Reply-To": "hello@acme.example",
        "List-Unsubscribe": "<https://t.acme.example/u/abc>, <mailto:u-abc@bounce.acme.example>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": "News <news.acme.example>",
        "Feedback-ID": "m1:news:marketing:acme",
        "X-Letterpace-Mailing": "m1",
        "MIME-Version": "1.0",
    }
    assert {name: str(parsed[name]) for name in expected} == expected
    assert all(len(parsed.get_all(name, [])) == 1 for name in parsed.keys())  # noqa: SIM118
    assert "Precedence" not in parsed
    assert parsed.get_content_type() == "multipart/alternative"


def test_values_are_escaped_in_html_and_plain_in_text():
    text, html = parts(copy_for({"first_name": "<img src=x onerror=alert(1)>", "city": "A&B", "vip": True}))
    assert "Hello <img src=x onerror=alert(1)>,\n.\nA&B\nBye https://t.acme.example/l/0?a=1&b=2\n" in text
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert '<b>A&amp;B</b><a href="https://t.acme.example/l/1?a=1&amp;b=2">VIP</a>' in html


def test_fallbacks_and_blocks_differ_from_person_to_person():
    prepared = prepare(message())
    copies = [
        compose(prepared, recipient=RecipientContext(email="a@b.example", fields=fields), system=SYSTEM)
        for fields in ({"first_name": "Ann", "vip": True}, {})
    ]
    assert ["VIP" in parts(copy)[1] for copy in copies] == [True, False]
    assert ["there" in parts(copy)[0] for copy in copies] == [False, True]


@given(
    st.dictionaries(
        st.sampled_from(["first_name", "city", "vip"]),
        st.one_of(st.text(max_size=120), st.text(alphabet=" .=\n\r\t<&|", max_size=40), st.integers(), st.none()),
    )
)
def test_whatever_the_values_the_body_stays_ascii_short_and_without_bare_line_ends(fields: dict[str, object]):
    composed = copy_for(fields, compiled=PLAIN_SUBJECT)
    body = composed.body
    body.decode("ascii")
    assert b"\r" not in body.replace(b"\r\n", b"")
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert all(len(line) <= 76 and line != b"." and not line.endswith(b" ") for line in body.split(b"\r\n"))
    assert composed.is_relaxed and canonical_body(body) == body
    assert composed.is_stuffed and stuffed(composed.as_bytes()) == composed.as_bytes()
    text, _html = parts(composed)
    unix = str(fields.get("first_name") or "").replace("\r\n", "\n").replace("\r", "\n")
    shown = "".join(c for c in unix if c in "\n\t" or (c >= " " and c != "\x7f"))
    shown = shown.encode("utf-8", "replace").decode()
    assert text.startswith(
        f"Hello {shown or ('there' if not fields.get('first_name') and fields.get('first_name') != 0 else shown)}"
    )


PLAIN_SUBJECT = message(subject="Hello")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Hello {{ contact.city }}\n", "Rome"),
        ("Hello {{ contact.city }}\n", ".com"),
        ("Hello {{ contact.city }}\n", "x" * 75 + ".com"),
        (".hidden\n{{ contact.city }}\n...and more\n", "Rome"),
    ],
)
def test_no_line_of_a_copy_begins_with_a_dot(text: str, value: str):
    composed = copy_for({"city": value}, compiled=message(text=text, subject="Hi"))
    assert composed.is_stuffed
    assert stuffed(composed.as_bytes()) == composed.as_bytes()


@pytest.mark.parametrize("literal", [".x\r\n", "x\r\n.y\r\n", "x\n", "x\ry\r\n"])
def test_a_literal_of_an_older_release_is_looked_through(literal: str):
    compiled = message(subject="Hi")
    composed = copy_for({}, compiled=replace(compiled, body=(Wire(literal), *compiled.body)))
    assert not composed.is_stuffed


@pytest.mark.parametrize("value", ["a\r\nBcc: x@y.example", "a\nb", "a\rb", "a\0b", "a\u2028b", "x" * 1000])
def test_a_value_that_could_break_the_subject_leaves_the_person_out_with_a_reason(value: str):
    with pytest.raises(PersonalisationFailed) as caught:
        copy_for({"first_name": value})
    assert "Subject" in caught.value.reason


@pytest.mark.parametrize("value", ["a\r\nBcc: x@y.example", "a\nb", "a\0b"])
def test_every_other_header_refuses_a_second_line_too(value: str):
    systems: list[dict[str, Any]] = [
        {"name": value},
        {"mailing_ref": value},
        {"feedback_id": value},
        {"extra_headers": (("X-A", value),)},
        {"message_id": f"<{value}@b.example>"},
        {"unsubscribe_url": f"https://x.example/{value}"},
    ]
    for system in systems:
        with pytest.raises(PersonalisationFailed):
            copy_for({}, **system)
    with pytest.raises(PersonalisationFailed):
        copy_for({}, email=f"a{value}@b.example")


def test_an_address_our_route_cannot_carry_says_so():
    with pytest.raises(PersonalisationFailed) as caught:
        copy_for({}, email="jörg@example.org")
    assert isinstance(caught.value.__cause__, NeedsSmtputf8)
    assert read(copy_for({}, email="a@bücher.example"))["To"] == "a@xn--bcher-kva.example"


def test_transactional_mail_says_it_is_automatic_and_offers_no_list():
    compiled = message(envelope=replace(ACME, stream=TRANSACTIONAL, list_id=""))
    parsed = read(copy_for({}, compiled=compiled))
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["List-Unsubscribe"] is None


def test_a_compiled_message_survives_json():
    compiled = message()
    again = CompiledMessage.from_json(json.loads(json.dumps(compiled.to_json())))
    assert again == compiled
    assert copy_for({"first_name": "Ann"}, compiled=again) == copy_for({"first_name": "Ann"})
    assert "\\u0000" not in json.dumps(compiled.to_json())


@pytest.mark.parametrize("damage", [{"version": 99}, {"subject": None}, {"body": [["x", "y"]]}, {"more": 1}])
def test_a_damaged_or_foreign_message_is_refused(damage: dict[str, object]):
    with pytest.raises(ValueError, match=r"version|damaged"):
        CompiledMessage.from_json({**message().to_json(), **damage})


def test_what_cannot_be_compiled_says_why():
    with pytest.raises(TemplateError):
        message(text="{% if %}")
    with pytest.raises(HeaderError):
        message(envelope=replace(ACME, from_name="a\r\nb"))
    with pytest.raises(HeaderError):
        message(envelope=replace(ACME, from_address="nobody"))


def test_equal_letters_compile_to_equal_bytes():
    assert message() == message()
    assert message(text=TEXT + "x").content_type != message().content_type


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_literal_text_reads_back(text: str, html: str):
    # build_message itself parses what it built and compares it; here for any text without tags.
    source = [part.replace("{", "(") for part in (text, html)]
    assert build_message(envelope=ACME, subject="x", text=source[0], html=source[1]).links == ()
