"""From Markdown to the two parts a person reads, the way a real copy goes."""

import json
import re
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaigns.compile import (
    CompileError,
    Letter,
    Preview,
    Sender,
    check_letter,
    compile_letter,
    compile_notice,
    preview,
)
from sending.pure.compose import RecipientContext, SystemValues, compose, prepare
from sending.pure.message import CompiledMessage
from sending.pure.personalise import PersonalisationFailed

SYSTEM = SystemValues(
    message_id="<m1@acme.example>",
    date=datetime(2026, 5, 4, 9, 30, tzinfo=UTC),
    links=[f"https://t.acme.example/l/{n}" for n in range(1300)],
    unsubscribe_url="https://t.acme.example/u/abc",
    preferences_url="https://t.acme.example/p/abc",
    web_version_url="https://t.acme.example/w/abc",
    open_url="https://t.acme.example/o/abc.gif",
)
ACME = Sender(name="Acme & Sons", postal_address="1 Main Street\nSpringfield")
ANN = {"first_name": "Ann", "city": "Köln", "vip": True, "products": ["Tea", "Jam"], "site": "https://ann.example/"}
KNOWN = set(ANN)
LETTER = Letter(
    subject="Hi {{ contact.first_name | default: 'you' }} 🎉",
    source="Hello",
    from_name="Acme",
    from_address="news@acme.example",
    list_name="Acme News",
)


def compiled(markdown: str, *, track_clicks: bool = True, track_opens: bool = True, **changes) -> CompiledMessage:
    return compile_letter(
        letter=replace(LETTER, source=markdown, **changes),
        sender=ACME,
        known_fields=KNOWN,
        public_url="https://mail.acme.example",
        track_clicks=track_clicks,
        track_opens=track_opens,
    )


def shown(markdown: str, *, fields: dict[str, object] | None = None, **changes) -> Preview:
    recipient = RecipientContext(email="ann@example.org", fields=ANN if fields is None else fields)
    return preview(compiled(markdown, **changes), recipient=recipient, system=SYSTEM)


def problems(markdown: str, **changes) -> list[str]:
    found = check_letter(
        letter=replace(LETTER, source=markdown, **changes),
        sender=ACME,
        known_fields=KNOWN,
        public_url="https://mail.acme.example",
    )
    return [str(problem) for problem in found if problem.blocks]


class _Page(HTMLParser):
    """Visible text and elements, and whether the elements nest."""

    VOID = frozenset({"meta", "img", "br", "hr"})
    # An item's end may be left out (HTML §4.4.8), and premailer does so where one is empty.
    MAY_STAY_OPEN = "li"

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == self.MAY_STAY_OPEN:
            self.end_item(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag != self.MAY_STAY_OPEN:
            self.end_item(self.MAY_STAY_OPEN)
        assert self.open.pop() == tag

    def end_item(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        if not {"style", "title"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


GOLDEN = """# Hello {{ contact.first_name | default: "there" }}

We have **news** from [our shop](https://shop.example/a?b=1&c=2), or <https://www.example.org/>.

{% if contact.vip %}

You may [claim it](https://shop.example/vip).

{% endif %}

1. one
2. two in {{ contact.city }}

> Quoted
> twice

{% for product in contact.products %}
- {{ product }}
{% endfor %}

![A cat](/media/letters/cat.png)

[Buy **now**](https://shop.example/buy "button")

| a | b |
|---|---|
| 1 | {{ contact.city }} |
"""


def test_the_text_part_is_made_from_the_markdown():
    assert shown(GOLDEN).text == (
        "Hello Ann\n========================================\n\n"
        "We have news from our shop (https://t.acme.example/l/0), or https://t.acme.example/l/1.\n\n"
        "You may claim it (https://t.acme.example/l/2).\n\n"
        "1. one\n2. two in Köln\n\n"
        "> Quoted twice\n\n"
        "- Tea\n\n- Jam\n\n"
        "[A cat]\n\n"
        "Buy now:\nhttps://t.acme.example/l/3\n\n"
        "a | b\n1 | Köln\n\n"
        "-- \n"
        "You receive this e-mail because ann@example.org is on the list “Acme News”.\n"
        "Acme & Sons, 1 Main Street, Springfield\n"
        "Unsubscribe: https://t.acme.example/u/abc\n"
        "Change what you receive: https://t.acme.example/p/abc\n"
        "View in browser: https://t.acme.example/w/abc\n"
    )


def test_blocks_that_do_not_apply_leave_no_trace():
    copy = shown(GOLDEN, fields={})
    assert "claim" not in copy.text + copy.html
    assert "l/1.\n\n1. one" in copy.text
    assert "Hello there" in copy.html


def test_the_html_part_is_a_responsive_page_with_inlined_style():
    page = _Page(shown(GOLDEN, preheader="For {{ contact.city | default: 'you' }}").html)
    assert page.all("html") == [{"lang": "en", "dir": "ltr"}]
    assert page.text.startswith("For Köln")
    assert all(table.get("role") == "presentation" for table in page.all("table")[:2])
    assert "max-width:600px" in str(page.all("table")[1]["style"])
    assert {"color-scheme", "viewport"} <= {meta.get("name") for meta in page.all("meta")}
    (heading,) = page.all("h1")
    assert "font-size:26px" in str(heading["style"])
    assert {"src": "https://mail.acme.example/media/letters/cat.png", "alt": "A cat"}.items() <= page.all("img")[
        0
    ].items()
    button = next(a for a in page.all("a") if a["href"] == "https://t.acme.example/l/3")
    assert "background-color:#1a56b8" in str(button["style"])
    assert "@media (prefers-color-scheme: dark)" in shown(GOLDEN).html


def test_every_web_link_is_tracked_once_and_our_own_are_not():
    message = compiled(GOLDEN + "\n[again](https://www.example.org/) [mail](mailto:a@b.example) [call](tel:+49123)")
    assert message.links == (
        "https://shop.example/a?b=1&c=2",
        "https://www.example.org/",
        "https://shop.example/vip",
        "https://shop.example/buy",
    )
    copy = preview(message, recipient=RecipientContext(email="a@b.example", fields=ANN), system=SYSTEM)
    hrefs = [str(a["href"]) for a in _Page(copy.html).all("a")]
    assert [h for h in hrefs if not h.startswith("https://t.acme.example/")] == ["mailto:a@b.example", "tel:+49123"]
    assert "shop.example" not in copy.html + copy.text


def test_without_tracking_links_stay_and_no_picture_counts():
    message = compiled(GOLDEN, track_clicks=False, track_opens=False)
    copy = preview(message, recipient=RecipientContext(email="a@b.example", fields=ANN), system=SYSTEM)
    assert message.links == ()
    assert 'href="https://shop.example/a?b=1&amp;c=2"' in copy.html
    assert "/o/abc.gif" not in copy.html
    assert "/o/abc.gif" in shown(GOLDEN).html


def test_the_web_version_leads_to_the_targets_and_counts_nothing():
    message = compiled(GOLDEN)
    system = replace(SYSTEM, links=message.links, open_url="")
    copy = preview(message, recipient=RecipientContext(email="a@b.example", fields=ANN), system=system)
    assert 'href="https://shop.example/a?b=1&amp;c=2"' in copy.html
    assert "t.acme.example/l/" not in copy.html
    assert "t.acme.example/o/" not in copy.html


def test_a_value_inside_an_address_is_percent_encoded_and_the_link_not_tracked():
    source = "[a](https://shop.example/u/{{ contact.city }}?n={{ contact.first_name | url_encode }})"
    copy = shown(source, fields={"city": 'a/b?c#d&"<x>', "first_name": "Zoë Ü"})
    assert "https://shop.example/u/a%2Fb%3Fc%23d%26%22%3Cx%3E?n=Zo%C3%AB%20%C3%9C" in copy.text
    (link,) = (a for a in _Page(copy.html).all("a") if "shop" in str(a["href"]))
    assert link["href"] == "https://shop.example/u/a%2Fb%3Fc%23d%26%22%3Cx%3E?n=Zo%C3%AB%20%C3%9C"
    assert compiled(source).links == ()


@pytest.mark.parametrize(
    "value", ["javascript:alert(1)", "data:text/html,x", "", " ", "//evil.example", "https://a b", "x"]
)
def test_a_field_that_is_a_whole_address_must_hold_one(value: str):
    source = "[a]({{ contact.site }})"
    assert "https://ann.example/?a=1&b=2" in shown(source, fields={"site": "https://ann.example/?a=1&b=2"}).text
    with pytest.raises(PersonalisationFailed, match="web address"):
        shown(source, fields={"site": value})


@pytest.mark.parametrize(
    ("markdown", "said"),
    [
        ("a\n\n[x](javascript:alert(1))", "Line 3: Links with `javascript:` are not allowed"),
        ("[x](JaVaScRiPt:alert(1))", "are not allowed"),
        ("[x](data:text/html;base64,xx)", "Links with `data:` are not allowed"),
        ("[x](vbscript:x)", "are not allowed"),
        ("[x](file:///etc/passwd)", "are not allowed"),
        ("[x](javascript{{ contact.city }}:alert(1))", "whole web address"),
        ("[x](java{% if true %}script:alert(1){% endif %})", "whole web address"),
        ("[x]({% if true %}javascript:alert(1){% endif %})", "cannot begin with a"),
        ("[x](www.example.org)", "Did you mean `https://www.example.org`?"),
        ("[x](/relative)", "not a whole web address"),
        ("[x](//evil.example)", "not a whole web address"),
        ("[x]()", "no address"),
        ("![x](data:image/png;base64,xx)", "picture's address"),
        ("![x](javascript:x)", "picture's address"),
        ("{% if contact.vip %}[x{% endif %}](https://a.example)", "begins in one paragraph, list or link"),
        ("- {% if contact.vip %}a\n\nb{% endif %}", "begins in one paragraph, list or link"),
        ("{{ contact.frist_name }}", "Did you mean `first_name`?"),
        ("x\n{% include 'a' %}", "Line 2: `include` is not available"),
        ("", "The letter is empty"),
    ],
)
def test_what_cannot_be_sent_is_named_with_its_line(markdown: str, said: str):
    assert any(said in text for text in problems(markdown)), problems(markdown)
    with pytest.raises(CompileError):
        compiled(markdown)


def test_line_numbers_survive_tags_that_stand_alone_or_span_lines():
    source = "{% if contact.vip %}\na\n{% endif %}\n\n{{ contact.city\n| default: 'x' }}\n\n[x](nowhere)"
    assert problems(source) == ["Line 8: `nowhere` is not a whole web address."]


def test_subject_preheader_and_addresses_are_checked_with_their_place():
    assert problems("x", subject="") == ["Subject: The subject is empty."]
    assert problems("x", subject="a\nBcc: x") == ["Subject: The subject has to be one line."]
    assert problems("x", subject="{{ contact.frist_name }}")[0].startswith(
        "Subject: `frist_name` is not a known field."
    )
    assert problems("x", preheader="{% if %}")[0].startswith("Preheader: ")
    assert problems("x", from_address="acme")[0].startswith("From: “acme” is not an e-mail address.")
    assert problems("x", from_name="a\r\nBcc: b")[0].startswith("From: ")
    assert problems("x", reply_to="nobody@")[0].startswith("Reply_to: ")


def test_a_letter_without_a_postal_address_is_not_compiled():
    with pytest.raises(CompileError, match="postal address"):
        compile_letter(
            letter=LETTER, sender=Sender(name="Acme", postal_address=" "), known_fields=(), public_url="https://x.example",
            track_clicks=True, track_opens=True,
        )  # fmt: skip


HOSTILE = [
    "<style>.footer, td { display: none !important }</style>",
    "<div style='display:none'>",
    "<!--",
    "</td></tr></table></body></html>",
    "<script>document.querySelector('.footer').remove()</script>",
    "<textarea>",
    "<plaintext>",
    "<base href='https://evil.example/'><meta http-equiv=refresh content='0;url=https://evil.example'>",
    "{{ '<style>.footer{display:none}</style>' }}",
    "{{ contact.first_name | default: '</td><!--' }}",
    "{% assign x = '<!--' %}{{ x }}",
    "{% assign y = '<style>*{display:none}' %}{{ y | newline_to_br }}",
    "[x](https://a.example \"' style='position:fixed;inset:0\")",
    '![x](https://a.example/x.png "\\" onload=alert(1) x=\\"")',
    '[x](https://a.example/"onmouseover=alert(1))',
    "```\n</pre><!--\n```",
    "`</code><!--`",
    "> - 1. ***deep***\n" * 30,
    "[a]: https://a.example '<!--'\n\n[a]",
    "&lt;style&gt; &#60;!-- &#x3c;script&#x3e;",
    "{{'{'}}{ unsubscribe_url }} { { x } } {\\{",
    "\0\1\x02 \x1b[2J",
]


@pytest.mark.parametrize("markdown", HOSTILE)
def test_nothing_an_author_writes_removes_the_footer(markdown: str):
    copy = shown(markdown + "\n\nend", fields={"first_name": "<!--"})
    page = _Page(copy.html)
    footer = "Acme & Sons, 1 Main Street, Springfield Unsubscribe · Change what you receive · View in browser"
    assert page.text.endswith(footer)
    assert {"script", "style", "base", "textarea", "plaintext", "div"} & {tag for tag, _ in page.elements} <= {"style"}
    assert len(page.all("style")) == 1
    assert not [name for _tag, attrs in page.elements for name in attrs if name.startswith("on")]
    assert "Unsubscribe: https://t.acme.example/u/abc" in copy.text
    assert "https://t.acme.example/u/abc" in [a["href"] for a in page.all("a")]


@settings(max_examples=25)
@example("-")
@example("- a\n-\n- b")
@given(
    st.text(
        alphabet=st.one_of(st.sampled_from("#*_-`>|[]()!<&\"'\\\n \t{%}1.:/"), st.characters(codec="utf-8")),
        max_size=120,
    )
)
def test_any_text_either_compiles_with_its_footer_or_says_why_not(markdown: str):
    try:
        copy = shown(markdown, fields={})
    except CompileError as error:
        said = [str(problem) for problem in error.problems]
    else:
        said = []
    if said:
        assert all(sentence.endswith((".", "?", "}", "`")) for sentence in said)
        return
    assert _Page(copy.html).text.endswith("View in browser")
    assert "Unsubscribe: https://t.acme.example/u/abc" in copy.text


def test_braces_in_names_and_addresses_stay_text():
    sender = Sender(name="{{ contact.email }} {% if %}", postal_address="{{{% x")
    message = compile_letter(
        letter=replace(LETTER, list_name="{{ x }}", source="a { { b"), sender=sender, known_fields=KNOWN,
        public_url="https://x.example", track_clicks=True, track_opens=True,
    )  # fmt: skip
    copy = preview(message, recipient=RecipientContext(email="a@b.example", fields={}), system=SYSTEM)
    for part in (copy.text, copy.html):
        assert "{{ contact.email }} {% if %}, {{{% x" in part
        assert "“{{ x }}”" in part


def test_values_never_become_markdown_or_html():
    copy = shown("Dear {{ contact.first_name }}", fields={"first_name": "**<b>x</b>** [a](https://evil.example)"})
    assert "Dear **<b>x</b>** [a](https://evil.example)" in copy.text
    assert "Dear **&lt;b&gt;x&lt;/b&gt;** [a](https://evil.example)" in copy.html


@pytest.mark.parametrize(
    ("language", "direction", "leave"),
    [("he", "rtl", "הסרה"), ("de-AT", "ltr", "Abmelden"), ("xx", "ltr", "Unsubscribe")],
)
def test_the_frame_speaks_the_letters_language(language: str, direction: str, leave: str):
    copy = shown("Hello", language=language)
    assert f'<html lang="{language}" dir="{direction}">' in copy.html
    assert leave in copy.html
    assert leave in copy.text


def test_a_letter_of_100_kilobytes_compiles_in_seconds_and_reads_back():
    paragraph = "Grüße aus {{ contact.city }} und [mehr](https://shop.example/{n}) für alle. "
    source = "\n\n".join(paragraph.replace("{n}", str(n)) * 2 for n in range(650))
    assert len(source.encode()) > 100_000
    start = time.process_time()
    message = compiled(source)
    assert time.process_time() - start < 10
    copy = preview(message, recipient=RecipientContext(email="a@b.example", fields=ANN), system=SYSTEM)
    assert copy.text.count("Grüße aus Köln und mehr (https://t.acme.example/l/") == 1300
    assert len(message.links) == 650


def test_compiling_asks_no_network(monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the compiler opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert shown("![x](https://example.org/x.png) <link rel=stylesheet href=https://example.org/x.css>").html


def test_compiling_twice_gives_the_same_message_and_it_survives_json():
    message = compiled(GOLDEN)
    assert compiled(GOLDEN) == message
    assert CompiledMessage.from_json(json.loads(json.dumps(message.to_json()))) == message


def test_the_preview_is_what_a_real_copy_says():
    message = compiled(GOLDEN)
    recipient = RecipientContext(email="ann@example.org", fields=ANN)
    raw = compose(prepare(message), recipient=recipient, system=SYSTEM).as_bytes()
    assert b"Subject: =?utf-8?B?" in raw
    assert preview(message, recipient=recipient, system=SYSTEM).subject == "Hi Ann 🎉"
    assert not re.search(rb"[^\r]\n|\r[^\n]", raw)


def test_a_notice_is_transactional_untracked_and_has_its_own_footer():
    letter = replace(
        LETTER, subject="One click left", source='Hi\n\n[Yes, subscribe me](https://mail.acme.example/c/x "button")'
    )
    message = compile_notice(letter=letter, sender=ACME, reason="Somebody entered {email} on our page.")
    raw = compose(prepare(message), recipient=RecipientContext(email="a@b.example", fields={}), system=SYSTEM)
    assert "Auto-Submitted" in dict(raw.headers)
    assert "List-Unsubscribe" not in dict(raw.headers)
    copy = preview(message, recipient=RecipientContext(email="a@b.example", fields={}), system=SYSTEM)
    assert 'href="https://mail.acme.example/c/x"' in copy.html
    assert "Somebody entered a@b.example on our page." in copy.text
    assert "Unsubscribe" not in copy.text + copy.html
    assert "/o/abc.gif" not in copy.html


def test_a_notice_may_have_links_of_its_own_per_person():
    letter = replace(LETTER, subject="One click left", source='[Yes]({{ contact.confirm_url }} "button")')
    message = compile_notice(letter=letter, sender=ACME, reason="x", known_fields={"confirm_url"})
    recipient = RecipientContext(email="a@b.example", fields={"confirm_url": "https://mail.acme.example/c/tok"})
    copy = preview(message, recipient=recipient, system=SYSTEM)
    assert "Yes:\nhttps://mail.acme.example/c/tok" in copy.text
    assert 'href="https://mail.acme.example/c/tok"' in copy.html
