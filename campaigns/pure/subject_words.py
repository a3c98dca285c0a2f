"""Words in subjects that readers and filters have learnt from spam, each kind with the reason. Advice, never a block.

A list of words decides little: filters weigh who sends, whether it is proven, and what readers did with earlier mail
(Google's and Microsoft's sender guidelines name no words). So it is short, and has what also puts readers off. Sources:
the subject rules of Apache SpamAssassin 4 (20_head_tests.cf), and what the bulk senders' guidelines call misleading.
"""

import re
from typing import NamedTuple

from words import gettext, marked


class Kind(NamedTuple):
    """`words` are whole words or phrases, lower case, of any of the languages letters are mostly written in."""

    why: str
    words: tuple[str, ...]


KINDS = (
    Kind(
        marked("it hurries people"),
        (
            "act now", "urgent", "last chance", "limited time", "don't miss out", "expires today", "hurry",
            "jetzt zuschlagen", "letzte chance", "nur heute", "dringend", "dernière chance", "urgence",
            "offre limitée", "última oportunidad", "solo hoy", "urgente",
        ),
    ),
    Kind(
        marked("it promises money or prizes"),
        (
            "you won", "you have won", "winner", "free money", "cash bonus", "100% free", "risk-free", "no obligation",
            "make money", "extra income", "sie haben gewonnen", "gewinner", "100% gratis", "geld verdienen",
            "vous avez gagné", "100% gratuit", "sans engagement", "ha ganado", "ganador", "dinero gratis",
        ),
    ),
    Kind(
        marked("it sounds like a mail that steals passwords"),
        (
            "verify your account", "account suspended", "confirm your password", "unusual activity", "konto gesperrt",
            "konto bestätigen", "compte suspendu", "vérifiez votre compte", "cuenta suspendida", "verifique su cuenta",
        ),
    ),
    Kind(
        marked("spam has sold it for decades"),
        ("viagra", "casino", "weight loss", "miracle", "abnehmen", "perte de poids", "perder peso", "replica watches"),
    ),
)  # fmt: skip
_MARKS = re.compile(r"[!?¡¿]{2,}|(?:![^!]*){3,}")
_MONEY = re.compile(r"[$€£¥](?:\s*[$€£¥])+")


class Found(NamedTuple):
    word: str
    why: str


def words_in(subject: str) -> list[Found]:
    """The first word of each kind that stands in a subject, with the reason in the reader's language."""
    found = []
    for kind in KINDS:
        hits = (re.search(rf"(?<!\w){re.escape(word)}(?!\w)", subject.lower()) for word in kind.words)
        if hit := next((hit for hit in hits if hit), None):
            found.append(Found(subject.lower()[hit.start() : hit.end()], gettext(kind.why)))
    return found


def marks_in(subject: str) -> str:
    """Marks in a row, as they stand there; empty for none."""
    hit = _MARKS.search(subject)
    return re.sub(r"[^!?¡¿]", "", hit[0])[:5] if hit else ""


def money_in(subject: str) -> str:
    """Signs of money in a row: `$$$`. A price has one, and is no reason to say anything."""
    hit = _MONEY.search(subject)
    return hit[0][:5] if hit else ""
