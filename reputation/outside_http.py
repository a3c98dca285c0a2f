"""One request to a provider that shows figures: no redirects, no proxies of the environment, an end."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

# For the connection and for each piece; and for all of it, since a server may send an octet every few seconds.
PIECE_SECONDS = 20.0
WHOLE_SECONDS = 60.0
PIECE = 64 * 1024


class NoAnswer(Exception):
    """There was no whole answer. The message never holds the address asked, which may be a secret."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    kind: str
    body: bytes


def ask(
    url: str,
    *,
    largest: int,
    form: Mapping[str, str] | None = None,
    json: Mapping[str, Any] | None = None,
    token: str = "",
) -> Answer:
    """GET, or POST where there is a form or JSON to send. Raises NoAnswer."""
    _judge(url)
    headers = {"User-Agent": "Letterpace"} | ({"Authorization": f"Bearer {token}"} if token else {})
    method = "GET" if form is None and json is None else "POST"
    with requests.Session() as session:
        session.trust_env = False
        try:
            response = session.request(
                method, url, headers=headers, data=form, json=json, timeout=PIECE_SECONDS, allow_redirects=False,
                stream=True,
            )  # fmt: skip
            with response:
                return Answer(response.status_code, response.headers.get("Content-Type", ""), _body(response, largest))
        except requests.RequestException as error:
            # Its words hold the address.
            raise NoAnswer(f"no answer ({type(error).__name__})") from None


def _judge(url: str) -> None:
    """In a rehearsal nothing leaves this machine; else nothing leaves it in plain."""
    found = urlsplit(url)
    if settings.LAB:
        if not _is_loopback(found.hostname or ""):
            raise NoAnswer("LAB is on, and nothing may leave this machine")
    elif found.scheme != "https":
        raise NoAnswer("the address is no https://")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _body(response: requests.Response, largest: int) -> bytes:
    ends, body = time.monotonic() + WHOLE_SECONDS, b""
    for piece in response.iter_content(PIECE):
        body += piece
        if len(body) > largest:
            raise NoAnswer(f"the answer is larger than {largest // 1024:,} KB")
        if time.monotonic() > ends:
            raise NoAnswer(f"no whole answer within {WHOLE_SECONDS:g} seconds")
    return body
