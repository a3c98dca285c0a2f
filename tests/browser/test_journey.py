"""A newcomer's first campaign, by the pages alone: from the invitation to a reader who leaves."""

import re
from pathlib import Path
from time import time

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from config.demo import world
from tests.browser.chromium import Visitor, Witness
from tests.browser.furnish import code_of
from tests.browser.site import Site, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

ADDRESS, PASSWORD = "ines@harbour-books.example", "a long pass phrase"
AT_GMAIL, AT_YAHOO = 30, 10
LETTER = """Dear {{ contact.first_name | default: "reader" }},

the shelf by the window is full again. [See what came in](https://www.harbour-books.example/winter).

Mara, Harbour Books
"""


def test_a_newcomer_sends_a_campaign_and_a_reader_leaves_it(
    whole_site: Site, browser: Browser, witness: Witness, tmp_path: Path
) -> None:
    mara = Visitor(browser, whole_site, witness)
    mara.sign_in(world.SIGN_IN, "demo")
    ines = Visitor(browser, whole_site, witness)
    come_in_with_a_second_factor(ines, invited_by(mara))
    import_people(ines.page, tmp_path)
    compose(ines.page)

    let_gmail_have(mara.page, "6")
    undo_window_of(mara.page, "120")
    send_and_take_back(ines.page)
    undo_window_of(mara.page, "0")
    send(ines.page)

    pause_gmail_while_the_others_go_on(ines.page)
    let_gmail_have(mara.page, "600")
    go_on_at_gmail(ines.page)
    report_says(ines.page, "accepted", AT_GMAIL + AT_YAHOO)

    reader = Visitor(browser, whole_site, witness, width=375, script=False)
    leave_by_the_letter(reader, "reader3@gmail.com")
    report_says(ines.page, "unsubscribed", 1)


def invited_by(admin: Visitor) -> str:
    """The link that an admin hands over."""
    admin.page.goto("/team/")
    admin.page.get_by_label("E-mail").fill(ADDRESS)
    admin.page.locator("#id_role").select_option("marketer")
    admin.page.get_by_role("button", name="Make the link").click()
    return admin.page.locator("#link").inner_text()


def come_in_with_a_second_factor(visitor: Visitor, link: str) -> None:
    page = visitor.page
    page.goto(link)
    page.get_by_label("Your name").fill("Ines")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Come in").click()
    page.goto("/account/second-factor/")
    page.get_by_role("link", name="Set it up").click()
    secret = page.locator("#authenticator_secret").inner_text()
    # A code that is about to end would have ended when a busy machine looks at it.
    until(lambda: time() % 30 < 15, "the beginning of a code's half minute")
    used = code_of(secret)
    page.locator("#id_code").fill(used)
    page.get_by_role("button", name="Use this app").click()
    expect(page).to_have_url(re.compile("/recovery-codes/"))

    page.get_by_role("button", name="Sign out").click()
    visitor.sign_in(ADDRESS, PASSWORD)
    # One code opens once.
    until(lambda: code_of(secret) != used and time() % 30 < 15, "the next code")
    page.locator("#id_code").fill(code_of(secret))
    page.locator("#id_code").press("Enter")
    expect(page.get_by_role("link", name="Ines")).to_be_visible()


def import_people(page: Page, folder: Path) -> None:
    rows = [f"reader{n}@{'gmail.com' if n < AT_GMAIL else 'yahoo.com'},Ada{n}" for n in range(AT_GMAIL + AT_YAHOO)]
    file = folder / "readers.csv"
    file.write_text("\n".join(["E-mail,First name", *rows, "not an address,Nobody"]))
    page.goto("/people/")
    page.get_by_role("link", name="Import a file").first.click()
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Look at the rows").click()
    page.locator("#id_list").select_option(label=world.NEWSLETTER)
    page.locator("#id_basis").fill("They asked for it in the shop, on paper.")
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator("#import-progress")).to_contain_text(f"{AT_GMAIL + AT_YAHOO} new people")
    page.reload()
    expect(page.get_by_role("row", name=re.compile("not an address"))).to_contain_text("Not taken")


def compose(page: Page) -> None:
    page.goto("/campaigns/")
    page.get_by_role("link", name="New campaign").first.click()
    page.get_by_label("Name").fill("Winter reading list")
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("link", name="Change audience").click()
    page.get_by_role("group", name="Send to").get_by_label(world.NEWSLETTER).check()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Change sender").click()
    page.locator("#id_from_name").fill("Mara at Harbour Books")
    page.locator("#id_sending_domain").select_option(label=world.DOMAIN)
    page.locator("#id_pool").select_option(label="Harbour")
    page.locator("#id_from_address").fill(world.FROM)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Write the letter").click()
    page.get_by_label("Subject").fill("Three books for long evenings")
    page.get_by_label("Preheader").fill("A storm, a letter, a promise")
    page.locator("#letter").fill(LETTER)
    expect(page.frame_locator("#preview-frame").get_by_text("the shelf by the window")).to_be_visible()
    page.get_by_role("button", name="Save and review").click()
    expect(page.get_by_text("Nothing must be fixed")).to_be_visible()


def let_gmail_have(page: Page, per_minute: str) -> None:
    page.goto(f"/limits/of/ip/{world.ADDRESS}/")
    page.get_by_role("link", name="Gmail").first.click()
    by_hand = page.get_by_role("region", name="Limits set by hand")
    by_hand.locator("#id_per_minute").fill(per_minute)
    by_hand.get_by_label("Why").fill("To watch it")
    by_hand.get_by_role("button", name="Save").click()
    expect(page.get_by_role("region", name="History, table")).to_contain_text(f"→ {per_minute}To watch it")


def undo_window_of(page: Page, seconds: str) -> None:
    page.goto("/settings/")
    page.locator("#id_undo_seconds").fill(seconds)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#id_undo_seconds")).to_have_value(seconds)


def send_and_take_back(page: Page) -> None:
    page.reload()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#arming")).to_contain_text("Nothing has left yet")
    page.locator("#undo").click()
    expect(page.get_by_role("main")).to_contain_text("Not chosen yet")


def send(page: Page) -> None:
    page.get_by_role("link", name="Review and send").click()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("heading", name="Lanes")).to_be_visible()


def lane(page: Page, provider: str) -> Locator:
    return page.get_by_role("row", name=re.compile(f"^{provider}"))


def pause_gmail_while_the_others_go_on(page: Page) -> None:
    page.get_by_role("button", name="Pause only Gmail").click()
    expect(page.get_by_role("button", name="Go on at Gmail")).to_be_visible()
    expect(lane(page, "Gmail")).to_contain_text("Paused")
    expect(lane(page, "Yahoo")).to_contain_text(f"{AT_YAHOO} have it")
    expect(lane(page, "Gmail")).not_to_contain_text(f"{AT_GMAIL} have it")


def go_on_at_gmail(page: Page) -> None:
    page.get_by_role("button", name="Go on at Gmail").click()
    expect(page.locator("#live")).to_contain_text(f"{AT_GMAIL + AT_YAHOO} of {AT_GMAIL + AT_YAHOO} people have it")


def report_says(page: Page, topic: str, n: int) -> None:
    """The number, and a list of as many people behind it."""
    page.goto(re.sub(r"(/campaigns/\d+/).*", r"\1report/", page.url))
    number = page.locator(f'a[href*="/people/{topic}/"]').first

    def counted() -> bool:
        page.reload()
        return number.count() > 0 and number.inner_text() == str(n)

    until(counted, f"{n} {topic} in the report")
    number.click()
    expect(page.locator("tbody tr")).to_have_count(n)


def leave_by_the_letter(visitor: Visitor, address: str) -> None:
    (letter,) = visitor.site.mail_of(address)
    body = letter.get_body(("plain",))
    assert body
    link = re.search(r"http://\S+/u/\S+", body.get_content())
    assert link
    visitor.page.goto(link[0])
    visitor.page.get_by_role("button", name="Yes, stop it").click()
    expect(visitor.page.locator("h1")).to_have_text("You are unsubscribed")
