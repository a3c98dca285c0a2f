"""Through an SMTP relay: somebody else's server that takes all our mail, usually after a log-in."""

import smtplib
import ssl
from dataclasses import dataclass, field

from django.conf import settings

from reputation import resolver, sealed
from sending import egress, smtp
from sending.models import Route
from sending.pure.dialogue import Garbled, SmtpReply
from sending.transports import CouldNotOpen, Destination, Patience, Refusal

_PORTS = {Route.Security.STARTTLS: 587, Route.Security.TLS: 465, Route.Security.NONE: 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayTransport:
    name: str
    host: str
    port: int
    security: str
    username: str
    password: str = field(repr=False)
    ehlo_name: str
    lab: bool
    patience: Patience

    def open(self, destination: Destination) -> smtp.SmtpSession:
        """Connected, encrypted as the route says, logged in."""
        dialogue = self._connect()
        try:
            smtp.greet(dialogue, self.patience)
            if self.security == Route.Security.STARTTLS:
                self._start_tls(dialogue)
            if self.username:
                self._log_in(dialogue)
        except CouldNotOpen:
            dialogue.close()
            raise
        return smtp.SmtpSession(dialogue, patience=self.patience)

    def _connect(self) -> smtp.Dialogue:
        try:
            sock = egress.connect(
                ip=self._address(),
                port=self.port,
                source=None,
                timeout=self.patience.connect,
                lab=self.lab,
                is_mx=False,
            )
            if self.security == Route.Security.TLS:
                sock = ssl.create_default_context().wrap_socket(sock, server_hostname=self.host)
        except ssl.SSLCertVerificationError as error:
            raise CouldNotOpen(f"The certificate of {self.host} is not valid: {error.verify_message}.") from error
        except OSError as error:
            raise CouldNotOpen(f"The relay {self.host} could not be reached on port {self.port}: {error}") from error
        return smtp.Dialogue(sock, host=self.host, ehlo_name=self.ehlo_name, patience=self.patience)

    def _address(self) -> str:
        found = resolver.addresses(self.host)
        if isinstance(found, resolver.CouldNotLookUp):
            raise CouldNotOpen(f"The relay {self.host} could not be looked up: {found.reason}.")
        if not found:
            raise CouldNotOpen(f"The relay {self.host} does not exist; check the host name of the route {self.name}.")
        return found[0]

    def _start_tls(self, dialogue: smtp.Dialogue) -> None:
        if not dialogue.has_extn("starttls"):
            raise CouldNotOpen(f"The relay {self.host} does not offer STARTTLS, and the route {self.name} requires it.")
        smtp.start_tls(dialogue, ssl.create_default_context())

    def _log_in(self, dialogue: smtp.Dialogue) -> None:
        try:
            dialogue.login(self.username, self.password)
        except smtplib.SMTPAuthenticationError as error:
            text = (
                error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
            )
            raise CouldNotOpen(
                f"The relay {self.host} did not take the user name and password of the route {self.name}.",
                Refusal("auth", SmtpReply(error.smtp_code, text)),
            ) from error
        except smtplib.SMTPException as error:
            raise CouldNotOpen(f"The relay {self.host} offers no way to log in that we know: {error}") from error
        except (OSError, Garbled) as error:
            raise CouldNotOpen(f"The relay {self.host} broke off the log-in: {error}") from error


def transport(route: Route, *, patience: Patience) -> RelayTransport:
    """The transport of a relay route. Raises CouldNotOpen when its password can't be opened."""
    try:
        password = sealed.unseal(route.password_sealed, about=secret_of(route)) if route.password_sealed else ""
    except sealed.SealBroken as error:
        raise CouldNotOpen(f"The password of the route {route.name} can't be opened. {error}") from error
    return RelayTransport(
        name=route.name,
        host=route.host,
        port=route.port or _PORTS[Route.Security(route.security)],
        security=route.security,
        username=route.username,
        password=password,
        ehlo_name=route.address.ehlo_name if route.address else settings.ALLOWED_HOSTS[0] or "localhost",
        lab=settings.LAB,
        patience=patience,
    )


def secret_of(route: Route) -> str:
    """What a relay's password is sealed about."""
    return f"route:{route.pk}:password"
