"""Tables of people and the like need no scrolling sideways on a phone, and the palette keeps nobody waiting."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

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


OPENING = """async () => {
    const press = () => document.dispatchEvent(new KeyboardEvent("keydown", {key: "k", ctrlKey: true, bubbles: true}));
    const began = performance.now();
    press();
    while (!document.querySelector("#palette[open]")) await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""


def test_the_palette_opens_at_once_and_gives_the_focus_back(eyes: Eyes, full: Site) -> None:
    page = eyes.visitor("admin").page
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("/people/")
    page.locator("input[name=q]").first.focus()
    took = []
    for _time in range(5):
        took.append(page.evaluate(OPENING))
        expect(page.locator("#palette-q")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("input[name=q]").first).to_be_focused()

    assert min(took) < 100, took


@pytest.mark.parametrize("look", CARDS, ids=str)
def test_no_table_scrolls_sideways_on_a_phone(eyes: Eyes, full: Site, look: Look) -> None:
    page = eyes.visitor(look.who).page
    page.set_viewport_size({"width": 375, "height": 900})
    page.goto(look.path(full.told))

    assert page.locator(".lp-cards tbody tr").count() > 0
    assert page.evaluate(WIDER) == []
    cell = page.locator(".lp-cards td[data-label]").first
    assert cell.evaluate("(one) => getComputedStyle(one, '::before').content") != "none"
