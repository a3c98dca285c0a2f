"""What this machine can do at the most, and what the usual Django loop makes of it."""

import socket
import threading
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import connection
from django.template import Context, Template

from benchmarks.compose import FIELDS, PARAGRAPH

_ENVELOPE = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"


def signatures_per_second(seconds: float = 2.0) -> float:
    """RSA-2048 signatures on one core."""
    key = rsa.generate_private_key(65537, 2048)
    n, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        key.sign(b"x" * 500, padding.PKCS1v15(), hashes.SHA256())
        n += 1
    return n / (time.perf_counter() - began)


def smtp_per_second(port: int, *, content: bytes, messages: int = 5000, connections: int = 8) -> float:
    """Ready-made messages over plain sockets, each waiting for its replies; nothing else is done."""

    def work() -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            lines = sock.makefile("rb")
            lines.readline()
            for _ in range(messages // connections):
                sock.sendall(_ENVELOPE)
                for _ in range(3):
                    lines.readline()
                sock.sendall(content + b"\r\n.\r\n")
                lines.readline()

    began = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return messages / (time.perf_counter() - began)


def django_loop_per_second(port: int, *, messages: int = 600) -> float:
    """As most would write it: templates, EmailMultiAlternatives, one kept SMTP connection, one UPDATE a recipient."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS bench_recipient (id int PRIMARY KEY, status text, sent_at timestamptz)"
        )
        cursor.execute("TRUNCATE bench_recipient")
        cursor.execute("INSERT INTO bench_recipient SELECT n, 'queued' FROM generate_series(1, %s) n", [messages])
    text, html = _templates()
    backend = get_connection("django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=port)
    backend.open()
    began = time.perf_counter()
    for number in range(1, messages + 1):
        _send_one(backend, text, html, number)
    backend.close()
    return messages / (time.perf_counter() - began)


def _send_one(backend: object, text: Template, html: Template, number: int) -> None:
    values = Context({field: f"{field.title()} {number}" for field in FIELDS} | {"n": number})
    message = EmailMultiAlternatives(
        f"Hello {values['first_name']}", text.render(values), "news@acme.example", [f"person{number}@example.org"],
        headers={"List-Unsubscribe": f"<https://mail.acme.example/u/{number}>"}, connection=backend,
    )  # fmt: skip
    message.attach_alternative(html.render(values), "text/html")
    message.send()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE bench_recipient SET status = 'sent', sent_at = clock_timestamp() WHERE id = %s", [number]
        )


def _templates() -> tuple[Template, Template]:
    link = "https://mail.acme.example/l/{{ n }}-%d"
    blocks = [(field, link % number) for number, field in enumerate(FIELDS[1:])]
    text = "\n\n".join(f"{PARAGRAPH}Your {field}: {{{{ {field} }}}}. {url}" for field, url in blocks)
    style = "font-family:Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5;color:#222222;margin:0 0 16px 0"
    html = "".join(
        f'<p style="{style}">{PARAGRAPH}Your {field}: {{{{ {field} }}}}. <a href="{url}">Read more</a></p>'
        for field, url in blocks
    )
    return Template("Hello {{ first_name }}\n" + text), Template(f"<html><body>{html}</body></html>")
