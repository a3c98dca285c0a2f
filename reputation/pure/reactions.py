"""What follows from each class of answer: for the code that reacts, the pages that explain it, and the docs.

Only classes of recipient scope may ever touch the suppression list; an answer about us slows or stops us instead.
"""

from dataclasses import dataclass
from typing import Literal

from words import marked

Recipient = Literal[
    "retry", "retry_counted", "blocked", "failed", "refused", "soft", "soon_gone", "gone", "gone_by_dns"
]

SCOPES = frozenset(
    "rcpt rcpt_domain campaign ip dkim_domain mailfrom_domain url_domain netblock "
    "ip+dkim+mailfrom ip+domain domain route conn unknown".split()
)


@dataclass(frozen=True, slots=True)
class Reaction:
    """One row of the table. `recipient` says what a final answer (5xx) does to the person's standing:

    retry — comes back, costs the message no attempt; retry_counted — comes back and counts; blocked — not delivered
    because of us, can be sent again; failed — this message failed, the person is untouched; refused — the recipient's
    own rules, left alone after three campaigns; soft — one point, suppressed at five in 60 days over at least 14;
    soon_gone — suppressed at the second time, three days apart; gone — suppressed at once; gone_by_dns — suppressed
    when our own resolver confirms it twice, 24 hours apart.
    """

    scope: str
    route: str
    message: str
    recipient: Recipient
    alert: str


_NONE = "Nothing changes for the route."
_STOP = "Everything it applies to is stopped until the checks pass."
_AGAIN = (
    "4xx: comes back for 24 hours at most. 5xx: blocked, sent again with one click after the mend; never suppressed."
)

REACTIONS: dict[str, Reaction] = {
    "temp": Reaction(
        "route", _NONE, "Comes back after 5, 15, 30 min, 1, 2, 4 h … 48 h.", "retry_counted",
        "When more than a fifth of the attempts of 30 minutes fail so.",
    ),
    "greylist": Reaction(
        "rcpt", _NONE, "Comes back from the same address with the same sender after 5 min, or the time named.",
        "retry_counted", "",
    ),
    "rcpt_rate": Reaction("rcpt", _NONE, "Comes back after 1 h and 4 h, then counts as soft.", "soft", ""),
    "rcpt_temp": Reaction("rcpt", _NONE, "Comes back after 1 h and 4 h, then counts as soft.", "soft", ""),
    "rate": Reaction(
        "ip", "Stops, tries one connection with one message, then climbs: one more connection per 50 accepted, half "
        "the rate (more where only some were told), a tenth more per clean 15 min.",
        "Comes back; not an attempt against the message.", "retry",
        "After the second time in 24 h; warm-up holds the day.",
    ),
    "conn_limit": Reaction("route", "One connection less for 1 h, then one more.", "Comes back.", "retry", ""),
    "msgs_per_conn": Reaction(
        "conn", "Fewer messages per connection; reconnects at once.", "Comes back at once.", "retry", ""
    ),
    "too_many_rcpt": Reaction("conn", "One recipient per transaction.", "Comes back.", "retry", ""),
    "reputation": Reaction(
        "ip", "That address or domain rests at that provider for 2, 4, 12 h, then climbs from a quarter.",
        "4xx: comes back. 5xx: blocked, not tried again by itself; can be sent again after recovery.", "blocked",
        "At once; warm-up goes back.",
    ),
    "blocklist": Reaction(
        "ip", "The address rests wherever the list is asked; its listings are looked up at once.",
        "4xx: comes back for 24 h at most. 5xx: blocked, can be sent again after delisting.", "blocked",
        "At once, critical.",
    ),
    "auth": Reaction("domain", _STOP, _AGAIN, "blocked", "At once, critical."),
    "tls": Reaction("ip", _STOP, _AGAIN, "blocked", "At once, critical."),
    "ptr": Reaction("ip", _STOP, _AGAIN, "blocked", "At once, critical."),
    "config": Reaction("domain", _STOP, _AGAIN, "blocked", "At once, critical."),
    "smarthost": Reaction("route", _STOP, _AGAIN, "blocked", "At once, critical."),
    "bug": Reaction("route", _STOP, _AGAIN, "blocked", "At once, critical."),
    "content": Reaction(
        "campaign", "The campaign is stopped early there once more than 1 % are certain.", "Fails; never suppressed.",
        "failed", "To the campaign's author.",
    ),
    "format": Reaction(
        "campaign", "The campaign is stopped early there once more than 1 % are certain.", "Fails; never suppressed.",
        "failed", "To the campaign's author.",
    ),
    "too_big": Reaction(
        "campaign", "The campaign is stopped early there once more than 1 % are certain.", "Fails; never suppressed.",
        "failed", "To the campaign's author.",
    ),
    "rcpt_policy": Reaction(
        "rcpt", _NONE, "Fails as refused by the recipient's rules; after three campaigns the address is left alone.",
        "refused", "",
    ),
    "misroute": Reaction(
        "rcpt_domain", _NONE, "Counts as soft.", "soft", "When many domains answer so: our DNS or route is broken."
    ),
    "expired": Reaction(
        "rcpt_domain", _NONE, "Counts as soft.", "soft", "When many domains answer so: our DNS or route is broken."
    ),
    "full": Reaction("rcpt", _NONE, "Counts as soft.", "soft", ""),
    "inactive": Reaction("rcpt", _NONE, "Suppressed at the second time, at least 3 days apart.", "soon_gone", ""),
    "unknown": Reaction(
        "rcpt", "The campaign is stopped early once more than 2 % are certain: the list is bad.", "Suppressed at once.",
        "gone", "To whoever imported the list.",
    ),
    "bad_addr": Reaction(
        "rcpt", "The campaign is stopped early once more than 2 % are certain: the list is bad.", "Suppressed at once.",
        "gone", "To whoever imported the list.",
    ),
    "bad_domain": Reaction(
        "rcpt", _NONE, "Suppressed when our own resolver finds no mail server there twice, 24 h apart.", "gone_by_dns",
        "",
    ),
    "unclassified": Reaction(
        "unknown", _NONE, "Fails, counts as soft; the text waits for a person to read it.", "soft", "In the digest."
    ),
}  # fmt: skip

# What each class is called, for pages and commands.
TITLES = {
    "temp": marked("A passing fault at the receiver"),
    "greylist": marked("Asked to come back later, as everybody new"),
    "rcpt_rate": marked("The mailbox gets too much mail at the moment"),
    "rcpt_temp": marked("The mailbox takes no mail at the moment"),
    "rate": marked("We are too fast"),
    "conn_limit": marked("Too many connections of ours"),
    "msgs_per_conn": marked("Too many messages in one connection"),
    "too_many_rcpt": marked("Too many recipients in one message"),
    "reputation": marked("The receiver distrusts us"),
    "blocklist": marked("We are on a list of bad senders"),
    "auth": marked("SPF, DKIM or DMARC does not match"),
    "tls": marked("The encryption does not suit"),
    "ptr": marked("Our address and its name do not point to each other"),
    "config": marked("Something in our set-up is wrong"),
    "smarthost": marked("Our relay refuses it"),
    "bug": marked("We speak SMTP wrongly"),
    "content": marked("The content is unwanted"),
    "format": marked("The form of the message is wrong"),
    "too_big": marked("The message is too big"),
    "rcpt_policy": marked("The recipient's own rules refuse it"),
    "misroute": marked("The server does not serve this domain"),
    "expired": marked("Nobody took it for days"),
    "full": marked("The mailbox is full"),
    "inactive": marked("The mailbox is closed or asleep"),
    "unknown": marked("There is no such mailbox"),
    "bad_addr": marked("That is no address"),
    "bad_domain": marked("The domain takes no mail or does not exist"),
    "unclassified": marked("Refused in words that nobody has classified"),
}

HARD = frozenset({"unknown", "bad_addr", "bad_domain"})
SUPPRESSING = HARD | {"inactive"}
