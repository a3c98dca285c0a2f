"""Write one person's copy: fill the compiled message, sign it, and give it the addresses that lead back to us."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.conf import settings

from reputation.dkim_keys import SigningKey
from sending.loading import Person
from sending.models import Mailing, MailingMessage, Stream
from sending.pure import tokens, verp
from sending.pure.compose import Composed, PreparedMessage, RecipientContext, SystemValues, compose, prepare
from sending.pure.dkim import sign
from sending.pure.message import CompiledMessage
from sending.pure.signed import varints
from sending.pure.split import REST
from sending.transports import Letter


class Writer:
    """Writes the letters of one mailing. Reads the database when made, never afterwards."""

    def __init__(self, *, mailing: Mailing, key: SigningKey | None) -> None:
        self._mailing, self._mailing_id, self._stream = mailing, mailing.pk, mailing.stream
        self._is_test = mailing.is_test
        self._domain, self._host = mailing.sending_domain.name, mailing.sending_domain.return_path_host
        self._key = key
        self._prepared = _by_variant(mailing)
        self._keys = settings.TOKEN_KEYS
        self._newest = max(self._keys)
        # Message-IDs and return paths stay equal over attempts and mailings, so they keep to the oldest key.
        self._oldest = min(self._keys)
        self._base = settings.PUBLIC_URL
        self._makers = {
            purpose: tokens.maker(purpose, test=mailing.is_test, keys=self._keys, key_id=self._newest)
            for purpose in tokens.PURPOSES
        }

    def write(self, person: Person, *, now: datetime) -> Letter:
        """Raises PersonalisationFailed (a plain sentence), or KeyError for a variant that was never compiled."""
        return self._signed(person, self._composed(person, now), now)

    def write_ahead(
        self, people: Iterable[Person], *, now: datetime, taking: Callable[[int], None]
    ) -> dict[int, Letter]:
        """The letters of those that can be written, by delivery; `taking` is told of each before work on it begins.

        First all are filled, then all signed: each of the two is twice as fast when the other does not come between.
        """
        copies, letters = [], {}
        # Whatever goes wrong with one is met again when it is this one's turn.
        for person in people:
            taking(person.delivery)
            with suppress(Exception):
                copies.append((person, self._composed(person, now)))
        for person, copy in copies:
            taking(person.delivery)
            with suppress(Exception):
                letters[person.delivery] = self._signed(person, copy, now)
        return letters

    def _composed(self, person: Person, now: datetime) -> Composed:
        message = self._prepared[person.variant]
        return compose(
            message,
            recipient=RecipientContext(email=person.email, fields=self._fields(person, now)),
            system=self._values(person, message, now),
        )

    def _signed(self, person: Person, copy: Composed, now: datetime) -> Letter:
        signature = b""
        if self._key is not None:
            signature = sign(
                copy.headers,
                copy.body,
                key=self._key.private_key,
                domain=self._key.domain,
                selector=self._key.selector,
                now=now,
                is_relaxed=copy.is_relaxed,
            )
        return Letter(
            mail_from=self._return_path(person),
            rcpt_to=person.email,
            content=copy.as_bytes(signature),
            is_stuffed=copy.is_stuffed,
        )

    def _fields(self, person: Person, now: datetime) -> Mapping[str, Any]:
        """A notice may lead to where the person confirms; a campaign may not confirm for anybody."""
        if self._stream != Stream.TRANSACTIONAL:
            return person.fields
        (list_id,) = self._mailing.included_lists or [0]
        asked = varints((person.subscriber, list_id, int(now.timestamp())))
        return {**person.fields, "confirm_url": self._door("c", "confirm", asked)}

    def _values(self, person: Person, message: PreparedMessage, now: datetime) -> SystemValues:
        mailing = self._mailing_id
        leave = tokens.Unsubscribe(
            person.subscriber, mailing, person.delivery, self._lists(person), self._stream, self._is_test
        )
        mailto = verp.unsubscribe_address(leave, keys=self._keys, key_id=self._newest)
        this = varints((mailing, person.delivery))
        return SystemValues(
            message_id=self._message_id(person),
            date=now,
            links=self._links(this, message.compiled),
            unsubscribe_url=self._door("u", "unsubscribe", varints(tokens.numbers_of(leave))),
            preferences_url=self._door("p", "preferences", varints((person.subscriber,))),
            web_version_url=self._door("w", "web", this),
            open_url=self._door("o", "open", this) + ".gif",
            unsubscribe_mailto=f"{mailto}@{self._host}",
            mailing_ref=str(mailing),
            feedback_id=f"{mailing}:{self._stream}:letterpace",
        )

    def _lists(self, person: Person) -> tuple[int, ...]:
        """One click leaves every included list; whoever was chosen by segment only leaves the stream."""
        return tuple(self._mailing.included_lists) if person.via_list is not None else ()

    def _links(self, this: bytes, compiled: CompiledMessage) -> Sequence[str]:
        """`this` is the delivery as tokens name it: one token for all links."""
        if not compiled.track_clicks:
            return compiled.links
        begin = self._door("l", "link", this)
        return [begin + ending for ending in _endings(len(compiled.links))]

    def _door(self, path: str, purpose: str, said: bytes) -> str:
        return f"{self._base}/{path}/{self._makers[purpose](said)}"

    def _message_id(self, person: Person) -> str:
        what = verp.MessageRef(self._mailing_id, person.delivery, self._is_test)
        return verp.message_id(what, keys=self._keys, key_id=self._oldest, domain=self._domain)

    def _return_path(self, person: Person) -> str:
        who = verp.ReturnPath(person.subscriber, person.via_list or 0, self._is_test)
        return f"{verp.return_path(who, keys=self._keys, key_id=self._oldest)}@{self._host}"


def _by_variant(mailing: Mailing) -> Mapping[int, PreparedMessage]:
    """Whoever waited for the winner of a test is written to only after it was chosen."""
    prepared = _prepared(mailing.pk, mailing.launch_key)
    return prepared if mailing.winner is None else {**prepared, REST: prepared[mailing.winner]}


@lru_cache(maxsize=64)
def _prepared(mailing_id: int, _launch_key: str) -> dict[int, PreparedMessage]:
    """A mailing's messages are frozen, so a process parses them once."""
    rows = MailingMessage.objects.filter(mailing_id=mailing_id).values_list("variant", "compiled")
    return {variant: prepare(CompiledMessage.from_json(compiled)) for variant, compiled in rows}


@lru_cache(maxsize=64)
def _endings(links: int) -> list[str]:
    return [f"/{number}" for number in range(links)]


def must_be_signed(mailing: Mailing) -> bool:
    """Marketing without a signature does not leave at all."""
    return mailing.stream == Stream.MARKETING
