"""What to do about each factor of the deliverability score, in words."""

from typing import NamedTuple


class Words(NamedTuple):
    title: str
    do: str


WORDS = {
    "complained": Words(
        "Fewer complaints",
        "Leave out people who have not clicked for a year, show the way out plainly, and ask new people to confirm.",
    ),
    "authenticated": Words(
        "Mend SPF and DKIM", "Some of our own messages fail at receivers. The page of the domain says what is wrong."
    ),
    "bounced": Words(
        "Fewer addresses that do not exist",
        "Old and imported lists bring them. Look which campaigns they came from, and ask new people to confirm.",
    ),
    "deferred": Words(
        "Send more slowly where receivers ask for it",
        "A lower limit or an earlier day of the warm-up costs an hour, and receivers stop putting us off.",
    ),
    "left": Words(
        "Write what people signed up for",
        "Many leave. Fewer letters, or letters to those who want them, keep the rest.",
    ),
    "clicked": Words(
        "Write to those who read", "Few follow a link. Smaller, better chosen audiences raise it and calm receivers."
    ),
    "quiet": Words(
        "Let quiet people rest", "They showed no sign of life for a year. Ask once whether they still want letters."
    ),
    "opened": Words("Subjects that people open", "Opens weigh little here, because programs open by themselves."),
}
