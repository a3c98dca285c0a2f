"""An ESP's API as a way out: one call carries one letter, so that a call nobody answered concerns one person.

Providers' batch calls carry up to 50 letters; a lost answer would then leave 50 people unknown, and only an idempotency
key could tell. A session hands over one letter at a time behind its own gate, so batch calls are not used.
"""

from functools import partial
from typing import Any

from anymail.exceptions import AnymailError
from django.core.exceptions import ImproperlyConfigured
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from sending import egress, hub
from sending.esp import answers
from sending.esp.catalogue import Esp
from sending.esp.rewriting import CanNotBeSent, as_api_message
from sending.esp.settings import BadSettings, EspSettings, check_api_url, settings_of
from sending.models import Route
from sending.pure.dialogue import SmtpReply
from sending.transports import ConnectionLost, CouldNotOpen, Destination, Letter, NoAnswer, Patience, Refusal

# No API needs as long as a receiver may take after the final dot.
LONGEST_ANSWER = 60.0


class EspSession:
    """One HTTP connection, kept alive (a `sending.transports.Session`). The call is what the final dot is elsewhere."""

    def __init__(self, backend: Any, esp: Esp) -> None:
        self._backend, self._esp = backend, esp
        self._message: Any = None
        self._answer: SmtpReply | None = None

    def offer(self, letter: Letter, *, at_once: bool = False) -> None:
        self._message = self._answer = None
        try:
            self._message = as_api_message(letter, self._esp)
        except (CanNotBeSent, ValueError, LookupError) as error:
            self._answer = SmtpReply(554, f"5.6.0 {error}")

    def hear_offer(self) -> Refusal | None:
        """Refused here: what can't be put into a call at all. Nothing has left yet."""
        return Refusal("rcpt", self._answer) if self._answer is not None else None

    def begin_content(self) -> Refusal | None:
        return None

    def send_ahead(self, letter: Letter) -> None:
        """Nothing: all of a call leaves at once."""

    def send_content(self, letter: Letter) -> None:
        try:
            hub.errand(partial(self._backend.send_messages, [self._message]))
        except AnymailError as error:
            self._answer = self._meaning(error)
        else:
            self._answer = answers.accepted(self._message.anymail_status)

    def _meaning(self, error: AnymailError) -> SmtpReply:
        try:
            return answers.reply_to(error)
        except (ConnectionLost, NoAnswer):
            self.drop()
            raise

    def hear_content(self) -> SmtpReply:
        if self._answer is None:
            raise NoAnswer("Nothing was sent.")
        return self._answer

    def take_back(self) -> None:
        self._message = self._answer = None

    def quit(self) -> None:
        self.drop()

    def drop(self) -> None:
        self._backend.close()


class EspTransport:
    def __init__(self, name: str, settings: EspSettings, patience: Patience) -> None:
        self._name, self._settings, self._patience = name, settings, patience

    def open(self, destination: Destination) -> EspSession:
        """Nothing is connected before the first call. Raises CouldNotOpen when the settings can't work."""
        esp = self._settings.esp
        seconds = (self._patience.connect, min(self._patience.dot, LONGEST_ANSWER))
        try:
            backend = esp.backend(**self._settings.values, timeout=seconds)
            check_api_url(backend.api_url)
        except (ImproperlyConfigured, BadSettings) as error:
            raise CouldNotOpen(f"The route {self._name} can't use {esp.title}: {error}") from error
        backend.open()
        _guard(backend.session)
        return EspSession(backend, esp)


def transport(route: Route, *, patience: Patience) -> EspTransport:
    """The transport of an ESP's route. Raises CouldNotOpen."""
    try:
        return EspTransport(route.name, settings_of(route), patience)
    except BadSettings as error:
        raise CouldNotOpen(str(error)) from error


class _Guarded(HTTPAdapter):
    """Looks where each request goes, and that no transaction waits for it."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        egress.refuse_inside_transaction()
        try:
            check_api_url(request.url or "")
        except BadSettings as error:
            raise answers.NotLetThrough(str(error)) from error
        return super().send(request, *args, **kwargs)


def _guard(session: Any) -> None:
    """No proxies or passwords from the environment, no redirects: a letter goes where the settings say, or nowhere."""
    session.trust_env = False
    session.max_redirects = 0
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Guarded(max_retries=0))
