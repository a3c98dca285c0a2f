"""Letters written as HTML or MJML: what leaves, what is said, what can't be taken away."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from campaigns.compile import CompileError, Letter, Preview, Sender, check_letter, compile_letter, preview
from campaigns.pure.kinds import Kind
from campaigns.pure.starters import first_page, with_line_ends_of
from sending.pure.compose import RecipientContext, SystemValues
from sending.pure.liquid_scan import Problem

KNOWN = ["first_name", "plan"]
ACME = Sender(name="Acme", postal_address="1 Harbour Road\nTown")
HTML = Letter(
    subject="Hello",
    source="",
    from_name="Acme",
    from_address="news@acme.example",
    list_name="Acme News",
    kind=Kind.HTML,
)
MJML = replace(HTML, kind=Kind.MJML)
SECTION = "<mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section>"
EVIL = "<div style='display:none'>"


def problems(letter: Letter, source: str) -> list[Problem]:
    return check_letter(
        letter=replace(letter, source=source), sender=ACME, known_fields=KNOWN, public_url="https://mail.acme.example"
    )


def sent(letter: Letter, source: str, *, opens: bool = False, sender: Sender = ACME, **fields: str) -> Preview:
    message = compile_letter(
        letter=replace(letter, source=source),
        sender=sender,
        known_fields=KNOWN,
        public_url="https://mail.acme.example",
        track_clicks=True,
        track_opens=opens,
    )
    system = SystemValues(
        message_id="<1@acme.example>",
        date=datetime(2026, 11, 24, tzinfo=UTC),
        links=[f"https://t.example/{number}" for number in range(100)],
        open_url="https://t.example/open",
        unsubscribe_url="https://acme.example/leave",
        preferences_url="https://acme.example/prefer",
        web_version_url="https://acme.example/web",
    )
    return preview(message, recipient=RecipientContext(email="jo@x.example", fields=fields), system=system)


def said(found: list[Problem]) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in found]


# -- HTML leaves as it was written -----------------------------------------------------------------------------------

ODD = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN">
<HTML><head><style>@media (max-width:600px){.a > b{width:100%!important}}</style></head>
<BODY Bgcolor=#ffffff>
<!--[if mso | IE]><table><tr><td width="300"><![endif]-->
<p CLASS='x'  >1 < 2 &amp; &nbsp;“ü”<br/>
<![endif]-->
{tail}"""


def test_nothing_of_the_page_is_changed_but_the_end_of_its_body() -> None:
    html = sent(HTML, ODD.replace("{tail}", "</BODY></HTML>")).html

    before, footer = html.split("\n<table role=", 1)
    assert before + "</BODY></HTML>" == ODD.replace("{tail}", "</BODY></HTML>")
    assert footer.endswith("</table>\n</BODY></HTML>")


def test_links_are_tracked_and_all_around_them_stays() -> None:
    source = "<a class=\"b\" href='https://e.example/?a=1&amp;b=2' target=_blank>Go</a><a href=https://e.example/>x</a>"
    html = sent(HTML, f"<body>{source}</body>").html
    assert '<a class="b" href=\'https://t.example/0\' target=_blank>Go</a><a href="https://t.example/1">x</a>' in html


def test_an_address_inside_the_page_and_mail_links_stay() -> None:
    html = sent(HTML, '<body><a href="#top">Up</a><a href="mailto:a@b.example">Write</a></body>').html
    assert '<a href="#top">Up</a><a href="mailto:a@b.example">Write</a>' in html


def test_uploaded_pictures_get_a_whole_address() -> None:
    html = sent(HTML, '<body><img src="/media/letters/x.png" alt="" width="9"></body>').html
    assert '<img src="https://mail.acme.example/media/letters/x.png" alt="" width="9">' in html


def test_a_fragment_gets_a_page_around_it() -> None:
    html = sent(HTML, "<p>Hello</p>").html
    assert html.startswith("<!DOCTYPE html>")
    assert "<p>Hello</p>" in html


def test_fields_and_conditions_follow_the_person_and_are_escaped() -> None:
    source = '<body><p>{{ contact.first_name | default: "you" }}</p>{% if contact.plan == "Pro" %}<b>Pro</b>{% endif %}'
    assert "<p>J&lt;o</p><b>Pro</b>" in sent(HTML, source, first_name="J<o", plan="Pro").html
    assert "<p>you</p>\n" in sent(HTML, source).html


def test_the_preheader_stands_first_in_the_body() -> None:
    html = sent(replace(HTML, preheader="Look & see"), "<html><body class=a><p>Hi</p></body></html>").html
    assert html.index("<body class=a>") < html.index("Look &amp; see") < html.index("<p>Hi</p>")


def test_after_the_preheader_stands_nothing_that_an_inbox_could_show() -> None:
    html = sent(replace(HTML, preheader="Look"), "<html><body><p>Hi</p></body></html>").html
    between = html[html.index("Look") + 4 : html.index("<p>Hi</p>")]
    assert between.count("&#847;") + between.count("\u034f") >= 80


def test_the_picture_that_counts_opens_stands_last() -> None:
    html = sent(HTML, "<body><p>Hi</p></body>", opens=True).html
    assert html.index("acme.example/leave") < html.index('src="https://t.example/open"') < html.index("</body>")


# -- The way out -----------------------------------------------------------------------------------------------------

WAY_OUT = '<a href="{{ unsubscribe_url }}">Leave</a>'
ADDRESS = "<p>Acme, 1 Harbour Road,<br>Town</p>"


def test_the_footer_is_added_where_there_is_none() -> None:
    copy = sent(HTML, "<body><p>Hi</p></body>")
    for part in (copy.html, copy.text):
        assert "https://acme.example/leave" in part
        assert "1 Harbour Road, Town" in part


def test_a_page_with_its_own_way_out_and_address_keeps_them_and_gets_no_second_footer() -> None:
    copy = sent(HTML, f"<body><p>Hi</p>{WAY_OUT}{ADDRESS}</body>")
    assert copy.html.count("https://acme.example/leave") == 1
    assert "Acme News" not in copy.html
    assert copy.text.count("https://acme.example/leave") == 1


def test_a_page_with_a_way_out_alone_gets_the_address() -> None:
    html = sent(HTML, f"<body>{WAY_OUT}</body>").html
    assert html.count("https://acme.example/leave") == 1
    assert "1 Harbour Road, Town" in html


@pytest.mark.parametrize(
    "hidden",
    [
        f"<!-- {WAY_OUT} -->",
        '{% if contact.plan == "Pro" %}' + WAY_OUT + "{% endif %}",
        '<a href="{{ unsubscribe_url }}"> </a>',
        '<a href="{{ preferences_url }}">Leave</a>',
    ],
)
def test_a_way_out_that_not_everybody_sees_does_not_count(hidden: str) -> None:
    assert ">Unsubscribe</a>" in sent(HTML, f"<body>{hidden}{ADDRESS}</body>").html


@pytest.mark.parametrize(
    "source",
    [
        f"<body>{EVIL}<p>Hi</p></body>",
        f"<body>{{% if contact.plan %}}{EVIL}{{% endif %}}<p>Hi</p></body>",
        "<body><p>Hi</p><!-- and",
        "<body><p>Hi</p><style>p{",
        '<body><p>Hi</p><a href="x',
    ],
)
def test_what_would_swallow_the_footer_stops_the_letter(source: str) -> None:
    with pytest.raises(CompileError):
        sent(HTML, source)


def test_branches_that_open_the_same_element_are_fine() -> None:
    source = "<body>{% if contact.plan %}<div class=a>{% else %}<div class=b>{% endif %}x</div></body>"
    assert [problem for problem in problems(HTML, source) if problem.blocks] == []


# -- What is said, with lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markup", "start"),
    [
        ("<script>alert(1)</script>", "Mail programs remove `<script>`"),
        ("<iframe src='https://x.example'></iframe>", "Mail programs remove `<iframe>`"),
        ('<p onclick="x()">a</p>', "`onclick` runs a script"),
        ('<a href="javascript:x">a</a>', "Links with `javascript:`"),
        ('<a href="www.x.example">a</a>', "`www.x.example` is not a whole web address"),
        ("<form></form>", "Most mail programs do not show `<form>`"),
        ('<link rel="stylesheet" href="https://x.example/a.css">', "Mail programs load no styles"),
        ('<img src="https://x.example/a.png">', "A picture has no description"),
        ('{{ contact.frist_name | default: "" }}', "`frist_name` is not a known field"),
        ("</div>", "`</div>` closes nothing"),
    ],
)
def test_a_problem_has_the_line_it_stands_in(markup: str, start: str) -> None:
    found = problems(HTML, f"<body>\n<p>one</p>\n{markup}\n</body>")
    assert [(line, message.startswith(start)) for line, message in said(found)] == [(3, True)]


def test_very_deep_and_very_many_elements_are_judged_quickly() -> None:
    assert any("deep" in message for _line, message in said(problems(HTML, "<div>" * 30_000)))
    assert len(problems(HTML, "<script></script>" * 10_000)) <= 60


# -- MJML ------------------------------------------------------------------------------------------------------------


def mjml(body: str) -> str:
    return f"<mjml>\n<mj-body>\n{body}\n</mj-body>\n</mjml>"


def test_mjml_becomes_html_without_anything_of_another_host() -> None:
    html = sent(MJML, mjml(SECTION.format("Hello {{ contact.first_name | default: 'you' }}"))).html
    assert "Hello you</div>" in html
    assert "mj-column-per-100" in html
    assert ">Unsubscribe</a>" in html
    assert not any(host in html for host in ("googleapis", "mailjet", "imgur"))
    assert '<html lang="en" dir="ltr"' in html


def test_a_condition_may_stand_around_sections_columns_and_blocks() -> None:
    condition = '{% if contact.plan == "Pro" %}'
    around = f"{condition}{SECTION.format('For Pro')}{{% endif %}}"
    within = (
        f"<mj-section><mj-column>{condition}<mj-text>Inside</mj-text>{{% endif %}}<mj-text>All</mj-text>"
        "</mj-column></mj-section>"
    )
    pro, other = sent(MJML, mjml(around + within), plan="Pro"), sent(MJML, mjml(around + within))
    assert all(word in pro.html for word in ("For Pro", "Inside", "All"))
    assert not any(word in other.html + other.text for word in ("For Pro", "Inside"))
    assert "All" in other.text


def test_links_and_pictures_of_mjml_are_settled_too() -> None:
    source = mjml(
        '<mj-section><mj-column><mj-button href="https://e.example/a">Go</mj-button>'
        '<mj-image src="/media/x.png" alt="Books" href="https://e.example/b" /></mj-column></mj-section>'
    )
    copy = sent(MJML, source)
    assert "https://t.example/0" in copy.html
    assert "https://t.example/1" in copy.html
    assert 'src="https://mail.acme.example/media/x.png"' in copy.html
    assert "Go (https://t.example/0)" in copy.text
    assert "Books (https://t.example/1)" in copy.text


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        (SECTION.format("x").replace("mj-text", "mj-texte"), 3, "`<mj-texte>` is not an element of MJML."),
        (SECTION.format("x").replace("<mj-text>", '<mj-text colour="red">'), 3, "`mj-text` has no attribute `colour`"),
        ("<mj-text>x</mj-text>", 3, "`<mj-text>` cannot stand inside `<mj-body>`."),
        ('<mj-include path="/etc/passwd" />', 3, "`mj-include` is not available."),
        (SECTION.format("a\n<p>b"), 4, "`<p>` is not closed before `</mj-text>`"),
        (
            "<mj-section><mj-column>\n<mj-social><mj-social-element /></mj-social></mj-column></mj-section>",
            4,
            "`mj-social-element` needs `src`",
        ),
        (SECTION.format("x") + "\n<mj-section>", 4, "`<mj-section>` is not closed before `</mj-body>`"),
    ],
)
def test_what_the_compiler_would_leave_out_is_said_with_its_line(body: str, line: int, message: str) -> None:
    found = said(problems(MJML, mjml(body)))
    assert any(at == line and words.startswith(message) for at, words in found), found


def test_line_ends_of_windows_and_a_byte_order_mark_do_no_harm() -> None:
    source = first_page(Kind.MJML, Kind.LETTER, "").replace("\n", "\r\n")
    assert problems(MJML, "\ufeff" + source) == []
    assert "A headline" in sent(MJML, source).html


def test_a_suggestion_is_made_for_a_slip_of_the_pen() -> None:
    found = problems(MJML, mjml(SECTION.format("x").replace("mj-column", "mj-colum")))
    assert "Did you mean `mj-column`?" in {problem.suggestion for problem in found}


def test_what_is_no_mjml_is_told_and_raises_nothing_else() -> None:
    for source in ("hello", "<mjml>", "<mjml><mj-body>", mjml(SECTION.format("a < b"))):
        assert any(problem.blocks for problem in problems(MJML, source)), source


# -- The text part ---------------------------------------------------------------------------------------------------


def test_the_text_part_reads_like_a_letter() -> None:
    text = sent(
        HTML,
        "<html><head><title>No</title><style>.no{}</style></head><body><div style='display:none'>Hidden</div>"
        "<h1>News</h1><p>One\n  two <b>three</b>, <a href='https://e.example/'>four</a>.</p><ul><li>a</li><li>b</li></ul>"
        "<img src='https://e.example/x.png' alt='A harbour'><!--[if mso]>No<![endif]--></body></html>",
    ).text
    assert text.startswith(
        "News\n" + "=" * 40 + "\n\nOne two three, four (https://t.example/0).\n\n- a\n- b\n\n[A harbour]\n\n-- \n"
    )


# -- Beginning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", [HTML, MJML])
def test_the_first_page_has_no_problem(letter: Letter) -> None:
    assert problems(letter, first_page(letter.kind, Kind.LETTER, "Dear reader")) == []


def test_mjml_becomes_the_html_it_makes_with_its_fields() -> None:
    source = mjml(SECTION.format("{{ contact.first_name | default: 'you' }}"))
    html = first_page(Kind.HTML, Kind.MJML, source)
    assert "{{ contact.first_name | default: 'you' }}" in html
    assert problems(HTML, html) == []
    assert first_page(Kind.HTML, Kind.MJML, "broken").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("before", "typed", "kept"),
    [
        ("a\nb\n", "a\r\nb\r\nc", "a\nb\nc"),
        ("a\r\nb\r\n", "a\r\nb\r\nc", "a\r\nb\r\nc"),
        ("a\r\nb\nc\rd", "a\r\nb\r\nc\r\nd", "a\r\nb\nc\rd"),
        ("", "a\r\nb", "a\nb"),
    ],
)
def test_line_ends_survive_a_browser(before: str, typed: str, kept: str) -> None:
    assert with_line_ends_of(before, typed) == kept
