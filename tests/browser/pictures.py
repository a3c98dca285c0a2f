"""The pictures in README and docs/, taken of a demo of its own: `make pictures` (needs Chromium; about four minutes).

Look at all of them before they are committed.
"""

import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from PIL import Image
from playwright.sync_api import Browser, Page

PEOPLE = 3000
FACTOR = 10.0
ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "pictures"
WIDTH, HEIGHT, SHARPNESS = 1280, 860, 1.5
MOST = 150_000
# While the campaign is under way: when so many of a hundred are done.
UNDER_WAY = 35
SAID = re.compile(r" (\d+) % ")


@dataclass(frozen=True)
class Shot:
    name: str
    path: str
    scheme: Literal["light", "dark"] = "light"
    height: int = HEIGHT


DURING = (
    Shot("monitor", "/campaigns/{campaign}/monitor/", height=940),
    Shot("monitor-dark", "/campaigns/{campaign}/monitor/", "dark", height=940),
    Shot("home", "/"),
)
AFTER = (
    Shot("report", "/campaigns/{campaign}/report/", height=940),
    Shot("letter", "/campaigns/{draft}/letter/"),
    Shot("review", "/campaigns/{draft}/review/"),
)
# Whatever a page takes on a machine that is busy with a demo.
PATIENCE = 90.0


def main() -> None:
    from tests.browser.chromium import chromium, executable

    program = executable()
    if program is None:
        sys.exit("There is no Chromium on this machine: install the package chromium.")
    with (
        tempfile.TemporaryDirectory() as folder,
        demo(Path(folder)) as (url, said, inside),
        chromium(program) as browser,
    ):
        wait(said, until="sending “Winter")
        state = sign_in(browser, url)
        wait(said, percent=UNDER_WAY)
        take(browser, url, state, DURING, {"campaign": 2})
        wait(said, until="done; ")
        subprocess.run([sys.executable, "-m", "tests.browser.readers"], cwd=ROOT, env=inside, check=True)
        take(browser, url, state, AFTER, {"campaign": 2, "draft": draft(browser, url, state)})


@contextmanager
def demo(folder: Path) -> Iterator[tuple[str, IO[str], dict[str, str]]]:
    """A demo with its lab and all its processes; its address, what it says, and its settings."""
    from config.demo import people, stage
    from config.management.commands.demo import ASKED

    asked = {**dict.fromkeys(ASKED, False), "recipients": PEOPLE, "without_readers": True}
    away = {"DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY", "KEYS_DIR", "PROCESS_KIND"}
    kept = {name: value for name, value in os.environ.items() if name not in away}
    with stage.set_up(folder, factor=FACTOR, web_port=0, hosters=people.hosters_for(PEOPLE)) as ready:
        inside = {**kept, **ready.environment()}
        process = subprocess.Popen(
            [sys.executable, "manage.py", "demo_inside", json.dumps(asked)], cwd=ROOT, env=inside,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout
            yield f"http://127.0.0.1:{ready.web_port}", process.stdout, inside
        finally:
            process.terminate()
            process.wait()


def wait(said: IO[str], *, until: str = "", percent: int = 101) -> None:
    """Until the demo says this, or that so much is done."""
    for line in said:
        print(line, end="", flush=True)
        found = SAID.search(line)
        if (until and until in line) or (found and int(found[1]) >= percent):
            return
    sys.exit("The demo ended before it was done.")


def sign_in(browser: Browser, url: str) -> Any:
    from config.demo.world import SIGN_IN

    page = browser.new_page(base_url=url)
    page.goto("/sign-in/")
    page.get_by_label("E-mail").fill(SIGN_IN)
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(re.compile("/$"))
    state = page.context.storage_state()
    page.context.close()
    return state


def draft(browser: Browser, url: str, state: Any) -> int:
    """A copy of the campaign, as somebody makes who writes the next one; its id."""
    page = browser.new_page(base_url=url, storage_state=state)
    page.goto("/campaigns/")
    page.get_by_role("button", name="Duplicate Winter reading list").click()
    page.wait_for_url(re.compile(r"/campaigns/\d+/"))
    found = re.search(r"/campaigns/(\d+)/", page.url)
    page.context.close()
    assert found
    return int(found[1])


def take(browser: Browser, url: str, state: Any, shots: tuple[Shot, ...], ids: dict[str, int]) -> None:
    for shot in shots:
        context = browser.new_context(
            base_url=url, viewport={"width": WIDTH, "height": shot.height}, storage_state=state,
            color_scheme=shot.scheme, device_scale_factor=SHARPNESS, locale="en-GB", timezone_id="Europe/Warsaw",
            reduced_motion="reduce",
        )  # fmt: skip
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        page.goto(shot.path.format(**ids))
        settle(page)
        keep(shot.name, page.screenshot())
        context.close()


def settle(page: Page) -> None:
    from tests.browser.site import until

    page.wait_for_load_state("networkidle")
    until(lambda: page.evaluate("!document.querySelector('.htmx-request')"), "all pieces of the page")


def keep(name: str, png: bytes) -> None:
    """As WebP, which takes a third of a PNG."""
    path = FOLDER / f"{name}.webp"
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(path, "WEBP", quality=78, method=6)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size:,} bytes", flush=True)
    if size > MOST:
        sys.exit(f"{name} has more than {MOST:,} bytes.")


if __name__ == "__main__":
    import tests.conftest

    tests.conftest.pytest_configure()
    main()
