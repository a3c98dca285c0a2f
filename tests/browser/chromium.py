"""The system's Chromium, and a witness of what no page of ours may do."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebError,
    expect,
    sync_playwright,
)

from tests.browser.site import PATIENCE, Site

NAMES = ("chromium", "chromium-browser", "google-chrome")
# What Chromium's own words depend on.
LOCALE, ZONE = "en-GB", "Europe/Warsaw"
TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`policy: ${event.violatedDirective} of ${event.documentURI} stopped ${event.blockedURI}`));
"""


def executable() -> str | None:
    """Where the browser is; None when there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium(program: str) -> Iterator[Browser]:
    """While it is there an event loop runs in this thread, and Django refuses to ask the database from it."""
    # The sandbox can't be had by root.
    args = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=args)
        yield browser
        browser.close()


class Witness:
    """Notes violations of the content security policy, errors of scripts and the console, and other hosts asked."""

    def __init__(self, site: Site) -> None:
        self.seen: list[str] = []
        self._host = urlsplit(site.url).netloc

    def watch(self, context: BrowserContext) -> None:
        context.add_init_script(TELL_VIOLATIONS)
        context.on("console", self._hear)
        context.on("weberror", self._note_error)
        context.on("request", self._note_request)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.seen.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _note_error(self, error: WebError) -> None:
        self.seen.append(f"script: {error.error.message}")

    def _note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self._host:
            self.seen.append(f"another host was asked: {request.url}")


class Visitor:
    """Somebody at a browser of their own, whom the witness watches."""

    def __init__(
        self, browser: Browser, site: Site, witness: Witness, *, width: int = 1280, script: bool = True,
    ) -> None:  # fmt: skip
        self.site, self.witness = site, witness
        context = browser.new_context(
            base_url=site.url, viewport={"width": width, "height": 900}, locale=LOCALE, timezone_id=ZONE,
            java_script_enabled=script,
        )  # fmt: skip
        context.set_default_timeout(PATIENCE * 1000)
        witness.watch(context)
        self.page: Page = context.new_page()

    def sign_in(self, address: str, password: str) -> None:
        self.page.goto("/sign-in/")
        self.page.get_by_label("E-mail").fill(address)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def leave(self) -> None:
        self.page.context.close()
