"""`manage.py classify`: what messages from outside mean, recipient by recipient."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

ROOT = Path(__file__).resolve().parents[2]
KEYS = ["file", "kind", "recipient", "status", "code", "class", "scope", "hard", "reason"]
DAEMON = "From: Mail System <MAILER-DAEMON@mx.example.net>\r\nSubject: Undelivered mail\r\n"


def classify(tmp_path: Path, *messages: str, **options: str) -> list[dict[str, object]]:
    paths = []
    for number, message in enumerate(messages):
        paths.append(tmp_path / f"{number}.eml")
        paths[-1].write_bytes(message.encode())
    out = StringIO()
    call_command("classify", *map(str, paths), "--json", stdout=out, **options)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def report(*groups: str, remote: str = "mx.example.net", text: str = "It failed.") -> str:
    fields = "\r\n\r\n".join(f"{group}\r\nRemote-MTA: dns; {remote}" for group in groups)
    return (
        f'{DAEMON}Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; relay.example.net\r\n\r\n{fields}\r\n\r\n--b--\r\n"
    )


def failed(name: str, status: str, words: str, *, action: str = "failed") -> str:
    return f"Final-Recipient: rfc822; {name}\r\nAction: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; {words}"


def test_each_recipient_is_one_object_in_the_order_of_the_report(tmp_path: Path) -> None:
    message = report(
        failed("full@shop.example", "5.2.2", "552 5.2.2 Mailbox full"),
        failed("late@shop.example", "4.4.1", "451 4.4.1 Connection timed out", action="delayed"),
        failed("gone@shop.example", "5.1.1", "550 5.1.1 User unknown"),
        failed("fine@shop.example", "2.0.0", "250 OK", action="delivered"),
    )
    rows = classify(tmp_path, message)
    assert [list(row) for row in rows] == [KEYS] * 3
    assert [(row["recipient"], row["kind"], row["class"], row["hard"]) for row in rows] == [
        ("full@shop.example", "bounce", "full", False),
        ("late@shop.example", "delayed", "temp", False),
        ("gone@shop.example", "bounce", "unknown", True),
    ]
    assert (rows[2]["status"], rows[2]["code"], rows[2]["scope"]) == ("5.1.1", 550, "rcpt")
    assert "User unknown" in str(rows[2]["reason"])


def test_the_words_are_read_as_those_of_the_provider_that_said_them(tmp_path: Path) -> None:
    group = failed("a@shop.example", "5.2.2", "552 5.2.2 The mailbox is out of space and inactive.")
    [google, other] = classify(tmp_path, report(group, remote="aspmx.l.google.com"), report(group))
    assert (google["class"], other["class"]) == ("inactive", "full")


@pytest.mark.parametrize(
    ("message", "kind", "recipient"),
    [
        (
            'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n--b\r\n'
            "Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"
            "Original-Rcpt-To: jane@shop.example\r\n\r\n--b--\r\n",
            "complaint",
            "jane@shop.example",
        ),
        ("From: jane@shop.example\r\nAuto-Submitted: auto-replied\r\n\r\nAway.", "auto_reply", "jane@shop.example"),
        ("From: jane@shop.example\r\nSubject: Thanks\r\n\r\nA lovely letter.", "none", None),
        (
            f"{DAEMON}\r\n<jane@shop.example>: Your mail is delayed and will be retried for 3 days.",
            "delayed",
            "jane@shop.example",
        ),
    ],
    ids=["complaint", "auto_reply", "none", "delayed"],
)  # fmt: skip
def test_other_kinds_are_never_hard(tmp_path: Path, message: str, kind: str, recipient: str | None) -> None:
    [row] = classify(tmp_path, message)
    assert (row["kind"], row["recipient"], row["hard"]) == (kind, recipient, False)


def test_mail_to_an_unsubscribe_address_is_a_wish_to_leave(tmp_path: Path) -> None:
    [row] = classify(tmp_path, "From: jane@shop.example\r\n\r\nout", rcpt="u-abcdefghijklmnop@bounce.news.example")
    assert (row["kind"], row["recipient"]) == ("unsubscribe", "jane@shop.example")


def test_without_json_it_is_a_line_for_people_and_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.eml"
    path.write_text(report(failed("gone@shop.example", "5.1.1", "550 5.1.1 User unknown")))
    out = StringIO()
    with pytest.raises(CommandError, match=r"nowhere\.eml"):
        call_command("classify", str(tmp_path / "nowhere.eml"), str(path), stdout=out)
    assert "gone@shop.example unknown/rcpt hard: There is no such mailbox (rule any.unknown)" in out.getvalue()


def nested() -> bytes:
    levels = [b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(10_000)]
    return b"".join(levels)


HOSTILE = {
    "nested": nested(),
    "one_header": DAEMON.encode() + b"X: " + b"a" * 20_000_000,
    "many_headers": DAEMON.encode() + b"X: y\r\n" * 3_500_000,
    "parameters": DAEMON.encode() + b"Content-Type: text/plain; " + b";" * 400_000 + b"\r\n\r\nx",
    "charset": DAEMON.encode() + b"Content-Type: text/plain; charset=\xff'unknown\r\n\r\n\xff\xfe <a@b.example>: 550",
    "run_together": b"Content-Type: multipart/report; boundary=z\r\n\r\n--z\r\n"
    b"Content-Type: message/delivery-status\r\n\r\n"
    + b"Final-Recipient: rfc822;a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n" * 20_000,
    "many_named": DAEMON.encode() + b"X-Failed-Recipients: " + b",".join(b"u%d@b.example" % n for n in range(4_000))
    + b"\r\n\r\n" + b"".join(b"u%d@b.example: 550 no\r\n" % n for n in range(4_000)),
}  # fmt: skip


# The measure of one process alone: of all children, other tests' ones would count too.
# And of this program alone: `ru_maxrss` remembers what the process was before it became this one.
MEASURED = """
import re, resource, runpy, sys
sys.argv = ["manage.py", "classify", "--json", *sys.argv[1:]]
runpy.run_path("manage.py", run_name="__main__")
highest = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]
print(highest, resource.getrusage(resource.RUSAGE_SELF).ru_utime, file=sys.stderr)
"""


def test_hostile_messages_take_no_memory_and_are_answered(tmp_path: Path) -> None:
    for name, raw in HOSTILE.items():
        (tmp_path / name).write_bytes(raw)
    command = [sys.executable, "-c", MEASURED, *(str(tmp_path / name) for name in HOSTILE)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    kilobytes, seconds = told.stderr.splitlines()[-1].split()
    assert {Path(json.loads(line)["file"]).name for line in told.stdout.splitlines()} == set(HOSTILE)
    assert int(kilobytes) < 200 * 1024
    # All of them together, with the start of the program: seconds of the processor, not of the clock.
    assert float(seconds) < 1.0 * len(HOSTILE)
