"""The lab's DNS over UDP and TCP on one port: authoritative for its zone, NXDOMAIN for everything else."""

import asyncio
import contextlib
import struct
from typing import Any

from dnslib import (
    AAAA,
    CAA,
    CNAME,
    MX,
    NS,
    PTR,
    QTYPE,
    RCODE,
    RR,
    SOA,
    TXT,
    A,
    DNSRecord,
)
from dnslib.dns import DNSError

from lab.zone import Answer, Record, Zone


def reply_to(query: bytes, zone: Zone, *, over_udp: bool) -> bytes | None:
    """The wire answer to a wire question; None for no answer at all."""
    question = DNSRecord.parse(query)
    answer = zone.answer(str(question.q.qname), QTYPE[question.q.qtype])
    if answer.rcode == "TIMEOUT":
        return None
    reply = question.reply(ra=1, aa=1)
    reply.header.rcode = getattr(RCODE, answer.rcode)
    if answer.truncated and over_udp:
        reply.header.tc = 1
    else:
        _fill(reply, answer)
    return _fitting(reply, over_udp)


def _fill(reply: Any, answer: Answer) -> None:
    for record in answer.records:
        reply.add_answer(RR(record.name, getattr(QTYPE, record.type), rdata=_rdata(record), ttl=record.ttl))


def _fitting(reply: Any, over_udp: bool) -> bytes:
    packed: bytes = reply.pack()
    return reply.truncate().pack() if over_udp and len(packed) > 1232 else packed  # 1232: the DNS flag day 2020 size


def _rdata(record: Record) -> Any:
    if record.type == "TXT":
        raw = record.value.encode("utf-8")
        return TXT([raw[i : i + 255] for i in range(0, len(raw), 255)] or [b""])
    if record.type == "MX":
        preference, host = record.value.split()
        return MX(host, int(preference))
    if record.type == "SOA":
        master, responsible = record.value.split()[:2]
        return SOA(master, responsible, (1, 3600, 600, 86400, 60))
    if record.type == "CAA":
        flags, tag, value = record.value.split(maxsplit=2)
        return CAA(int(flags), tag, value)
    return {"A": A, "AAAA": AAAA, "CNAME": CNAME, "PTR": PTR, "NS": NS}[record.type](record.value)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.DatagramTransport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        with contextlib.suppress(DNSError):
            reply = reply_to(data, self._zone, over_udp=True)
            if reply is not None:
                self._transport.sendto(reply, addr)


class NameServer:
    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen on UDP and TCP. Port 0 takes a free one that both can have."""
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._serve, host, port)
        self.port = self._tcp.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._zone), (host, self.port))

    async def stop(self) -> None:
        self._udp.close()
        self._tcp.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, DNSError, TimeoutError):
            async with asyncio.timeout(30):
                while True:
                    (size,) = struct.unpack(">H", await reader.readexactly(2))
                    reply = reply_to(await reader.readexactly(size), self._zone, over_udp=False)
                    if reply is not None:
                        writer.write(struct.pack(">H", len(reply)) + reply)
                        await writer.drain()
        writer.close()
