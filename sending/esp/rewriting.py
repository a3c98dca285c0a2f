"""Take a written letter apart again, as an API wants it: its parts and its header lines, none of ours lost."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

from django.core.mail import EmailMultiAlternatives

from sending.esp.catalogue import Esp
from sending.transports import Letter

# The key under which our reference comes back in webhooks.
REFERENCE = "letterpace"
# What the API has fields for, or makes itself. A signature would not survive the provider's own changes.
_NOT_PASSED_ON = frozenset(
    "from to subject date message-id mime-version content-type content-transfer-encoding dkim-signature "
    "return-path received".split()
)


class CanNotBeSent(ValueError):
    """The letter has something that can't be said to this API."""


def as_api_message(letter: Letter, esp: Esp) -> EmailMultiAlternatives:
    """The letter as anymail takes it: one recipient, our header lines, no tracking by the provider."""
    parsed = message_from_bytes(letter.content, policy=SMTP)
    if not isinstance(parsed, EmailMessage):
        raise CanNotBeSent("The letter can't be taken apart.")
    headers = {name: str(value) for name, value in parsed.items() if name.lower() not in _NOT_PASSED_ON}
    message_id = str(parsed["Message-ID"] or "").strip().strip("<>")
    if esp.keeps_message_id is not None:
        headers |= {"Message-ID": f"<{message_id}>", **esp.keeps_message_id}
    text, html = _part(parsed, "plain"), _part(parsed, "html")
    new = EmailMultiAlternatives(
        subject=str(parsed["Subject"] or ""),
        body=text,
        from_email=str(parsed["From"]),
        to=[letter.rcpt_to],
        headers=headers,
    )
    if html:
        new.attach_alternative(html, "text/html")
    new.metadata = {REFERENCE: message_id.partition("@")[0]}  # type: ignore[attr-defined]
    if esp.can_leave_links_alone:
        # Our own doors count clicks and opens; twice rewritten links are slow and look like phishing.
        new.track_clicks = new.track_opens = False  # type: ignore[attr-defined]
    return new


def _part(parsed: EmailMessage, subtype: str) -> str:
    found = parsed.get_body((subtype,))
    return str(found.get_content()) if found is not None else ""
