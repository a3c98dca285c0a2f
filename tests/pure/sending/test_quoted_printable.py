import quopri
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sending.pure.quoted_printable import SOFT_BREAK, encode_literal, encode_value, encode_values

NASTY = st.text(
    alphabet=st.one_of(st.sampled_from(" .=\t\n\r|-<F\x00\u2028é🎉"), st.characters(codec="utf-8")), max_size=250
)


def as_meant(text: str) -> str:
    unix = text.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", unix)


def decoded(wire: bytes) -> str:
    return quopri.decodestring(wire).decode().replace("\r\n", "\n")


@given(st.lists(NASTY, min_size=1, max_size=6))
@example(["a ", " b", ".", "x|y", "|."])
@example(["=" * 80, "é" * 40, "x" * 151, "x" * 75 + ".com", "x" * 74 + "..com" + "y" * 80])
def test_values_encoded_alone_read_back_together(values: list[str]):
    wire = b"".join(value + SOFT_BREAK for value in encode_values(values))
    assert decoded(wire) == as_meant(
        "".join(value.replace("\r", "\n") if value == "\r" else value for value in values)
    ) or (decoded(wire) == "".join(map(as_meant, values)))


@given(st.lists(NASTY, min_size=1, max_size=6), NASTY)
def test_the_wire_holds_short_ascii_lines_and_nothing_a_server_could_stumble_over(values: list[str], literal: str):
    wire = encode_literal(literal) + SOFT_BREAK + b"".join(value + SOFT_BREAK for value in encode_values(values))
    wire.decode("ascii")
    assert b"\r" not in wire.replace(b"\r\n", b"")
    assert b"\n" not in wire.replace(b"\r\n", b"")
    for line in wire.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith(b".")
        assert not line.endswith((b" ", b"\t"))
    assert b"\t" not in wire
    assert b"  " not in wire


@given(st.lists(NASTY, min_size=1, max_size=6))
def test_many_values_are_encoded_like_each_alone(values: list[str]):
    assert encode_values(values) == [encode_value(value) for value in values]


@given(NASTY)
def test_literals_read_back(text: str):
    assert decoded(encode_literal(text)) == as_meant(text)


@pytest.mark.parametrize("text", ["\n.\n", "\r.\r", "\n.\r\n", "\r\n.\r", "\r\n\0.\r\n", ".", "..", "a\n.", "\n..\n"])
def test_a_lone_dot_never_stands_on_a_line(text: str):
    for wire in (encode_value(text), encode_literal(text)):
        assert not re.search(rb"(^|\r\n)\.(\r\n|$)", wire)
        assert decoded(wire) == as_meant(text)
