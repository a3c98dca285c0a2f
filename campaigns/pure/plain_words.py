"""What a receiver's answer means, for people who do not read SMTP. The classes are those of reputation/replies.toml."""

# By reply class; {who} is the receiver's name.
_BY_CLASS = {
    "unknown": "This mailbox does not exist at {who}.",
    "bad_addr": "{who} says that this cannot be an address.",
    "bad_domain": "The domain has no mail server.",
    "inactive": "{who} has closed this mailbox or put it to sleep.",
    "full": "The mailbox is full.",
    "rcpt_rate": "This mailbox gets too much mail at the moment.",
    "rcpt_temp": "This mailbox cannot take mail at the moment.",
    "rcpt_policy": "The recipient's own rules refuse it.",
    "rate": "{who} asks us to slow down.",
    "conn_limit": "{who} wants fewer connections from us.",
    "msgs_per_conn": "{who} wants fewer messages in one go.",
    "too_many_rcpt": "{who} wants fewer recipients in one go.",
    "greylist": "{who} wants us to come back in a few minutes, as it does with everyone new.",
    "temp": "{who} has a problem of its own and asks us to come back.",
    "reputation": "{who} distrusts our address or domain at the moment.",
    "blocklist": "Our address is on a list of senders that {who} refuses.",
    "auth": "{who} rejects it because SPF, DKIM or DMARC does not match.",
    "tls": "{who} rejects our encryption.",
    "ptr": "{who} rejects it because our address and its name do not point to each other.",
    "config": "{who} rejects it because something in our set-up is wrong.",
    "smarthost": "Our relay rejects it.",
    "bug": "{who} rejects how we speak to it; that is a fault of ours.",
    "content": "{who} thinks that this message is unwanted.",
    "format": "{who} rejects the form of the message.",
    "too_big": "The message is too large for {who}.",
    "misroute": "The mail server says that it does not serve this domain.",
    "expired": "No mail server of the domain could be reached for days.",
    "unclassified": "{who} refused it in words we do not know.",
}
# By what we note ourselves, without an answer.
_BY_REASON = {
    "suppressed": "Suppressed or unsubscribed, so we did not send it.",
    "erased": "The person was erased before it was sent.",
    "unreachable": "The mail server could not be reached.",
    "answer_lost": "The connection broke before the answer came. It may have arrived; it is not sent again by itself.",
    "internal_error": "It could not be sent because of a fault of ours.",
    "not_looked_up": "The domain could not be looked up for two days.",
    "no_mail_domain": "The domain takes no mail.",
    "personalisation_failed": "A personal field could not be filled in for this person.",
}
_BY_KIND = {
    "accepted": "Accepted by {who}.",
    "deferred": "{who} asked us to come back.",
    "bounced_hard": "This mailbox does not exist at {who}.",
    "bounced_soft": "Not delivered, although we tried long enough.",
    "bounced_policy": "The recipient's own rules refuse it.",
    "blocked": "{who} refused it because of us. Nobody is suppressed for that.",
    "refused": "We did not send it.",
    "skipped": "Left out at the last moment.",
    "unknown": "The answer was lost. It may have arrived; we do not send it again by itself.",
}


def sentence(*, kind: str, who: str, reply_class: str = "", reason: str = "") -> str:
    """One sentence for an outcome. `who` is the receiver's name for people; empty where several say the same. Unknown
    words never raise.
    """
    if kind == "accepted":
        pattern = _BY_KIND[kind]
    elif reason.startswith("not written:"):
        return f"It could not be written for this person: {reason.removeprefix('not written:').strip()}"
    else:
        pattern = _BY_REASON.get(reason) or _BY_CLASS.get(reply_class) or _BY_KIND.get(kind) or "Something went wrong."
    if not who:
        pattern, who = pattern.replace(" at {who}", ""), "the receiver"
        pattern = f"{who.capitalize()}{pattern.removeprefix('{who}')}" if pattern.startswith("{who}") else pattern
    said = pattern.format(who=who)
    # A name keeps its own spelling: iCloud.
    return said if pattern.startswith("{who}") else said[0].upper() + said[1:]


# What follows for the people; by reply class first, then by kind.
_FOLLOWS_FROM_CLASS = {
    "full": "We try again for two days, then let it rest.",
    "greylist": "Usual with smaller providers. The second try nearly always works.",
    "rate": "They keep their place and are tried again.",
    "conn_limit": "They keep their place and are tried again.",
    "msgs_per_conn": "They keep their place and are tried again.",
}
_FOLLOWS = {
    "deferred": "They are tried again, up to two days.",
    "bounced_hard": "These people are not written to again.",
    "bounced_soft": "They stay on your lists; somebody who fails again and again is taken off.",
    "bounced_policy": "They stay on your lists.",
    "blocked": "About us, not about the person: nobody is suppressed.",
    "refused": "They stay on your lists.",
    "unknown": "They may have it. They are listed by name and not sent to again.",
}


def consequence(*, kind: str, reply_class: str = "") -> str:
    """What follows for the people of an outcome, in a sentence; empty where nothing does."""
    by_class = _FOLLOWS_FROM_CLASS.get(reply_class) if kind == "deferred" else None
    return by_class or _FOLLOWS.get(kind, "")
