import pytest
from hypothesis import given
from hypothesis import strategies as st

from sending.pure.dialogue import (
    FINAL_DOT,
    LONGEST_LINE,
    MOST_LINES,
    BadPath,
    Garbled,
    ReplyReader,
    SmtpReply,
    envelope_command,
    is_stuffed,
    stuffed,
)


def read(*lines: bytes) -> SmtpReply | None:
    reader = ReplyReader()
    reply = None
    for line in lines:
        reply = reader.take(line)
    return reply


def test_a_reply_of_several_lines_is_one_reply() -> None:
    assert read(b"250-mx.test", b"250-SIZE 1000", b"250 8BITMIME") == SmtpReply(250, "mx.test\nSIZE 1000\n8BITMIME")


def test_a_reply_without_a_text_is_a_reply() -> None:
    assert read(b"354") == SmtpReply(354, "")


@pytest.mark.parametrize(
    "lines",
    [
        [b""],
        [b"25"],
        [b"2500 Ok"],
        [b"250Ok"],
        [b"hello"],
        [b"650 Ok"],
        [b"050 Ok"],
        [b"250-a", b"550 b"],
        [b"250-a", b"half"],
        [b"250-x"] * (MOST_LINES + 1),
    ],
)
def test_what_is_no_reply_is_said_to_be_garbled(lines: list[bytes]) -> None:
    with pytest.raises(Garbled):
        read(*lines)


def test_an_unfinished_reply_is_none_yet() -> None:
    assert read(b"250-a", b"250-b") is None


@given(st.binary(max_size=LONGEST_LINE))
def test_no_line_whatever_breaks_the_reader(line: bytes) -> None:
    try:
        reply = ReplyReader().take(line)
    except Garbled:
        return
    assert reply is None or (200 <= reply.code <= 599 and "\x00" not in reply.text)


@pytest.mark.parametrize(
    "path", ["a@b.example>\r\nRCPT TO:<c@d.example", "a b@c.example", "a@b.example\n", "<a@b.example>", "ä@b.example"]
)
def test_nothing_can_be_smuggled_into_a_command(path: str) -> None:
    with pytest.raises(BadPath):
        envelope_command("RCPT TO", path)


def test_the_null_sender_is_a_path() -> None:
    assert envelope_command("MAIL FROM", "") == b"MAIL FROM:<>\r\n"


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"x\r\n.\r\nMAIL FROM:<>\n", b"a\n.\n"])
def test_a_bare_line_end_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="bare"):
        stuffed(content)


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\r", b"").replace(b"\n", b"")), max_size=20))
def test_the_only_final_dot_is_the_final_one_and_the_content_comes_back(lines: list[bytes]) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    wire = b"\r\n" + stuffed(content) + FINAL_DOT

    assert wire.find(b"\r\n.\r\n") == len(wire) - 5
    sent = stuffed(content).split(b"\r\n")[:-1]
    assert [line[1:] if line.startswith(b".") else line for line in sent] == lines


def test_a_missing_last_line_end_is_added() -> None:
    assert stuffed(b"a") == b"a\r\n"


@given(st.text(alphabet="a.\r\n", max_size=12).map(str.encode))
def test_only_what_is_its_own_stuffed_form_is_said_to_need_nothing(content: bytes) -> None:
    if is_stuffed(content):
        assert stuffed(content + b"\r\n") == content + b"\r\n"
    elif b"." not in content:
        with pytest.raises(ValueError, match="bare"):
            stuffed(content)
