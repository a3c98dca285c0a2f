"""What an alert says: the worst first, with what was found and what should be there."""

from dataclasses import replace
from datetime import UTC, datetime

from reputation.pure.alert_words import Told, payload, subject, text

BROKE = Told(
    type="check.broke",
    id=7,
    broke=True,
    headline="DMARC of news.example no longer passes",
    about="news.example",
    check="dmarc",
    required=True,
    at=datetime(2026, 3, 1, 8, tzinfo=UTC),
    detail="There is no record.",
    expected="v=DMARC1; p=none",
    found="",
    page="https://mail.example/domains/1/",
)
MENDED = replace(
    BROKE, id=8, type="check.mended", broke=False, headline="SPF of news.example passes again", check="spf"
)


def test_a_warm_up_that_is_held_found_nothing_and_expected_nothing() -> None:
    held = replace(
        BROKE, type="warmup.held", required=False, expected="", detail="Warm-up stays on day 3: 2.4% bounced."
    )
    assert "2.4% bounced." in text([held])
    assert "Found" not in text([held])
    assert "are held" not in text([held])


def test_the_subject_names_what_broke_and_counts_the_rest() -> None:
    assert subject([BROKE]) == "DMARC of news.example no longer passes"
    assert subject([MENDED]) == "SPF of news.example passes again"
    assert subject([MENDED, BROKE]) == "DMARC of news.example no longer passes, and 1 more"


def test_the_text_says_what_was_found_what_should_be_there_and_what_follows() -> None:
    said = text([MENDED, BROKE])
    assert said.index("no longer passes") < said.index("passes again")
    for words in ("Expected: v=DMARC1; p=none", "Found: nothing", "are held", "01 Mar 2026 at 08:00 UTC", BROKE.page):
        assert words in said


def test_a_program_gets_the_kind_the_number_and_the_facts() -> None:
    assert payload(BROKE)["type"] == "check.broke"
    assert payload(MENDED)["type"] == "check.mended"
    assert payload(BROKE)["id"] == 7
