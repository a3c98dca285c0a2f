"""Receivers of the lab for letters of the engine: real SMTP, and the ledger of what was offered and taken."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from lab.running import Lab, running_lab
from tests.lab.conftest import LENIENT, OpenLab
from tests.sending.conftest import engine as engine

HOSTS = {"gmail.com": "gmail-smtp-in.l.google.com", "gmx.de": "mx00.gmx.net", "yahoo.com": "mta5.am0.yahoodns.net"}


@pytest.fixture
def open_lab(tmp_path: Path, settings: Settings) -> Iterator[OpenLab]:
    """Opens a lab whose receivers mind nothing, unless the persona of that name is given values."""
    with contextlib.ExitStack() as stack:

        def opened(**personas: dict[str, Any]) -> Lab:
            lab = running_lab(ledger=str(tmp_path / "ledger.jsonl"), personas={"*": LENIENT, **personas})
            found: Lab = stack.enter_context(lab)
            settings.SMTP_PORT = found.smtp_port
            return found

        yield opened


def lead(domain: str, lab: Lab) -> None:
    """Let mail for a domain go to the lab's receiver of it."""
    from tests.sending.engine import point  # models: not before Django is set up

    point(domain, lab.host(HOSTS[domain]).address)
