"""An A/B test by the pages alone: two subjects, a choice on the monitor, and everybody has exactly one letter."""

import re
from collections import Counter

import pytest
from playwright.sync_api import Browser, Page, expect

from config.demo import world
from tests.browser.chromium import Visitor, Witness
from tests.browser.inside import FRIENDS, N_FRIENDS
from tests.browser.site import PATIENCE, Site, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
A, B = "A lamp for long evenings", "Sit by the window with one of these"


def test_two_subjects_are_tried_and_the_chosen_one_goes_to_the_others(
    whole_site: Site, browser: Browser, witness: Witness
) -> None:
    visitor = Visitor(browser, whole_site, witness)
    visitor.sign_in(world.SIGN_IN, "demo")
    page = visitor.page
    begin(page)
    try_another_subject(page)
    send(page)

    panel = page.locator("#variants")
    expect(panel).to_contain_text("2 variants are tested with 3 people.", timeout=PATIENCE * 1000)
    expect(panel).to_contain_text("The other 3 people wait for your choice.")
    until(lambda: sum(subjects(whole_site).values()) == 3, "the test part has it")
    assert set(subjects(whole_site)) == {A, B}
    panel.get_by_role("button", name="Choose variant B now").click()
    expect(panel).to_contain_text("Variant B was chosen at")
    until(lambda: sum(subjects(whole_site).values()) == N_FRIENDS, "everybody has it")
    assert subjects(whole_site)[B] >= 4
    assert all(len(letters_to(whole_site, n)) == 1 for n in range(N_FRIENDS))


def begin(page: Page) -> None:
    page.goto("/campaigns/new/")
    page.get_by_label("Name").fill("Which subject?")
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("link", name="Change audience").click()
    page.get_by_role("group", name="Send to").get_by_label(FRIENDS).check()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Change sender").click()
    page.locator("#id_from_name").fill("Mara at Harbour Books")
    page.locator("#id_sending_domain").select_option(label=world.DOMAIN)
    page.locator("#id_pool").select_option(label="Harbour")
    page.locator("#id_from_address").fill(world.FROM)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Write the letter").click()
    page.get_by_label("Subject").fill(A)
    page.get_by_label("Preheader").fill("A storm, a letter, a promise")
    page.locator("#letter").fill("Dear reader,\n\nthe shelf by the window is full again.\n\nMara")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#saved")).to_contain_text("Version 1 saved")


def try_another_subject(page: Page) -> None:
    page.get_by_role("link", name="Which subject?").click()
    page.get_by_role("link", name="Test another subject (A/B)").click()
    page.get_by_role("region", name="Variant B").get_by_label("Subject").fill(B)
    page.get_by_label("Share of the audience").select_option("50")
    page.get_by_label("I choose by hand").check()
    expect(page.locator("#power")).to_contain_text("3 of 6 people are in the test")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Test nothing")).to_be_visible()


def send(page: Page) -> None:
    page.goto(re.sub("variants/$", "review/", page.url))
    expect(page.get_by_text("Nothing must be fixed")).to_be_visible()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page).to_have_url(re.compile("/monitor/$"), timeout=PATIENCE * 1000)


def letters_to(site: Site, number: int) -> list[str]:
    """The subjects of this test that one of the friends got."""
    return [
        str(mail["Subject"]) for mail in site.mail_of(f"friend{number}@yahoo.com") if str(mail["Subject"]) in (A, B)
    ]


def subjects(site: Site) -> Counter[str]:
    return Counter(subject for number in range(N_FRIENDS) for subject in letters_to(site, number))
