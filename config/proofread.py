"""Who reads recipients' words a second time notes it here: `python -m config.proofread de fr` after the reading.

`locale/READ.toml` keeps, for each language, the day and the digest of all that recipients read in it: the pages, the
mails our pages send, the footer of letters. A word that changes later is unread, and a test says so.
"""

import hashlib
import sys
import tomllib
from datetime import UTC, date, datetime
from typing import NamedTuple

from config.translations import SOURCES

READ = SOURCES / "READ.toml"


class Reading(NamedTuple):
    on: date
    sha256: str


def digest(code: str) -> str:
    """SHA-256 of what recipients read in a language of the settings, whatever its order in the file."""
    from babel.messages.pofile import read_po
    from django.utils.translation import to_locale

    from campaigns.pure.phrases import phrases

    with (SOURCES / to_locale(code) / "LC_MESSAGES" / "django.po").open("rb") as file:
        catalog = read_po(file, locale=to_locale(code))
    words = sorted(repr((message.id, message.string)) for message in catalog if message.id)
    return hashlib.sha256("\n".join([*words, *phrases(code)]).encode()).hexdigest()


def readings() -> dict[str, Reading]:
    """The last reading of each language."""
    return {code: Reading(**row) for code, row in tomllib.loads(READ.read_text()).items()}


def note(codes: list[str], *, today: date) -> None:
    """Keep that these languages were read today, as they are."""
    kept = readings() | {code: Reading(today, digest(code)) for code in codes}
    rows = [f'{code} = {{ on = {row.on}, sha256 = "{row.sha256}" }}\n' for code, row in sorted(kept.items())]
    READ.write_text("# Second readings of recipients' words; CONTRIBUTING.md says how.\n" + "".join(rows))


if __name__ == "__main__":
    note(sys.argv[1:], today=datetime.now(UTC).date())  # clock: entry
