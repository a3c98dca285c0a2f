"""Microsoft SNDS, asked by its link for automated data access: yesterday's figures of our addresses, as CSV.

Such a link is the whole credential. Since June 2026 it ends after 30 days, and answers 404 from then on; the REST
interface that Microsoft has beside it wants a person who signs in with a browser on the same machine.
"""

import re
from collections.abc import Collection
from urllib.parse import parse_qs, urlsplit

from django.conf import settings

from reputation.outside_http import Answer, NoAnswer, ask
from reputation.pure.postmaster_files import LARGEST, Unreadable, read_csv
from reputation.pure.told_figures import NoFigures, Told

LINK_DAYS = 30
# A link that leads elsewhere is no link of SNDS, and must not make us ask other machines.
_HOSTS = re.compile(r"(^|\.)(substrate\.office\.com|protection\.outlook\.com|engineering\.microsoft\.com)$")
ENDED = (
    "Microsoft does not know this link any more; they end after 30 days. Sign in to SNDS, make a new one under "
    "automated data access, and enter it here."
)
NONE_YET = "No figures of our addresses yet. SNDS shows an address for days on which it sent Microsoft 100 messages."


def check_link(link: str) -> None:
    """Raises Unreadable when this can be no link of SNDS."""
    found = urlsplit(link)
    given = {name.lower(): values for name, values in parse_qs(found.query).items()}
    allowed = found.scheme == "https" and _HOSTS.search(found.hostname or "")
    if not allowed and not (settings.LAB and found.hostname == "127.0.0.1"):
        raise Unreadable("This is no link of SNDS. It begins with https://substrate.office.com/ and has a key in it.")
    if not given.get("key"):
        raise Unreadable("The link has no key in it. Copy the one for the data report, whole.")


def name_of(link: str) -> str:
    """Which link it is, without the secret."""
    found = urlsplit(link)
    key = next(values[0] for name, values in parse_qs(found.query).items() if name.lower() == "key")
    return f"{found.hostname}, key …{key[-4:]}"


def fetch(*, secret: str, addresses: Collection[str]) -> Told:
    """The figures of our addresses; others of the same account are left out. Raises NoFigures."""
    try:
        answer = ask(secret, largest=LARGEST)
    except NoAnswer as error:
        raise NoFigures(f"Microsoft could not be asked: {error}.", soon=True) from None
    _look(answer)
    if not answer.body.strip():
        return Told([], [NONE_YET])
    try:
        figures = read_csv(answer.body, source="snds")
    except Unreadable as error:
        raise NoFigures(f"What Microsoft sent could not be read: {error}") from None
    ours = [one for one in figures if one.subject in addresses]
    others = sorted({one.subject for one in figures} - set(addresses))
    notes = [] if ours else [NONE_YET]
    if others:
        shown = ", ".join(others[:3]) + (" …" if len(others) > 3 else "")
        notes.append(f"Left out: {shown}, no sending address here.")
    return Told(ours, notes)


def _look(answer: Answer) -> None:
    if answer.status == 429 or answer.status >= 500:
        raise NoFigures(f"Microsoft answered with status {answer.status}.", soon=True)
    # To whoever has no right it shows the page to sign in.
    is_page = "html" in answer.kind.lower() or answer.body.lstrip()[:1] == b"<"
    if answer.status in (301, 302, 303, 307, 308, 401, 403, 404, 410) or is_page:
        raise NoFigures(ENDED)
    if answer.status != 200:
        raise NoFigures(f"Microsoft answered with status {answer.status}.")
