"""A site and a browser for those who need them.

What reads Django's settings is imported late: when only these tests are asked for, this file is read before Django is
set up.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.chromium import Witness
    from tests.browser.site import Site


@pytest.fixture(scope="session")
def program() -> str:
    from tests.browser import chromium

    found = chromium.executable()
    if found is None:
        pytest.skip("There is no Chromium on this machine: install the package chromium.")
    return found


@pytest.fixture(scope="package")
def whole_site(program: str, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Site]":
    """Everything runs; nothing was sent yet."""
    from tests.browser.site import running_site

    with running_site("whole", tmp_path_factory.mktemp("site") / "whole") as site:
        yield site


@pytest.fixture(scope="module")
def browser(program: str) -> "Iterator[Browser]":
    from tests.browser import chromium

    with chromium.chromium(program) as found:
        yield found


@pytest.fixture
def witness(whole_site: "Site") -> "Iterator[Witness]":
    """Fails the test when a page did what none may do."""
    from tests.browser.chromium import Witness

    watching = Witness(whole_site)
    yield watching
    assert watching.seen == []
