"""What to do about each factor of the deliverability score, in words."""

from typing import NamedTuple

from words import marked


class Words(NamedTuple):
    title: str
    do: str


WORDS = {
    "complained": Words(
        marked("Fewer complaints"),
        marked(
            "Leave out people who have not clicked for a year, show the way out plainly, and ask new people to confirm."
        ),
    ),
    "authenticated": Words(
        marked("Mend SPF and DKIM"),
        marked("Some of our own messages fail at receivers. The page of the domain says what is wrong."),
    ),
    "bounced": Words(
        marked("Fewer addresses that do not exist"),
        marked(
            "Old and imported lists bring them. Look which campaigns they came from, and ask new people to confirm."
        ),
    ),
    "deferred": Words(
        marked("Send more slowly where receivers ask for it"),
        marked("A lower limit or an earlier day of the warm-up costs an hour, and receivers stop putting us off."),
    ),
    "left": Words(
        marked("Write what people signed up for"),
        marked("Many leave. Fewer letters, or letters to those who want them, keep the rest."),
    ),
    "clicked": Words(
        marked("Write to those who read"),
        marked("Few follow a link. Smaller, better chosen audiences raise it and calm receivers."),
    ),
    "quiet": Words(
        marked("Let quiet people rest"),
        marked("They showed no sign of life for a year. Ask once whether they still want letters."),
    ),
    "opened": Words(
        marked("Subjects that people open"), marked("Opens weigh little here, because programs open by themselves.")
    ),
}
