"""What each number of monitor and report counts: the words behind the question marks."""

from words import marked

DEFINITIONS = {
    "people": (
        marked("People"),
        marked(
            "Everybody chosen when it was launched, less those who were left out. "
            "People = accepted + bounced + not sent + answer lost + still to go."
        ),
    ),
    "accepted": (
        marked("Accepted"),
        marked(
            "The receiver’s server said yes. Whether it lies in the inbox or the spam folder, nobody outside can see. "
            "The share is of all people."
        ),
    ),
    "clicked": (
        marked("Clicked"),
        marked(
            "People who followed a link at least once. Visits by programs are not counted. "
            "The share is of the accepted."
        ),
    ),
    "opened": (
        marked("Opens"),
        marked(
            "People whose mail program asked for the picture in the letter. Apple Mail loads it for everybody, and "
            "some people read without pictures: trust clicks more. The share is of the accepted."
        ),
    ),
    "unsubscribed": (
        marked("Unsubscribed"),
        marked("People who left with this mail. Whoever leaves all lists counts once. The share is of the accepted."),
    ),
    "complained": (
        marked("Complained"),
        marked(
            "People who marked it as spam, where the provider tells us. Gmail and some others do not tell one by one. "
            "They are never written to again. The share is of the accepted."
        ),
    ),
    "bounced": (
        marked("Bounced"),
        marked("Refused for good, or tried for two days in vain. The share is of all people."),
    ),
    "bounced_later": (
        marked("Bounced later"),
        marked("Accepted first and sent back afterwards. They stay among the accepted."),
    ),
    "not_sent": (
        marked("Not sent"),
        marked(
            "Left out at the last moment (they had unsubscribed, say), impossible to write, or refused because of us."
        ),
    ),
    "unknown": (
        marked("Answer lost"),
        marked(
            "The connection broke before the answer came. They may have it. They are listed by name and are not "
            "sent to again by themselves."
        ),
    ),
    "waiting": (
        marked("Still to go"),
        marked("Waiting for their turn, or to be tried again."),
    ),
    "standing": (
        marked("How it went"),
        marked(
            "By what mailbox providers expect of senders. Complaints: below 0.1 % is good, from 0.3 % on it is not. "
            "Mailboxes that do not exist: 1 and 2 %. Unsubscribed: 0.3 and 1 %. Refused because of us: 0.5 and 2 %. "
            "Nothing is said about fewer than 100 people."
        ),
    ),
}
