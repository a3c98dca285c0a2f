"""A campaign from its name to the last answer with nothing but a keyboard, and one always sees where one is."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from config.demo import world
from tests.browser.chromium import Visitor, Witness
from tests.browser.inside import FRIENDS, N_FRIENDS
from tests.browser.site import Site, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
# So many steps lead from any place of a page to any other.
MOST_STEPS = 120
# What the focus changes in the looks of an element and what is around it; "" when it is in the body or a frame.
FOCUS_SHOWS = """() => {
    const one = document.activeElement;
    if (one === document.body || one.tagName === "IFRAME") return "";
    const around = [one, one.parentElement, one.parentElement.parentElement];
    const looks = () => around.map((each) => {
        const style = getComputedStyle(each);
        return [style.outline, style.boxShadow, style.borderColor, style.backgroundColor].join();
    }).join();
    const box = one.getBoundingClientRect();
    if (!box.width || box.bottom < 0 || box.top > innerHeight) return `${one.outerHTML.slice(0, 120)} is out of sight`;
    const focused = looks();
    one.blur();
    const plain = looks();
    one.focus({ focusVisible: true, preventScroll: true });
    return focused === plain ? `${one.outerHTML.slice(0, 120)} does not show that it has the focus` : "";
}"""


class Hands:
    """On the keyboard only. Fails where the focus can't be seen."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.emulate_media(reduced_motion="reduce")

    def to(self, there: Locator, step: str = "Tab") -> None:
        expect(there).to_be_visible()
        passed = []
        for _ in range(MOST_STEPS):
            self._page.keyboard.press(step)
            unseen = self._page.evaluate(FOCUS_SHOWS)
            assert not unseen, unseen
            if there.evaluate("(one) => one === document.activeElement"):
                return
            passed.append(self._page.evaluate("document.activeElement.outerHTML.slice(0, 80)"))
        raise AssertionError(f"{there} can't be reached; the way went by {passed}")

    def back_to(self, there: Locator) -> None:
        self.to(there, "Shift+Tab")

    def press(self, key: str) -> None:
        self._page.keyboard.press(key)

    def type(self, text: str) -> None:
        self._page.keyboard.type(text)

    def write(self, there: Locator, text: str) -> None:
        self.to(there)
        self.type(text)

    def choose(self, there: Locator) -> None:
        self.to(there)
        self.press("Enter")


def test_a_campaign_is_composed_and_sent_with_the_keyboard(
    whole_site: Site, browser: Browser, witness: Witness
) -> None:
    page = Visitor(browser, whole_site, witness).page
    hands = Hands(page)
    page.goto("/sign-in/")
    hands.write(page.get_by_label("E-mail"), world.SIGN_IN)
    hands.write(page.get_by_label("Password"), "demo")
    hands.press("Enter")

    begin(page, hands)
    choose_people_and_sender(page, hands)
    write_the_letter(page, hands)

    expect(page.get_by_text("Nothing must be fixed")).to_be_visible()
    hands.choose(page.get_by_role("button", name="Send", exact=True))
    everybody = [f"friend{n}@yahoo.com" for n in range(N_FRIENDS)]
    until(lambda: all(whole_site.mail_of(each) for each in everybody), "a letter for everybody")


def begin(page: Page, hands: Hands) -> None:
    hands.choose(page.get_by_role("navigation", name="Main").get_by_role("link", name="Campaigns"))
    expect(page.get_by_role("heading", name="Campaigns", exact=True)).to_be_visible()
    hands.choose(page.get_by_role("link", name="Skip to content"))
    hands.choose(page.get_by_role("main").get_by_role("link", name="New campaign").first)
    hands.write(page.get_by_label("Name"), "By hand")
    hands.press("Enter")


def choose_people_and_sender(page: Page, hands: Hands) -> None:
    hands.choose(page.get_by_role("link", name="Change audience"))
    hands.to(page.get_by_role("group", name="Send to").get_by_label(FRIENDS))
    hands.press("Space")
    hands.choose(page.get_by_role("button", name="Save"))
    hands.choose(page.get_by_role("link", name="Change sender"))
    hands.write(page.locator("#id_from_name"), "Mara at Harbour Books")
    hands.write(page.locator("#id_from_address"), world.FROM)
    hands.press("Enter")


def write_the_letter(page: Page, hands: Hands) -> None:
    hands.choose(page.get_by_role("link", name="Write the letter"))
    hands.write(page.get_by_label("Subject"), "Three books for long evenings")
    hands.write(page.get_by_label("Preheader"), "A storm, a letter, a promise")
    hands.write(page.locator("#letter"), "The shelf by the window is full again. Come by for tea on Saturday.")
    hands.press("Control+s")
    expect(page.locator("#saved")).to_contain_text("Version 1 saved")
    hands.back_to(page.get_by_role("button", name="Save and review"))
    hands.press("Enter")


ROWS = 60_000
HEARD = """document.addEventListener("DOMContentLoaded", () => {
    const region = document.getElementById("announce");
    if (region) new MutationObserver(() => window.heard(region.textContent)).observe(region, { childList: true });
});"""


def test_people_are_imported_with_the_keyboard_and_the_progress_is_told(
    whole_site: Site, browser: Browser, witness: Witness, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("E-mail;Vorname;Zeitzone\n" + "".join(f"k{n}@yahoo.com;Ada;Asia/Tokyo\n" for n in range(ROWS)))
    page, heard = Visitor(browser, whole_site, witness).page, list[str]()
    page.expose_function("heard", lambda words: heard.append(words))
    page.add_init_script(HEARD)
    hands = Hands(page)
    page.goto("/sign-in/")
    hands.write(page.get_by_label("E-mail"), world.SIGN_IN)
    hands.write(page.get_by_label("Password"), "demo")
    hands.press("Enter")

    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    page.goto("/people/imports/new/")
    hands.to(page.get_by_label("File"))
    with page.expect_file_chooser(timeout=10_000) as chooser:
        hands.press("Space")
    chooser.value.set_files(file)
    hands.choose(page.get_by_role("button", name="Look at the rows"))
    expect(page.get_by_role("heading", name="Look before importing")).to_be_visible()
    expect(page.get_by_label("Zeitzone", exact=True)).to_have_value("time_zone")
    hands.write(page.get_by_label("Their consent"), "Paper form at the spring fair")
    hands.choose(page.get_by_role("button", name="Import at once"))

    expect(page).to_have_title(re.compile("^Done: people.csv"), timeout=120_000)
    expect(page.get_by_text(f"{ROWS:,} new people")).to_be_visible()
    assert any(words.endswith("rows so far") for words in heard), heard
