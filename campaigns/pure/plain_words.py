"""What a receiver's answer means, for people who do not read SMTP. The classes are those of reputation/replies.toml."""

from words import gettext as _
from words import marked

# By reply class; {who} is the receiver's name.
_BY_CLASS = {
    "unknown": marked("This mailbox does not exist at {who}."),
    "bad_addr": marked("{who} says that this cannot be an address."),
    "bad_domain": marked("The domain has no mail server."),
    "inactive": marked("{who} has closed this mailbox or put it to sleep."),
    "full": marked("The mailbox is full."),
    "rcpt_rate": marked("This mailbox gets too much mail at the moment."),
    "rcpt_temp": marked("This mailbox cannot take mail at the moment."),
    "rcpt_policy": marked("The recipient's own rules refuse it."),
    "rate": marked("{who} asks us to slow down."),
    "conn_limit": marked("{who} wants fewer connections from us."),
    "msgs_per_conn": marked("{who} wants fewer messages in one go."),
    "too_many_rcpt": marked("{who} wants fewer recipients in one go."),
    "greylist": marked("{who} wants us to come back in a few minutes, as it does with everyone new."),
    "temp": marked("{who} has a problem of its own and asks us to come back."),
    "reputation": marked("{who} distrusts our address or domain at the moment."),
    "blocklist": marked("Our address is on a list of senders that {who} refuses."),
    "auth": marked("{who} rejects it because SPF, DKIM or DMARC does not match."),
    "tls": marked("{who} rejects our encryption."),
    "ptr": marked("{who} rejects it because our address and its name do not point to each other."),
    "config": marked("{who} rejects it because something in our set-up is wrong."),
    "smarthost": marked("Our relay rejects it."),
    "bug": marked("{who} rejects how we speak to it; that is a fault of ours."),
    "content": marked("{who} thinks that this message is unwanted."),
    "format": marked("{who} rejects the form of the message."),
    "too_big": marked("The message is too large for {who}."),
    "misroute": marked("The mail server says that it does not serve this domain."),
    "expired": marked("No mail server of the domain could be reached for days."),
    "unclassified": marked("{who} refused it in words we do not know."),
}
# By what we note ourselves, without an answer.
_BY_REASON = {
    "suppressed": marked("Suppressed or unsubscribed, so we did not send it."),
    "erased": marked("The person was erased before it was sent."),
    "unreachable": marked("The mail server could not be reached."),
    "answer_lost": marked(
        "The connection broke before the answer came. It may have arrived; it is not sent again by itself."
    ),
    "internal_error": marked("It could not be sent because of a fault of ours."),
    "not_looked_up": marked("The domain could not be looked up for two days."),
    "no_mail_domain": marked("The domain takes no mail."),
    "personalisation_failed": marked("A personal field could not be filled in for this person."),
}
_BY_KIND = {
    "accepted": marked("Accepted by {who}."),
    "deferred": marked("{who} asked us to come back."),
    "bounced_hard": marked("This mailbox does not exist at {who}."),
    "bounced_soft": marked("Not delivered, although we tried long enough."),
    "bounced_policy": marked("The recipient's own rules refuse it."),
    "blocked": marked("{who} refused it because of us. Nobody is suppressed for that."),
    "refused": marked("We did not send it."),
    "skipped": marked("Left out at the last moment."),
    "unknown": marked("The answer was lost. It may have arrived; we do not send it again by itself."),
}

_UNHEARD_OF = marked("Something went wrong.")
# Where several receivers say the same.
_WITHOUT_NAME = {
    "This mailbox does not exist at {who}.": marked("This mailbox does not exist."),
    "{who} says that this cannot be an address.": marked("The receiver says that this cannot be an address."),
    "{who} has closed this mailbox or put it to sleep.": marked(
        "The receiver has closed this mailbox or put it to sleep."
    ),
    "{who} asks us to slow down.": marked("The receiver asks us to slow down."),
    "{who} wants fewer connections from us.": marked("The receiver wants fewer connections from us."),
    "{who} wants fewer messages in one go.": marked("The receiver wants fewer messages in one go."),
    "{who} wants fewer recipients in one go.": marked("The receiver wants fewer recipients in one go."),
    "{who} wants us to come back in a few minutes, as it does with everyone new.": marked(
        "The receiver wants us to come back in a few minutes, as it does with everyone new."
    ),
    "{who} has a problem of its own and asks us to come back.": marked(
        "The receiver has a problem of its own and asks us to come back."
    ),
    "{who} distrusts our address or domain at the moment.": marked(
        "The receiver distrusts our address or domain at the moment."
    ),
    "Our address is on a list of senders that {who} refuses.": marked(
        "Our address is on a list of senders that the receiver refuses."
    ),
    "{who} rejects it because SPF, DKIM or DMARC does not match.": marked(
        "The receiver rejects it because SPF, DKIM or DMARC does not match."
    ),
    "{who} rejects our encryption.": marked("The receiver rejects our encryption."),
    "{who} rejects it because our address and its name do not point to each other.": marked(
        "The receiver rejects it because our address and its name do not point to each other."
    ),
    "{who} rejects it because something in our set-up is wrong.": marked(
        "The receiver rejects it because something in our set-up is wrong."
    ),
    "{who} rejects how we speak to it; that is a fault of ours.": marked(
        "The receiver rejects how we speak to it; that is a fault of ours."
    ),
    "{who} thinks that this message is unwanted.": marked("The receiver thinks that this message is unwanted."),
    "{who} rejects the form of the message.": marked("The receiver rejects the form of the message."),
    "The message is too large for {who}.": marked("The message is too large for the receiver."),
    "{who} refused it in words we do not know.": marked("The receiver refused it in words we do not know."),
    "Accepted by {who}.": marked("Accepted by the receiver."),
    "{who} asked us to come back.": marked("The receiver asked us to come back."),
    "{who} refused it because of us. Nobody is suppressed for that.": marked(
        "The receiver refused it because of us. Nobody is suppressed for that."
    ),
}


def sentence(*, kind: str, who: str, reply_class: str = "", reason: str = "") -> str:
    """One sentence for an outcome. `who` is the receiver's name for people; empty where several say the same. Unknown
    words never raise.
    """
    if kind == "accepted":
        pattern = _BY_KIND[kind]
    elif reason.startswith("not written:"):
        why = reason.removeprefix("not written:").strip()
        return _("It could not be written for this person: %(why)s") % {"why": why}
    else:
        pattern = _BY_REASON.get(reason) or _BY_CLASS.get(reply_class) or _BY_KIND.get(kind) or _UNHEARD_OF
    if not who:
        pattern = _WITHOUT_NAME.get(pattern, pattern)
    return _(pattern).format(who=who)


# What follows for the people; by reply class first, then by kind.
_FOLLOWS_FROM_CLASS = {
    "full": marked("We try again for two days, then let it rest."),
    "greylist": marked("Usual with smaller providers. The second try nearly always works."),
    "rate": marked("They keep their place and are tried again."),
    "conn_limit": marked("They keep their place and are tried again."),
    "msgs_per_conn": marked("They keep their place and are tried again."),
}
_FOLLOWS = {
    "deferred": marked("They are tried again, up to two days."),
    "bounced_hard": marked("These people are not written to again."),
    "bounced_soft": marked("They stay on your lists; somebody who fails again and again is taken off."),
    "bounced_policy": marked("They stay on your lists."),
    "blocked": marked("About us, not about the person: nobody is suppressed."),
    "refused": marked("They stay on your lists."),
    "unknown": marked("They may have it. They are listed by name and not sent to again."),
}


def consequence(*, kind: str, reply_class: str = "") -> str:
    """What follows for the people of an outcome, in a sentence; empty where nothing does."""
    by_class = _FOLLOWS_FROM_CLASS.get(reply_class) if kind == "deferred" else None
    follows = by_class or _FOLLOWS.get(kind, "")
    return _(follows) if follows else ""
