"""Whole numbers as requests and files bring them: anything may stand there."""

# The longest that always fits a bigint.
LONGEST = 18


def whole(text: str, *, digits: int = LONGEST) -> int:
    """The number written in at most so many decimal digits; 0 where it is none."""
    return int(text) if is_whole(text, digits=digits) else 0


def is_whole(text: str, *, digits: int = LONGEST) -> bool:
    """Is it a number, without a sign, of at most so many decimal digits?"""
    return text.isdecimal() and len(text) <= digits
