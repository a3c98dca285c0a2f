"""What each number of monitor and report counts: the words behind the question marks."""

DEFINITIONS = {
    "people": (
        "People",
        "Everybody chosen when it was launched, less those who were left out. "
        "People = accepted + bounced + not sent + answer lost + still to go.",
    ),
    "accepted": (
        "Accepted",
        "The receiver’s server said yes. Whether it lies in the inbox or the spam folder, nobody outside can see. "
        "The share is of all people.",
    ),
    "clicked": (
        "Clicked",
        "People who followed a link at least once. Visits by programs are not counted. The share is of the accepted.",
    ),
    "opened": (
        "Opens",
        "People whose mail program asked for the picture in the letter. Apple Mail loads it for everybody, and some "
        "people read without pictures: trust clicks more. The share is of the accepted.",
    ),
    "unsubscribed": (
        "Unsubscribed",
        "People who left with this mail. Whoever leaves all lists counts once. The share is of the accepted.",
    ),
    "complained": (
        "Complained",
        "People who marked it as spam, where the provider tells us. Gmail and some others do not tell one by one. "
        "They are never written to again. The share is of the accepted.",
    ),
    "bounced": (
        "Bounced",
        "Refused for good, or tried for two days in vain. The share is of all people.",
    ),
    "bounced_later": (
        "Bounced later",
        "Accepted first and sent back afterwards. They stay among the accepted.",
    ),
    "not_sent": (
        "Not sent",
        "Left out at the last moment (they had unsubscribed, say), impossible to write, or refused because of us.",
    ),
    "unknown": (
        "Answer lost",
        "The connection broke before the answer came. They may have it. They are listed by name and are not sent to "
        "again by themselves.",
    ),
    "waiting": (
        "Still to go",
        "Waiting for their turn, or to be tried again.",
    ),
    "standing": (
        "How it went",
        "By what mailbox providers expect of senders. Complaints: below 0.1 % is good, from 0.3 % on it is not. "
        "Mailboxes that do not exist: 1 and 2 %. Unsubscribed: 0.3 and 1 %. Refused because of us: 0.5 and 2 %. "
        "Nothing is said about fewer than 100 people.",
    ),
}
