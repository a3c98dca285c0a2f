"""Colours that make words hard to read, as far as the source itself says them."""

import pytest

from campaigns.pure.contrast import contrast, faint_words
from campaigns.pure.markup import read_markup


def faint(source: str) -> list[tuple[int, str, str]]:
    return [(one.line, one.ink, one.paper) for one in faint_words(read_markup(source))]


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#767676", "#ffffff", 4.54),
        ("#777777", "#ffffff", 4.48),
    ],
)
def test_the_ratio_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert round(contrast(one, other), 2) == round(contrast(other, one), 2) == ratio


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('<p style="color:#999">See what came in</p>', [(1, "#999999", "#ffffff")]),
        ('<p style="color: rgb(153, 153, 153) !important">See</p>', [(1, "#999999", "#ffffff")]),
        ('<table bgcolor="#003366">\n<tr><td>Dark on dark</td></tr></table>', [(2, "#000000", "#003366")]),
        ('<div style="background:#036"><p style="color:white">Light on dark</p></div>', []),
        ('<p style="color:#999"><b style="color:#333">Dark</b> and faint</p>', [(1, "#999999", "#ffffff")]),
        ('<mj-text color="#aaa">\nSee</mj-text>', [(2, "#aaaaaa", "#ffffff")]),
        ('<mj-button background-color="#ffcc00">Order</mj-button>', [(1, "#ffffff", "#ffcc00")]),
        ("<mj-button>Order</mj-button>", []),
    ],
)
def test_faint_words_are_found_with_their_line(source: str, found: list[tuple[int, str, str]]) -> None:
    assert faint(source) == found


@pytest.mark.parametrize(
    "source",
    [
        "<p>Nobody chose a colour</p>",
        '<p style="color:{{ contact.colour }}">a tag chooses</p>',
        '<td background="sky.png" style="color:#eee">on a picture</td>',
        '<td style="background-image:url(sky.png);color:#eee">on a picture</td>',
        '<p style="color:var(--ink)">a style sheet chooses</p>',
        '<div style="display:none;color:#fff">a preheader</div>',
        '<p style="color:#fff"><img src="a.png"></p>',
        '<p style="color:#fff"></p><p>after it</p>',
    ],
)
def test_what_is_not_known_or_not_read_is_not_said(source: str) -> None:
    assert faint(source) == []


def test_large_words_may_be_fainter_and_each_pair_is_said_once() -> None:
    assert faint('<h1 style="font-size:28px;color:#888">Large</h1>') == []
    assert faint('<h1 style="font-size:20px;font-weight:700;color:#888">Large</h1>') == []
    twice = '<p style="color:#999">one</p>\n<p style="color:#999">two</p>'
    assert faint(twice) == [(1, "#999999", "#ffffff")]


def test_ends_that_were_never_begun_do_no_harm() -> None:
    assert faint('</b></p><p style="color:#999">See') == []
    assert faint('</b></p><p style="color:#999">See</p>') == [(1, "#999999", "#ffffff")]
