"""Decides what comes back for an accepted message: a late bounce, a complaint, or, from the relay, the message to its
receiver.
"""

from collections.abc import Callable, Mapping

from lab.arf import ENVELOPE_SENDERS, Complaint, complaint
from lab.clock import LabClock
from lab.configuration import Configuration
from lab.courier import Courier, Parcel
from lab.dsn import Failure, bounce
from lab.receivers import Accepted
from lab.reception import Reception
from lab.zone import Zone


class Returns:
    def __init__(
        self,
        configuration: Configuration,
        zone: Zone,
        courier: Courier,
        receptions: Mapping[str, Reception],
        clock: LabClock,
        smtp_port: Callable[[], int],
    ) -> None:
        self._configuration = configuration
        self._zone = zone
        self._courier = courier
        self._receptions = receptions
        self._clock = clock
        self._smtp_port = smtp_port

    def consider(self, accepted: Accepted) -> None:
        """Post what the persona sends for this message; at most one of bounce and complaint."""
        reception = self._receptions[accepted.persona]
        persona, key = reception.persona, reception.magic(accepted.recipient)
        subject = f"{accepted.recipient} {accepted.head.first('message-id')}"
        if persona.deliver_on:
            self._pass_on(accepted)
        elif accepted.sender and (
            key == "late-bounce" or reception.falls(persona.dsn_share, "dsn", accepted.recipient)
        ):
            self._bounce(accepted, persona.replies["unknown"], persona.dsn_style, persona.dsn_delay)
        elif key == "complain" or (persona.arf_style and reception.falls(persona.arf_share, "arf", subject)):
            self._complain(accepted, persona.arf_style or "ufbl", persona.arf_delay)

    def _bounce(self, a: Accepted, reply: str, style: str, delay: float) -> None:
        text = reply
        for name, value in {
            "rcpt": a.recipient,
            "ip": a.client_ip,
            "host": a.host,
            "sender": a.sender,
            "id": _token(a),
        }.items():
            text = text.replace("{" + name + "}", value)

        def message() -> bytes:
            now = self._clock.wall()
            return bounce(
                style,
                Failure(
                    host=a.host,
                    address=a.address,
                    client_ip=a.client_ip,
                    sender=a.sender,
                    recipient=a.recipient,
                    raw=a.raw,
                    message_id=a.head.first("message-id"),
                    subject=a.head.first("subject"),
                    reply=text,
                    when=now,
                    arrived=now - (self._clock.now() - a.arrived),
                    token=_token(a),
                ),
            )

        self._courier.post(self._parcel(a, "dsn", "", a.sender, message), delay)

    def _complain(self, a: Accepted, style: str, delay: float) -> None:
        """Held against the signing domain, which feedback loops go by, as it was judged when the message came."""
        self._receptions[a.persona].complained(ip=a.client_ip, domain=a.dkim_domain)
        address = self._configuration.feedback_address
        if not address:
            return

        def message() -> bytes:
            now = self._clock.wall()
            return complaint(
                style,
                Complaint(
                    host=a.host,
                    client_ip=a.client_ip,
                    sender=a.sender,
                    recipient=a.recipient,
                    feedback_address=address,
                    domain=a.dkim_domain or a.head.from_domain,
                    subject=a.head.first("subject"),
                    raw=a.raw,
                    when=now,
                    arrived=now - (self._clock.now() - a.arrived),
                    token=_token(a),
                ),
            )

        self._courier.post(self._parcel(a, "arf", ENVELOPE_SENDERS[style], address, message), delay)

    def _parcel(self, a: Accepted, kind: str, sender: str, recipient: str, message: Callable[[], bytes]) -> Parcel:
        return Parcel(
            kind=kind,
            persona=a.persona,
            source=a.address,
            sender=sender,
            recipient=recipient,
            about=a.recipient,
            message=message,
            route=lambda: self._report_route(recipient),
        )

    def _pass_on(self, a: Accepted) -> None:
        def refused(reply: str) -> None:
            if a.sender:
                self._bounce(a, reply, "postfix", 0)

        parcel = Parcel(
            kind="relayed",
            persona=a.persona,
            source=a.address,
            sender=a.sender,
            recipient=a.recipient,
            about=a.recipient,
            message=lambda: a.raw,
            route=lambda: self._exchanger_route(a.recipient, self._smtp_port()),
            refused=refused,
        )
        self._courier.post(parcel, 0)

    def _report_route(self, address: str) -> tuple[str, int] | None:
        if self._configuration.reports_host:
            return self._configuration.reports_host, self._configuration.reports_port
        return self._exchanger_route(address, self._configuration.reports_port)

    def _exchanger_route(self, address: str, port: int) -> tuple[str, int] | None:
        """The best MX's first address, loopback only: the lab never speaks to the world."""
        hosts = self._zone.exchangers(address.rpartition("@")[2])
        found = [ip for host in hosts for ip in self._zone.addresses(host) if ip.startswith("127.")]
        return (found[0], port) if found else None


def _token(a: Accepted) -> str:
    return f"{abs(hash((a.recipient, a.arrived))):016x}"[:16]
