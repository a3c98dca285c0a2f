"""Every page, light and dark, wide and narrow, empty, full and with something wrong: open to everybody, and light."""

from collections.abc import Iterator

import pytest
from django.urls import get_resolver
from playwright.sync_api import Browser, expect

from tests.browser.looking import Eyes
from tests.browser.pages import EMPTY, FULL, NO_PAGE, WRONG, Look
from tests.browser.site import Site, running_site, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
WIDTH = """([font, text]) => {
    const paper = document.createElement("canvas").getContext("2d");
    paper.font = `20px ${font}`;
    return paper.measureText(text).width;
}"""


@pytest.fixture(scope="module")
def bare_site(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site("bare", tmp_path_factory.mktemp("site") / "bare") as site:
        yield site


@pytest.fixture(scope="module")
def eyes(bare_site: Site, browser: Browser) -> Eyes:
    return Eyes(browser, bare_site)


@pytest.fixture(scope="module")
def full_site(bare_site: Site) -> Site:
    bare_site.furnish()
    return bare_site


def test_every_route_is_looked_at_or_no_page() -> None:
    known = {key for key in get_resolver().reverse_dict if isinstance(key, str)}
    looked_at = {look.route for look in (*EMPTY, *FULL, *WRONG)}
    assert known - looked_at - set(NO_PAGE) == set(), "add it to tests/browser/pages.py"
    assert set(NO_PAGE) - known == set()


def test_text_has_a_size(eyes: Eyes) -> None:
    """Without fonts every check of contrast passes."""
    page = eyes.visitor("stranger").page
    page.goto("/sign-in/")
    for font in ("serif", "sans-serif"):
        wide, narrow = (page.evaluate(WIDTH, [font, text]) for text in ("mmmm", "iiii"))
        assert wide > narrow > 0


@pytest.mark.parametrize("look", EMPTY, ids=str)
def test_a_page_of_an_empty_site_is_open_to_everybody(eyes: Eyes, look: Look) -> None:
    eyes.examine(look)


@pytest.mark.parametrize("look", FULL, ids=str)
def test_a_page_of_a_full_site_is_open_to_everybody(eyes: Eyes, full_site: Site, look: Look) -> None:
    eyes.examine(look)


@pytest.mark.parametrize("look", WRONG, ids=str)
def test_a_page_that_refuses_what_was_typed_is_open_to_everybody(eyes: Eyes, full_site: Site, look: Look) -> None:
    eyes.examine(look)


def test_the_code_editor_comes_when_somebody_is_about_to_write(eyes: Eyes, full_site: Site) -> None:
    page = eyes.visitor("writer").page
    page.goto(Look("campaign-letter", known={"campaign_id": "code"}).path(full_site.told))
    expect(page.locator("#letter")).to_be_visible()
    assert page.locator(".cm-editor").count() == 0
    page.locator("#letter").focus()
    expect(page.locator(".cm-content")).to_be_focused()
    page.keyboard.type("Winter ")
    assert "Winter " in page.locator("#letter").input_value()
    # The first closes what is offered to complete a word.
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.locator(".cm-content")).not_to_be_focused()
    assert "Winter " in page.locator("#letter").input_value()


def test_what_was_typed_and_not_saved_is_there_after_a_browser_was_closed(eyes: Eyes, full_site: Site) -> None:
    page = eyes.visitor("writer").page
    page.on("dialog", lambda asks: asks.accept())
    path = Look("campaign-letter", known={"campaign_id": "draft"}).path(full_site.told)
    page.goto(path)
    page.locator("[name=subject]").fill("Half a subject")
    until(lambda: page.evaluate("JSON.stringify(localStorage).includes('Half a subject')"), "what the browser keeps")
    page.goto(path)
    expect(page.locator("[name=subject]")).not_to_have_value("Half a subject")
    page.locator("#kept").get_by_role("button").first.click()
    expect(page.locator("[name=subject]")).to_have_value("Half a subject")
    page.evaluate("localStorage.clear()")


def test_leaving_a_letter_in_mid_word_loses_nothing(eyes: Eyes, full_site: Site) -> None:
    page = eyes.visitor("writer").page
    path = Look("campaign-letter", known={"campaign_id": "draft"}).path(full_site.told)
    page.goto(path)
    page.locator("[name=preheader]").fill("")
    page.locator("[name=preheader]").press_sequentially("typed until the very mom")
    # At once: the moment after which the browser keeps it by itself has not passed.
    page.goto("/campaigns/")
    page.goto(path)
    page.locator("#kept").get_by_role("button").first.click()
    expect(page.locator("[name=preheader]")).to_have_value("typed until the very mom")
    page.evaluate("localStorage.clear()")
