"""Readers of the demo who leave by the one-click address of a letter they got (RFC 8058)."""

import json
import random
import re
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from http.client import HTTPConnection

from config.demo.stage import Stage
from sending.models import Batch, Delivery, Mailing, Outcome

ANGLED = re.compile(r"<(https?://[^>\s]+)>")
FIELD = "List-Unsubscribe=One-Click"
BOUNDARY = "demo-boundary"


@dataclass(frozen=True, slots=True)
class OneClick:
    address: str
    url: str
    multipart: bool


@dataclass(frozen=True, slots=True)
class Post:
    """What came of one POST. `wall` is the time (Unix seconds) when the 200 was in our hands."""

    address: str
    status: int
    wall: float
    pending: bool


def links_of(stage: Stage, mailing: Mailing | None, n: float, source: random.Random) -> list[OneClick]:
    """One-click addresses out of the messages that receivers hold; every second one is posted as a multipart form."""
    if mailing is None:
        return []
    accepted = Outcome.objects.filter(mailing_id=mailing.pk, kind="accepted").values("delivery")
    people = Delivery.objects.filter(mailing_id=mailing.pk, id__in=accepted).values_list("subscriber_id", flat=True)
    addresses = _addresses(list(people))
    source.shuffle(addresses)
    found: list[OneClick] = []
    for address in addresses:
        if len(found) >= n:
            break
        url = _one_click_url(stage, address)
        if url:
            found.append(OneClick(address, url, multipart=len(found) % 2 == 1))
    return found


def _addresses(subscribers: list[int]) -> list[str]:
    from audiences.models import Subscriber

    rows = Subscriber.objects.filter(pk__in=subscribers).order_by("pk").values_list("email", flat=True)
    # Complainers are suppressed by their complaint; they are counted apart.
    return [email for email in rows if not email.startswith(("complain", "late-bounce"))]


def _one_click_url(stage: Stage, address: str) -> str:
    for text in messages_of(stage, address):
        if url := _unsubscribe_url(HeaderParser().parsestr(text)):
            return url
    return ""


def _unsubscribe_url(letter: Message) -> str:
    match = ANGLED.search(str(letter.get("List-Unsubscribe", "")).replace("\n", "").replace("\r", ""))
    return match.group(1) if match else ""


def leave(letter: Message, address: str) -> None:
    """Press the button that this letter makes a mail program show."""
    if url := _unsubscribe_url(letter):
        post(OneClick(address, url, multipart=False), None)


def post(link: OneClick, mailing: Mailing | None) -> Post:
    """Do what a mailbox provider does when somebody presses its button: no cookie, no redirect followed."""
    parts = urllib.parse.urlsplit(link.url)
    connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=30)
    try:
        body, content_type = _form(link.multipart)
        connection.request("POST", parts.path, body, {"Content-Type": content_type})
        response = connection.getresponse()
        response.read()
        heard = time.time()  # clock: entry
        return Post(link.address, response.status, heard, _still_waits(link.address, mailing))
    finally:
        connection.close()


def _form(multipart: bool) -> tuple[str, str]:
    if not multipart:
        return FIELD, "application/x-www-form-urlencoded"
    name, _, value = FIELD.partition("=")
    body = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n--{BOUNDARY}--\r\n'
    return body, f"multipart/form-data; boundary={BOUNDARY}"


def _still_waits(address: str, mailing: Mailing | None) -> bool:
    """Had the new letter still to be sent when the person was told so: no outcome yet, and not past its gate."""
    if mailing is None:
        return False
    from audiences.keys import key_of

    delivery = Delivery.objects.filter(address_key=key_of(address), mailing_id=mailing.pk).first()
    if delivery is None:
        return False
    outcomes = Outcome.objects.filter(mailing_id=mailing.pk, delivery=delivery.id)
    on_the_wire = Batch.objects.filter(mailing=mailing, state=Batch.State.RUNNING, intent=delivery.id)
    return not outcomes.exclude(kind__in=["deferred", "skipped"]).exists() and not on_the_wire.exists()


def reports_sent(stage: Stage) -> int:
    """Bounces and complaints that the lab's receivers have sent back so far."""
    from lab.ledger import reports

    return sum(n for kind, n in reports(stage.ledger).items() if kind in ("dsn_sent", "arf_sent"))


def messages_of(stage: Stage, address: str) -> list[str]:
    """What the receiver of an address keeps for it, as text."""
    # The lab's own address on this machine.
    where = f"{stage.control}/messages?to={urllib.parse.quote(address)}"
    with urllib.request.urlopen(where, timeout=10) as response:  # noqa: S310
        found = json.load(response)
    return [str(message["text"]) for message in found["messages"]]
