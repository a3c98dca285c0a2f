"""What one recipient costs between the database and the socket: `python -m benchmarks.compose`.

A letter of about 10 KB on the wire with 12 personal fields and 10 tracked links is filled and signed for many
recipients. Prints one JSON line: microseconds per message (best of the rounds), and how many times longer
`EmailMessage` and `dkimpy` take for the same message on the same machine.
"""

import argparse
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import dkim as dkimpy
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from campaigns.compile import Letter, Sender, compile_letter, preview
from sending.pure import dkim
from sending.pure.compose import Composed, PreparedMessage, RecipientContext, SystemValues, compose, prepare
from sending.pure.message import CompiledMessage, Wire

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
FIELDS = ("first_name", "last_name", "city", "plan", "points", "shop", "language", "tier", "coupon", "advisor", "since")
PARAGRAPH = "The new season is here, and with it comes everything you asked us for during the winter months. " * 2


def markdown() -> str:
    """12 fields (11 and the footer's address) and 10 links, about 10 KB once it stands on the wire."""
    blocks = [f"# Hello {{{{ contact.{FIELDS[0]} | default: 'there' }}}}"]
    for number in range(10):
        field = FIELDS[(number + 1) % len(FIELDS)]
        blocks.append(
            f"{PARAGRAPH}Your {field}: {{{{ contact.{field} | default: '-' }}}}. [Read more](https://shop.example/{number})"
        )
    return "\n\n".join(blocks)


def compiled_letter() -> CompiledMessage:
    """The letter of this benchmark, compiled as a campaign would."""
    letter = Letter(
        subject="{{ contact.first_name | default: 'Hello' }}, the new season is here",
        source=markdown(), from_name="Acme", from_address="news@acme.example", list_name="Acme News",
    )  # fmt: skip
    return compile_letter(
        letter=letter, sender=Sender(name="Acme", postal_address="1 Main Street\nSpringfield"),
        known_fields=FIELDS, public_url="https://mail.acme.example", track_clicks=True, track_opens=True,
    )  # fmt: skip


def recipient(number: int) -> RecipientContext:
    """Somebody whose values differ from everybody else's."""
    values = {field: f"{field.title()} {number}" for field in FIELDS}
    return RecipientContext(email=f"person{number}@example.org", fields=values)


def system(number: int) -> SystemValues:
    """Addresses as long as the real ones; making their tokens is not part of this measurement."""
    token = f"{number:08d}abcdefghijklmnopqrstuvwxyz234567"
    base = "https://mail.acme.example"
    return SystemValues(
        message_id=f"<{token}@acme.example>", date=NOW, links=[f"{base}/l/{token}/{n}" for n in range(10)],
        unsubscribe_url=f"{base}/u/{token}", preferences_url=f"{base}/p/{token}", web_version_url=f"{base}/w/{token}",
        open_url=f"{base}/o/{token}.gif", unsubscribe_mailto=f"u-{token}@bounce.acme.example",
        mailing_ref="m42", feedback_id="m42:news:marketing:acme",
    )  # fmt: skip


def microseconds(act: Callable[[int], object], *, count: int, rounds: int = 7) -> float:
    """The best round's mean time of `act(n)`: other work on the machine can only make a round slower."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for number in range(count):
            act(number)
        times.append((time.perf_counter() - start) / count * 1e6)
    return min(times)


def with_email_message(subject: str, text: str, html: str, number: int) -> bytes:
    """The usual way: one EmailMessage per recipient, its parts already rendered."""
    message = EmailMessage(policy=SMTP)
    message["Date"] = format_datetime(NOW)
    message["From"] = "Acme <news@acme.example>"
    message["To"] = f"person{number}@example.org"
    message["Subject"] = subject
    message["Message-ID"] = f"<{number}@acme.example>"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message.as_bytes()


def measure(count: int) -> dict[str, object]:
    """All figures of one run."""
    message = prepare(compiled_letter())
    people, values = [recipient(n) for n in range(count)], [system(n) for n in range(count)]
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    copies = [compose(message, recipient=person, system=value) for person, value in zip(people, values, strict=True)]
    shown = preview(message.compiled, recipient=people[0], system=values[0])

    def fill(n: int) -> Composed:
        return compose(message, recipient=people[n], system=values[n])

    def sign(n: int) -> bytes:
        return dkim.sign(copies[n].headers, copies[n].body, key=key, domain="acme.example", selector="s1", now=NOW)

    def sign_with_dkimpy(n: int) -> bytes:
        return bytes(
            dkimpy.sign(copies[n].as_bytes(), b"s1", b"acme.example", pem, canonicalize=(b"relaxed", b"relaxed"))
        )

    figures = {
        "compose_us": microseconds(fill, count=count),
        "sign_us": microseconds(sign, count=count // 4),
        "rsa_floor_us": microseconds(
            lambda n: key.sign(b"x" * 500, padding.PKCS1v15(), hashes.SHA256()), count=count // 4
        ),
        "email_message_us": microseconds(
            lambda n: with_email_message(shown.subject, shown.text, shown.html, n), count=count // 10, rounds=3
        ),
        "dkimpy_us": microseconds(sign_with_dkimpy, count=count // 40, rounds=3),
    }
    return _report(message, copies[0], figures)


def _report(message: PreparedMessage, copy: Composed, figures: dict[str, float]) -> dict[str, object]:
    return {
        "benchmark": "compose",
        "message_bytes": len(copy.as_bytes()),
        "slots": sum(not isinstance(piece, Wire) for piece in message.compiled.body),
        "links": len(message.compiled.links),
        **{name: round(value, 1) for name, value in figures.items()},
        "sign_over_rsa_us": round(figures["sign_us"] - figures["rsa_floor_us"], 1),
        "times_faster_than_email_message": round(figures["email_message_us"] / figures["compose_us"], 1),
        "times_faster_than_dkimpy": round(figures["dkimpy_us"] / figures["sign_us"], 1),
    }


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=2000, help="recipients per round")
    print(json.dumps(measure(arguments.parse_args().count)))
