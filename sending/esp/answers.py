"""What an API's answer means, said as an SMTP reply: so that outcomes, retries and back-off know one language.

Two sentences have rules of their own in `reputation/replies.toml` (esp.slow_down, esp.account): they are about the
account, whoever the receiver is.
"""

import re
from typing import Any

import requests
from anymail.exceptions import AnymailAPIError, AnymailError, AnymailRecipientsRefused
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from sending.pure.dialogue import SmtpReply
from sending.transports import ConnectionLost, NoAnswer
from words.typed import is_whole

_MOST_WORDS = 200
# A 400 or 422 about the sender or the account would fail everybody's letter alike; it must not use them all up.
_ABOUT_THE_ACCOUNT = re.compile(
    r"'?from'?|sender|signature|domain|account|credit|plan\b|limit|permission|verif|approv|suspend|disabled|"
    r"unauthori[sz]ed|forbidden|api[ -]?key|token|endpoint|stream",
    re.IGNORECASE,
)


class NotLetThrough(requests.ConnectionError):
    """The address of the API must not be connected to from here: certain that nothing was sent."""


def accepted(status: Any) -> SmtpReply:
    """The call succeeded. `status` is anymail's; the provider's own id is where SMTP servers put theirs."""
    ids = [each.message_id for each in status.recipients.values() if each.message_id]
    queued = re.sub(r"[<>\s]", "", str(ids[0]))[:120] if ids else ""
    return SmtpReply(250, f"2.0.0 Ok: queued as {queued}" if queued else "2.0.0 Ok")


def reply_to(error: AnymailError) -> SmtpReply:
    """What a failed call means. Raises ConnectionLost when the letter surely did not leave, else NoAnswer."""
    if isinstance(error, AnymailRecipientsRefused):
        return _recipient_refused(error)
    if not isinstance(error, AnymailAPIError):
        return SmtpReply(554, f"5.6.0 The letter can't be said to this API: {_words(str(error))}")
    status = error.status_code
    if status is None:
        return _without_status(error)
    return _by_status(int(status), error)


def _recipient_refused(error: AnymailRecipientsRefused) -> SmtpReply:
    message = error.email_message
    states = message.anymail_status.status if message is not None else set()
    if "invalid" in states:
        return SmtpReply(550, "5.1.3 The sending service calls this address invalid")
    return SmtpReply(550, "The sending service has this address on a list of its own and did not send")


def _by_status(status: int, error: AnymailAPIError) -> SmtpReply:
    words = _words(_text_of(error))
    if status == 429:
        return SmtpReply(451, f"The sending service asks us to slow down{_hint(error)} (HTTP 429): {words}")
    if status in (408, 425, 503):
        return SmtpReply(451, f"4.3.2 The sending service is not available (HTTP {status}): {words}")
    if status >= 500:
        raise NoAnswer(f"HTTP {status}")
    if status < 300 and "Magnificent" not in words:
        raise NoAnswer(f"HTTP {status} with an answer that can't be read")
    if status in (400, 413, 415, 422) and not _ABOUT_THE_ACCOUNT.search(words):
        return SmtpReply(554, f"5.6.0 The sending service did not take the letter (HTTP {status}): {words}")
    return SmtpReply(451, f"The sending service refuses this account (HTTP {status}): {words}")


def _without_status(error: AnymailAPIError) -> SmtpReply:
    if isinstance(error, requests.TooManyRedirects):
        return SmtpReply(451, "The sending service refuses this account: its address leads somewhere else")
    cause = error.__cause__
    inner = cause.args[0] if cause is not None and cause.args else None
    reason = inner.reason if isinstance(inner, MaxRetryError) else inner
    unreached = isinstance(reason, NewConnectionError | NameResolutionError) or "CERTIFICATE_VERIFY" in str(reason)
    if unreached or isinstance(error, requests.ConnectTimeout | NotLetThrough | ValueError):
        raise ConnectionLost("connect", _words(str(cause)))
    raise NoAnswer(_words(str(cause)))


def _hint(error: AnymailAPIError) -> str:
    asked = error.response.headers.get("Retry-After", "") if error.response is not None else ""
    return f"; try again in {asked} seconds" if is_whole(asked, digits=5) else ""


def _text_of(error: AnymailAPIError) -> str:
    return str(error.response.text[:2000]) if error.response is not None else ""


def _words(text: str) -> str:
    return " ".join(re.sub(r"<[^<>]{0,200}>", " ", text).split())[:_MOST_WORDS]
