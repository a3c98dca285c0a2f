"""Tables of people and the like need no scrolling sideways on a phone: each row is a card."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.looking import Eyes
from tests.browser.pages import Look
from tests.browser.site import Site, running_site

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
CARDS = [
    *(Look(route) for route in "people suppressions team lists list fields imports".split()),
    Look("import", known={"upload_id": "done"}),
]
WIDER = """[...document.querySelectorAll(".lp-scroll")].filter((one) => one.scrollWidth > one.clientWidth)
    .map((one) => `${one.getAttribute("aria-label")}: ${one.scrollWidth} in ${one.clientWidth} px`)"""


@pytest.fixture(scope="module")
def full(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site("bare", tmp_path_factory.mktemp("site") / "phone") as site:
        site.furnish()
        yield site


@pytest.fixture(scope="module")
def eyes(full: Site, browser: Browser) -> Eyes:
    return Eyes(browser, full)


@pytest.mark.parametrize("look", CARDS, ids=str)
def test_no_table_scrolls_sideways_on_a_phone(eyes: Eyes, full: Site, look: Look) -> None:
    page = eyes.visitor(look.who).page
    page.set_viewport_size({"width": 375, "height": 900})
    page.goto(look.path(full.told))

    assert page.locator(".lp-cards tbody tr").count() > 0
    assert page.evaluate(WIDER) == []
    cell = page.locator(".lp-cards td[data-label]").first
    assert cell.evaluate("(one) => getComputedStyle(one, '::before').content") != "none"
