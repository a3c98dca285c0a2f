"""What an answer says of a link, in words."""

import pytest

from campaigns.pure.advice import targets_of
from campaigns.pure.link_results import Result, Why, of_status, of_trouble, reason, sentence


@pytest.mark.parametrize(
    ("status", "result"),
    [(200, Result.OK), (204, Result.OK), (304, Result.OK), (400, Result.BROKEN), (404, Result.BROKEN),
     (410, Result.BROKEN), (500, Result.BROKEN), (401, Result.UNKNOWN), (403, Result.UNKNOWN), (429, Result.UNKNOWN),
     (503, Result.UNKNOWN), (999, Result.UNKNOWN)],
)  # fmt: skip
def test_only_what_surely_fails_is_broken(status: int, result: Result) -> None:
    assert of_status(status) is result


def test_a_missing_host_and_a_bad_certificate_break_a_link_and_silence_does_not() -> None:
    assert {why: of_trouble(why) for why in Why} == {
        Why.NO_HOST: Result.BROKEN,
        Why.CERTIFICATE: Result.BROKEN,
        Why.CIRCLES: Result.BROKEN,
        Why.SILENT: Result.UNKNOWN,
        Why.INSIDE: Result.UNKNOWN,
        Why.NOT_ASKED: Result.UNKNOWN,
    }


@pytest.mark.parametrize(
    ("status", "why", "said"),
    [(404, "", "a page that is not there (404)"), (500, "", "an error (500)"), (None, Why.NO_HOST, "no host c.example"),
     (None, Why.CERTIFICATE, "certificate of c.example"), (None, Why.CIRCLES, "in circles")],
)  # fmt: skip
def test_every_way_to_be_broken_has_a_sentence(status: int | None, why: str, said: str) -> None:
    assert said in sentence("https://c.example/", "c.example", status, why)


def test_every_way_not_to_be_checked_has_a_reason() -> None:
    said = [reason(403, ""), *(reason(None, why) for why in (Why.SILENT, Why.INSIDE, Why.NOT_ASKED))]
    assert len(set(said)) == 4


def test_the_links_of_a_letter_are_found_with_their_lines() -> None:
    letter = "[a](https://a.example/x)\n\n![p](https://p.example/x.png)\n\nhttps://b.example/y or [c](tel:1)\n"
    assert targets_of(letter) == [("https://a.example/x", 1)]
    assert targets_of("https://b.example/y\n") == [("https://b.example/y", 1)]
    assert targets_of(
        '<p>\n<a href="https://a.example/{{ contact.id }}">a</a> <a href="http://a.example">b</a>', "html"
    ) == [("http://a.example", 2)]
