"""Google Postmaster Tools, asked by its API (v2): the spam rate of our domains, day by day."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from urllib.parse import quote

from reputation.outside_http import NoAnswer, ask
from reputation.pure import google_stats
from reputation.pure.postmaster_files import Figure, Unreadable
from reputation.pure.told_figures import NoFigures, Told

TOKEN_URL = google_stats.TOKEN_AUDIENCE
API_URL = "https://gmailpostmastertools.googleapis.com/v2"
LARGEST = 1024 * 1024
MOST_PAGES = 20
NONE_YET = "{}: no figures yet. Google shows them for days on which enough of its people got mail of the domain."


def fetch(*, now: datetime, secret: str, domains: Sequence[str], first: date, last: date) -> Told:
    """The figures of all domains, and a sentence for each that has none. Raises NoFigures when nobody's came."""
    token = _token(now, secret)
    figures: list[Figure] = []
    notes = []
    for domain in domains:
        try:
            found = _of(domain, token, first, last)
        except NoFigures as refusal:
            # Quota, a key that ended: the other domains would hear the same.
            if refusal.of_all:
                raise
            notes.append(str(refusal))
        else:
            figures += found
            notes += [] if found else [NONE_YET.format(domain)]
    return Told(figures, notes)


def _token(now: datetime, secret: str) -> str:
    try:
        key = google_stats.read_key(secret)
        answer = ask(TOKEN_URL, largest=LARGEST, form=google_stats.token_request(key, now=now))
        if answer.status >= 500:
            raise NoFigures(f"Google's sign-in answered with status {answer.status}.", soon=True)
        if answer.status != 200:
            raise NoFigures(google_stats.no_token(answer.status, answer.body), soon=answer.status == 429)
        return google_stats.token_of(answer.body)
    except NoAnswer as error:
        raise NoFigures(f"Google could not be asked: {error}.", soon=True) from None
    except Unreadable as error:
        raise NoFigures(str(error)) from None


def _of(domain: str, token: str, first: date, last: date) -> list[Figure]:
    url = f"{API_URL}/domains/{quote(domain, safe='')}/domainStats:query"
    figures: list[Figure] = []
    page = ""
    for _ in range(MOST_PAGES):
        try:
            asked = google_stats.question(first=first, last=last, page=page)
            answer = ask(url, largest=LARGEST, json=asked, token=token)
            if answer.status != 200:
                raise _refusal(answer.status, answer.body, domain)
            found, page = google_stats.figures_of(domain, answer.body)
        except NoAnswer as error:
            raise NoFigures(f"Google could not be asked: {error}.", soon=True) from None
        except Unreadable as error:
            raise NoFigures(f"{domain}: {error}", of_all=False) from None
        figures += found
        if not page:
            break
    return figures


def _refusal(status: int, body: bytes, domain: str) -> NoFigures:
    words = google_stats.refused(status, body, domain)
    return NoFigures(words, soon=status == 429 or status >= 500, of_all=not words.startswith(domain) or status >= 500)


def days(now: datetime) -> tuple[date, date]:
    """What is asked for: the last thirty days up to yesterday. Each that was known is told anew."""
    today = now.date()
    return today - timedelta(days=30), today - timedelta(days=1)
