"""Straight to the recipients' servers, from one of our addresses."""

import ipaddress
import ssl
from dataclasses import dataclass

from django.conf import settings

from reputation import resolver
from sending import egress, smtp
from sending.models import Route
from sending.transports import CouldNotOpen, Destination, Patience

# A site with many hosts and addresses is not tried to the end: the slot is worth more.
MOST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectTransport:
    source_ip: str | None  # None: whichever the system takes
    ehlo_name: str
    port: int
    lab: bool
    patience: Patience

    def open(self, destination: Destination) -> smtp.SmtpSession:
        """The first host that can be reached. What a receiver says of us is its answer; the next host is not asked."""
        why = "No mail server is known for it."
        attempts = 0
        for host in destination.hosts:
            for ip in self._addresses(host):
                if attempts >= MOST_ATTEMPTS:
                    break
                attempts += 1
                try:
                    return self._open_one(host, ip, requires_tls=destination.requires_tls)
                except CouldNotOpen as error:
                    if error.refusal is not None:
                        raise
                    why = f"{host} ({ip}): {error}"
        raise CouldNotOpen(why)

    def _addresses(self, host: str) -> list[str]:
        """Of the same IP version as our own address: another one can't be reached from it."""
        found = resolver.addresses(host)
        if isinstance(found, resolver.CouldNotLookUp):
            return []
        if self.source_ip is None:
            return found[:3]
        version = ipaddress.ip_address(self.source_ip).version
        return [ip for ip in found if ipaddress.ip_address(ip).version == version][:3]

    def _open_one(self, host: str, ip: str, *, requires_tls: bool) -> smtp.SmtpSession:
        dialogue = self._connect(host, ip)
        offers_tls = dialogue.has_extn("starttls")
        if offers_tls:
            try:
                smtp.start_tls(dialogue, _unverified())
            except CouldNotOpen:
                dialogue.close()
                if requires_tls:
                    raise
                # Opportunistic: a broken TLS is no worse than none (RFC 7435).
                dialogue = self._connect(host, ip)
        elif requires_tls:
            dialogue.close()
            raise CouldNotOpen("It does not offer TLS, which this provider is known to require.")
        return smtp.SmtpSession(dialogue, patience=self.patience)

    def _connect(self, host: str, ip: str) -> smtp.Dialogue:
        try:
            sock = egress.connect(
                ip=ip, port=self.port, source=self.source_ip, timeout=self.patience.connect, lab=self.lab, is_mx=True
            )
        except OSError as error:
            raise CouldNotOpen(str(error)) from error
        dialogue = smtp.Dialogue(sock, host=host, ehlo_name=self.ehlo_name, patience=self.patience)
        try:
            smtp.greet(dialogue, self.patience)
        except CouldNotOpen:
            dialogue.close()
            raise
        return dialogue


def transport(route: Route, *, patience: Patience) -> DirectTransport:
    """The transport of a direct route, bound to its address."""
    address = route.address
    if address is None:
        raise CouldNotOpen(f"The route {route.name} has no address to send from.")
    return DirectTransport(
        source_ip=address.ip, ehlo_name=address.ehlo_name, port=settings.SMTP_PORT, lab=settings.LAB, patience=patience
    )


def _unverified() -> ssl.SSLContext:
    """MX hosts' certificates fit nothing in particular; encrypting to whoever answers beats plain text (RFC 7435)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
