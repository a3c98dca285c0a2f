"""What the Postmaster Tools API (v2) is asked and answers, without the asking.

Keys are of two kinds, both as Google writes them into a JSON file: of a service account (which acts for a person of
its Workspace), and of an authorised user (client, its secret and a refresh token).
Sources: developers.google.com/workspace/gmail/postmaster/reference/rest/v2; RFC 7523 for the signed assertion.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from reputation.pure.postmaster_files import Figure, Unreadable

SCOPE = "https://www.googleapis.com/auth/postmaster.traffic.readonly"
TOKEN_AUDIENCE = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, no password
ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS = 3600
METRIC = "spam_rate"
MOST_ON_A_PAGE = 200
LARGEST_KEY = 20_000
_FIELDS = {
    "service_account": ("client_email", "private_key"),
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
}


@dataclass(frozen=True, slots=True)
class Key:
    """A credential. `acts_for`: the person a service account acts for, who owns the domains at Postmaster Tools."""

    kind: str
    fields: Mapping[str, str]
    acts_for: str = ""

    @property
    def name(self) -> str:
        """Which key it is, without a secret."""
        if self.kind == "authorized_user":
            return self.fields["client_id"][:120]
        return f"{self.fields['client_email']} ({self.acts_for})" if self.acts_for else self.fields["client_email"]

    def as_text(self) -> str:
        """What is sealed; `read_key` reads it again."""
        return json.dumps({"type": self.kind, **self.fields, "acts_for": self.acts_for})


def read_key(text: str, *, acts_for: str = "") -> Key:
    """A key out of the JSON file that Google gave. Raises Unreadable with a sentence, which never holds the secret."""
    try:
        given = json.loads(text[:LARGEST_KEY])
    except (ValueError, RecursionError):
        raise Unreadable("This is no JSON. Paste the whole file as Google gave it.") from None
    kind = given.get("type") if isinstance(given, dict) else None
    if kind not in _FIELDS:
        raise Unreadable('Its "type" should be "service_account" or "authorized_user".')
    fields = {name: given.get(name) for name in _FIELDS[kind]}
    missing = [name for name, value in fields.items() if not isinstance(value, str) or not value.strip()]
    if missing:
        raise Unreadable(f"It has no {' and no '.join(missing)}.")
    key = Key(kind, {name: str(value) for name, value in fields.items()}, acts_for or str(given.get("acts_for") or ""))
    if kind == "service_account":
        _private(key)
    elif acts_for:
        raise Unreadable("Only a service account acts for somebody. Leave that field empty.")
    return key


def token_request(key: Key, *, now: datetime) -> dict[str, str]:
    """The form that gets an access token for an hour."""
    if key.kind == "authorized_user":
        return {"grant_type": "refresh_token", **key.fields}
    begins = int(now.timestamp())
    claims = {
        "iss": key.fields["client_email"],
        "scope": SCOPE,
        "aud": TOKEN_AUDIENCE,
        "iat": begins,
        "exp": begins + ASSERTION_SECONDS,
    } | ({"sub": key.acts_for} if key.acts_for else {})
    signed = f"{_octets({'alg': 'RS256', 'typ': 'JWT'})}.{_octets(claims)}"
    signature = _private(key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return {"grant_type": ASSERTION, "assertion": f"{signed}.{_base64(signature)}"}


def question(*, first: date, last: date, page: str = "") -> dict[str, Any]:
    """The body of domainStats:query for the spam rate of each day from `first` to `last`."""
    asked: dict[str, Any] = {
        "metricDefinitions": [{"name": METRIC, "baseMetric": {"standardMetric": "SPAM_RATE"}}],
        "timeQuery": {"dateRanges": {"dateRanges": [{"start": _said(first), "end": _said(last)}]}},
        "aggregationGranularity": "DAILY",
        "pageSize": MOST_ON_A_PAGE,
    }
    return asked | ({"pageToken": page} if page else {})


def figures_of(domain: str, body: bytes) -> tuple[list[Figure], str]:
    """The days of an answer and the token of its next page. Days without figures are not there at all.

    Raises Unreadable when it is no such answer.
    """
    answer = _json_of(body)
    rows = answer.get("domainStats") or []
    if not isinstance(rows, list):
        raise Unreadable("Google's answer has another form than it should.")
    found = [figure for row in rows if (figure := _figure(domain, row)) is not None]
    return found, str(answer.get("nextPageToken") or "")


def token_of(body: bytes) -> str:
    """The access token in an answer. Raises Unreadable."""
    token = _json_of(body).get("access_token")
    if not isinstance(token, str) or not token:
        raise Unreadable("Google's answer has no token in it.")
    return token


def no_token(status: int, body: bytes) -> str:
    """Why there is no access token, in a sentence for admins."""
    error = str(_told(body).get("error") or "")
    if error == "invalid_grant":
        return "Google takes this key no longer: it was revoked, or ran out. Make a new one and enter it here."
    if error in ("invalid_client", "unauthorized_client"):
        return "Google does not know this client, or does not let it act for that person. Look at its settings there."
    return f"Google gave no token (status {status}{', ' + error[:60] if error else ''})."


def refused(status: int, body: bytes, domain: str) -> str:
    """Why there are no figures of a domain, in a sentence for admins."""
    error = _told(body).get("error")
    error = error if isinstance(error, dict) else {}
    words = json.dumps(error)
    if "SERVICE_DISABLED" in words or "has not been used in project" in words:
        return "The Gmail Postmaster Tools API is not switched on in the project of this key."
    if "SCOPE_INSUFFICIENT" in words or "insufficient authentication scopes" in words:
        return f"The key may not read these figures. It needs the scope {SCOPE}."
    if status in (403, 404):
        return f"{domain}: this account has no such domain at Postmaster Tools. Add it there, or let it be shared."
    if status == 429:
        return "Google's quota for this project is used up for now."
    if status == 401:
        return "Google takes this key no longer: it was revoked, or ran out. Make a new one and enter it here."
    return f"{domain}: Google answered with status {status}."


def _figure(domain: str, row: Any) -> Figure | None:
    """None for another metric, and for a day whose value Google keeps to itself."""
    if not isinstance(row, dict) or row.get("metric") != METRIC:
        return None
    value, day = row.get("value"), row.get("date")
    rate = next((value[name] for name in ("doubleValue", "floatValue") if name in value), None) if value else None
    if rate is None or not day:
        return None
    try:
        per_cent = float(rate) * 100
        told = date(day["year"], day["month"], day["day"])
    except (TypeError, KeyError, ValueError):
        raise Unreadable("Google's answer has another form than it should.") from None
    if not 0 <= per_cent <= 100:
        raise Unreadable("Google's answer has a rate that is none.")
    # Their floats are of single precision: 0.001 comes as 0.0010000000474974513.
    return Figure(subject=domain, day=told, complaints=round(per_cent, 4))


def _private(key: Key) -> rsa.RSAPrivateKey:
    try:
        private = serialization.load_pem_private_key(key.fields["private_key"].encode(), password=None)
    except (ValueError, TypeError):
        raise Unreadable("Its private_key is no key in PEM form. Paste the file as it is.") from None
    if not isinstance(private, rsa.RSAPrivateKey):
        raise Unreadable("Its private_key is no RSA key.")
    return private


def _json_of(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise Unreadable("Google's answer is no JSON.")
    return answer


def _told(body: bytes) -> dict[str, Any]:
    try:
        return _json_of(body)
    except Unreadable:
        return {}


def _said(day: date) -> dict[str, int]:
    return {"year": day.year, "month": day.month, "day": day.day}


def _octets(claims: Mapping[str, Any]) -> str:
    return _base64(json.dumps(claims, separators=(",", ":")).encode())


def _base64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
