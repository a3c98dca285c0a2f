"""Which host stands where: personas and domains laid out over loopback addresses and in the zone."""

import dataclasses
from dataclasses import dataclass

from lab.configuration import BadConfiguration, Configuration
from lab.persona import Persona, changed, load_personas
from lab.zone import FAILURES, BadRecord, Zone, reverse_name

HOSTS_PER_NETWORK = 250


@dataclass(frozen=True)
class Host:
    name: str
    address: str
    persona: str
    domains: frozenset[str]


@dataclass(frozen=True)
class World:
    personas: dict[str, Persona]
    hosts: list[Host]
    zone: Zone


def build_world(configuration: Configuration) -> World:
    """Personas with the configured changes, a host for each MX name, and the zone that names them. Raises
    BadConfiguration, BadPersona.
    """
    personas = _personas(configuration)
    hosts: list[Host] = []
    for index, persona in enumerate(personas.values()):
        hosts += _hosts_of(persona, index, configuration.network)
    zone = Zone()
    _describe_receivers(zone, personas, hosts, configuration.network)
    _describe_senders(zone, configuration)
    return World(personas, hosts, zone)


def _personas(configuration: Configuration) -> dict[str, Persona]:
    everyone = load_personas()
    unknown = (set(configuration.only) | set(configuration.personas) | set(configuration.domains.values())) - {
        *everyone,
        "*",
    }
    if unknown:
        raise BadConfiguration(f"There is no persona {min(unknown)!r}; there are {', '.join(everyone)}.")
    chosen = {key: persona for key, persona in everyone.items() if not configuration.only or key in configuration.only}
    return {key: _configured(persona, configuration) for key, persona in chosen.items()}


def _configured(persona: Persona, configuration: Configuration) -> Persona:
    extra = tuple(domain for domain, key in configuration.domains.items() if key == persona.key)
    generated = (
        tuple(f"hoster-{n:04d}.example" for n in range(1, configuration.hosters + 1))
        if persona.key == "hosters"
        else ()
    )
    grown = dataclasses.replace(persona, domains=(*persona.domains, *generated, *extra))
    everywhere, own = configuration.personas.get("*", {}), configuration.personas.get(persona.key, {})
    return changed(grown, {**everywhere, **own})


def _hosts_of(persona: Persona, index: int, network: str) -> list[Host]:
    names: dict[str, set[str]] = {}
    for domain in persona.domains or ("",):
        for pattern in persona.mx:
            names.setdefault(_mx_name(pattern, domain), set()).add(domain)
    return [
        Host(name, _address(network, index, place), persona.key, frozenset(domains - {""}))
        for place, (name, domains) in enumerate(names.items())
    ]


def _mx_name(pattern: str, domain: str) -> str:
    return pattern.replace("{dashed}", domain.replace(".", "-")).replace("{domain}", domain)


def _address(network: str, persona: int, place: int) -> str:
    """127.9.<persona>.<place>; a persona with many hosts goes on in 127.<9 + k>.<persona>."""
    first, second = network.split(".")
    return f"{first}.{int(second) + place // HOSTS_PER_NETWORK}.{persona + 1}.{place % HOSTS_PER_NETWORK + 1}"


def _describe_receivers(zone: Zone, personas: dict[str, Persona], hosts: list[Host], network: str) -> None:
    for host in hosts:
        zone.add(host.name, "A", host.address)
        zone.add(reverse_name(host.address), "PTR", f"{host.name}.")
    for persona in personas.values():
        for domain in persona.domains:
            for position, pattern in enumerate(persona.mx, start=1):
                zone.add(domain, "MX", f"{position * 10} {_mx_name(pattern, domain)}.")
            zone.add(domain, "TXT", f"v=spf1 ip4:{network}.0.0/16 ~all")
            zone.add(f"_dmarc.{domain}", "TXT", "v=DMARC1; p=none")


def _describe_senders(zone: Zone, configuration: Configuration) -> None:
    for address, name in configuration.clients.items():
        zone.add(reverse_name(address), "PTR", f"{name}.")
        zone.add(name, "A", address)
    try:
        for record in configuration.records:
            zone.add(**record)
        for name, mode in configuration.failures.items():
            zone.fail(name, mode)
    except (BadRecord, TypeError) as error:
        raise BadConfiguration(f"records/failures: {error} (failure modes: {', '.join(FAILURES)})") from error
