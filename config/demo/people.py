"""Readers of the demo world, the same for the same seed, as the CSV a marketer would upload."""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FIRST_NAMES = (
    "Ada Amara Anna Bartek Beatriz Carlos Chiara Daan Elif Emma Farid Femke Grace Hana Hugo Ines Ivan Jan Joana Kaito "
    "Lea Liam Lucía Mara Mateo Mia Milan Nadia Noah Nora Olga Oskar Paolo Petra Rafael Rosa Samir Sofia Tomás Yara Zoë"
).split()
LAST_NAMES = (
    "Almeida Bauer Berg Costa Dubois Eriksen Fischer García Haddad Horvat Ivanova Jansen Kaya Keller Kowalska Larsen "
    "Lopes Marino Meyer Moreau Nowak Okafor Peeters Petrov Rossi Sato Schmidt Silva Tanaka Visser Weber Winter Yılmaz"
).split()
CITIES = "Berlin Gdańsk Gent Lisboa London Lyon Madrid Milano Oslo Praha Utrecht Wien Zürich".split()

# Where people have their mail: persona of the lab, its domains, share of the list.
TENANTS = ("harbour-logistics.example", "alder-and-finch.example", "quarry-engineering.example")
CLIENTS = ("whitlock-partners.example", "tessera-insurance.example")
MAIL_DOMAINS: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("google", ("gmail.com", "gmail.com", "gmail.com", "googlemail.com", "northwind-books.example"), 0.26),
    ("microsoft", ("hotmail.com", "outlook.com", "live.com"), 0.18),
    ("m365", TENANTS, 0.09),
    ("yahoo", ("yahoo.com", "aol.com", "ymail.com"), 0.20),
    ("apple", ("icloud.com", "me.com"), 0.09),
    ("gmx", ("gmx.de", "web.de"), 0.06),
    ("orange", ("orange.fr", "wanadoo.fr"), 0.05),
    ("mimecast", CLIENTS, 0.05),
    ("hosters", (), 0.02),
)
# What happens to some of them, by the lab's magic local parts: share of the people of these personas. Only what ends
# within minutes: a mailbox that is full answers 4xx at most receivers and is tried for two days.
EVERYWHERE = tuple(row[0] for row in MAIL_DOMAINS)
FATES: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    # Who greylists; the big ones would call the same text a rate limit.
    ("grey", 0.12, ("apple", "gmx", "mimecast", "hosters")),
    ("full", 0.01, ("yahoo", "apple", "gmx", "orange")),
    ("unknown", 0.006, EVERYWHERE),
    ("inactive", 0.002, EVERYWHERE),
    ("late-bounce", 0.003, EVERYWHERE),
    ("policy", 0.001, ("google", "m365")),
)
# Feedback loops exist at these two. 0.1 % of the whole list complain, which the guard lets pass; a few do in any case.
COMPLAINERS_AT = ("microsoft", "yahoo")
COMPLAIN_SHARE, COMPLAIN_LEAST = 0.001, 6


@dataclass(frozen=True, slots=True)
class Reader:
    email: str
    first_name: str
    last_name: str
    city: str
    persona: str


def hosters_for(n: int) -> int:
    """So many small sites among `n` people that each of them has a handful only."""
    return max(20, n // 400)


def readers(n: int, *, seed: int, hosters: int, start: int = 0, fated: bool = True) -> Iterator[Reader]:
    """`n` readers numbered from `start`, every one with an address of their own; `fated`: to some things happen."""
    source = random.Random(f"{seed}:{start}")
    personas = [row[0] for row in MAIL_DOMAINS]
    domains = {row[0]: row[1] for row in MAIL_DOMAINS}
    weights = [row[2] for row in MAIL_DOMAINS]
    reporting = sum(row[2] for row in MAIL_DOMAINS if row[0] in COMPLAINERS_AT)
    complaining = max(COMPLAIN_SHARE, COMPLAIN_LEAST / max(n, 1)) / reporting
    for number in range(start, start + n):
        persona = source.choices(personas, weights)[0]
        domain = (
            source.choice(domains[persona]) if domains[persona] else f"hoster-{source.randint(1, hosters):04}.example"
        )
        first, last = source.choice(FIRST_NAMES), source.choice(LAST_NAMES)
        fate = _fate(source, persona, complaining) if fated else ""
        local = f"{fate}-{number}" if fate else f"{_plain(first)}.{_plain(last)}.{number}"
        yield Reader(f"{local}@{domain}", first, last, source.choice(CITIES), persona)


def write_csv(path: Path, rows: Iterator[Reader]) -> int:
    """A file as an e-mail tool exports it; every fortieth person has no first name. Returns the number of people."""
    n = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["E-mail", "First name", "Last name", "City"])
        for n, row in enumerate(rows, 1):
            out.writerow(
                [
                    row.email,
                    "" if n % 40 == 0 else row.first_name,
                    row.last_name,
                    row.city,
                ]
            )
    return n


def _fate(source: random.Random, persona: str, complaining: float) -> str:
    draw = source.random()
    if persona in COMPLAINERS_AT and draw < complaining:
        return "complain"
    draw = source.random()
    for name, share, where in FATES:
        if persona in where:
            if draw < share:
                return name
            draw -= share
    return ""


def _plain(name: str) -> str:
    """The ASCII a person puts into an address."""
    table = str.maketrans("áàäéèëíìïóòöúùüñçžńśćłŁıİ", "aaaeeeiiiooouuunczncslLiI")
    return "".join(letter for letter in name.translate(table).lower() if letter.isascii() and letter.isalpha())
