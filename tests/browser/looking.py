"""How a page is looked at: one visit, and all that is asked of it."""

import gzip
import re
from functools import partial
from typing import Any, Literal

from playwright.sync_api import Browser, Page, Response

from tests.browser import axe
from tests.browser.chromium import Visitor, Witness
from tests.browser.furnish import PASSWORD, code_of
from tests.browser.pages import Look
from tests.browser.site import Site, until

WIDTHS, HEIGHT = (1280, 375), 900
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
NARROWEST = 320
FIRST_VIEW = 250_000
# So many texts at least were measured: one that measures none passes everything. Readers' pages are a few sentences.
LEAST = {"reader": 2, "stranger": 2}
LEAST_IN_THE_SHELL = 6
# The shell's script hears of a change a moment later; readers' pages have none.
HAS_SCHEME = "(scheme) => (document.documentElement.dataset.bsTheme || scheme) === scheme"
ASKED_FOR = "performance.getEntriesByType('resource').map((each) => each.name)"
SEND = """([typed, action]) => {
    const forms = [...document.querySelectorAll("main form")].filter((form) => form.method === "post");
    const form = forms.find((one) => action && new URL(one.action).pathname === action) || forms[0];
    form.noValidate = true;
    for (const [name, value] of Object.entries(typed)) form.elements.namedItem(name).value = value;
    form.requestSubmit();
}"""


class Eyes:
    """Looks at pages as the people of the furnished site, each at a window of their own."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser, self._site = browser, site
        self._visitors: dict[str, Visitor] = {}
        self._sizes: dict[str, int] = {}

    def examine(self, look: Look) -> None:
        visitor = self.visitor(look.who)
        page, seen = visitor.page, visitor.witness.seen
        seen.clear()
        page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
        answer = page.goto(look.path(self._site.told))
        assert answer
        _settle(page)
        wrong = [] if answer.status == look.status else [f"answered {answer.status}"]
        if look.typed is None:
            wrong += self._too_heavy(page, answer)
        else:
            answer = _send_wrongly(page, look, self._site.told)
            wrong += [] if answer.status in (200, 422) else [f"answered {answer.status} to what was typed"]
        wrong += [*_violations(page, look), *_sideways(page)]
        wrong += [each for each in seen if "the server responded with a status of 4" not in each]
        assert not wrong, "\n".join(wrong)

    def visitor(self, who: str) -> Visitor:
        """A window of somebody who is signed in; a stranger and a reader are not."""
        if who not in self._visitors:
            visitor = Visitor(self._browser, self._site, Witness(self._site))
            if who not in ("stranger", "reader"):
                self._sign_in(visitor, who)
            self._visitors[who] = visitor
        return self._visitors[who]

    def _sign_in(self, visitor: Visitor, who: str) -> None:
        address = {"admin": "mara", "writer": "mara", "viewer": "vera"}.get(who, "ola")
        visitor.sign_in(f"{address}@harbour.example", PASSWORD)
        visitor.page.wait_for_url(re.compile("/authenticate/" if address == "ola" else "/$"))
        if who == "careful":
            visitor.page.locator("#id_code").fill(code_of(self._site.told["totp"]))
            visitor.page.locator("#id_code").press("Enter")
            visitor.page.wait_for_url(re.compile("/$"))
        if who == "admin":
            _confirm(visitor.page)

    def _too_heavy(self, page: Page, answer: Response) -> list[str]:
        """What the first view costs somebody who comes for the first time."""
        others = [url for url in page.evaluate(ASKED_FOR) if url.startswith("http")]
        sizes = {url: self._size(page, url) for url in others} | {"the page": _packed(answer.body())}
        if sum(sizes.values()) <= FIRST_VIEW:
            return []
        heaviest = sorted(sizes.items(), key=lambda size: -size[1])[:6]
        said = ", ".join(f"{url.rsplit('/', 1)[-1]} {size:,}" for url, size in heaviest)
        return [f"{sum(sizes.values()):,} bytes at first view: {said}"]

    def _size(self, page: Page, url: str) -> int:
        if "/static/" not in url:
            return _packed(page.context.request.get(url).body())
        if url not in self._sizes:
            self._sizes[url] = _packed(page.context.request.get(url).body())
        return self._sizes[url]


def _packed(body: bytes) -> int:
    """As a server in production sends it."""
    return min(len(body), len(gzip.compress(body, 9)))


def _confirm(page: Page) -> None:
    """For what concerns signing in the password is asked for once more."""
    page.goto("/account/second-factor/totp/activate/")
    if "/confirm/" in page.url:
        page.locator("#id_password").fill(PASSWORD)
        page.locator("#id_password").press("Enter")
        page.wait_for_url(re.compile("/activate/"))


def _settle(page: Page) -> None:
    """What the page asks for by itself is there."""
    until(lambda: page.evaluate("!document.querySelector('.htmx-request')"), "all pieces of the page")


def _send_wrongly(page: Page, look: Look, told: dict[str, Any]) -> Response:
    action = Look(look.to, known=look.known).path(told) if look.to else ""
    with page.expect_navigation() as going:
        page.evaluate(SEND, [look.typed, action])
    answer = going.value
    _settle(page)
    return answer


def _violations(page: Page, look: Look) -> list[str]:
    axe.bring(page)
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        found += [f"{width} px: {each}" for each in axe.shapes(page).violations]
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            until(partial(page.evaluate, HAS_SCHEME, scheme), f"{scheme} colours")
            verdict = axe.colours(page)
            found += [f"{scheme}, {width} px: {each}" for each in verdict.violations]
            least = LEAST_IN_THE_SHELL if look.who not in LEAST and look.status == 200 else LEAST.get(look.who, 3)
            if verdict.measured < least:
                found.append(f"{scheme}, {width} px: the contrast of {verdict.measured} texts only was measured")
    return found


def _sideways(page: Page) -> list[str]:
    page.set_viewport_size({"width": NARROWEST, "height": HEIGHT})
    wide = page.evaluate("document.documentElement.scrollWidth")
    return [] if wide <= NARROWEST else [f"scrolls sideways at {NARROWEST} px: {wide} px wide"]
