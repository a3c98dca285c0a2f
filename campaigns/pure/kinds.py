"""The ways to write a letter. One never turns into another by itself."""

from enum import StrEnum


class Kind(StrEnum):
    LETTER = "letter"
    MJML = "mjml"
    HTML = "html"

    @property
    def word(self) -> str:
        return _WORDS[self]


_WORDS = {Kind.LETTER: "Letter", Kind.MJML: "MJML", Kind.HTML: "HTML"}
