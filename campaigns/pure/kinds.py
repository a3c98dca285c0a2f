"""The ways to write a letter. One never turns into another by itself."""

from enum import StrEnum

from words import gettext, marked


class Kind(StrEnum):
    LETTER = "letter"
    MJML = "mjml"
    HTML = "html"

    @property
    def word(self) -> str:
        return gettext(_WORDS[self])


_WORDS = {Kind.LETTER: marked("Letter"), Kind.MJML: "MJML", Kind.HTML: "HTML"}
