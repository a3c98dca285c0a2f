"""SPF as a receiver evaluates it (RFC 7208), for the mechanisms ip4, ip6, a, mx, include, all and the modifier
redirect.
"""

import ipaddress

from lab.zone import Zone

RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
MAX_LOOKUPS = 10


class _TooManyLookups(Exception):
    pass


def check_spf(ip: str, domain: str, zone: Zone) -> str:
    """pass, fail, softfail, neutral, none, temperror or permerror."""
    try:
        return _evaluate(ip, domain, zone, [0])
    except (_TooManyLookups, ValueError):
        return "permerror"


def _evaluate(ip: str, domain: str, zone: Zone, lookups: list[int]) -> str:
    if zone.answer(domain, "TXT").rcode in ("SERVFAIL", "TIMEOUT", "REFUSED"):
        return "temperror"
    policies = [text for text in zone.texts(domain) if text.split(" ")[0] == "v=spf1"]
    if len(policies) != 1:
        return "permerror" if policies else "none"
    terms = policies[0].split()[1:]
    for term in terms:
        qualifier, mechanism = (term[0], term[1:]) if term[0] in RESULTS else ("+", term)
        if "=" not in mechanism.partition(":")[0] and _matches(mechanism.lower(), ip, domain, zone, lookups):
            return RESULTS[qualifier]
    redirect = next((term.partition("=")[2] for term in terms if term.startswith("redirect=")), "")
    if redirect:
        _spend(lookups)
        return _evaluate(ip, redirect, zone, lookups)
    return "neutral"


def _matches(mechanism: str, ip: str, domain: str, zone: Zone, lookups: list[int]) -> bool:
    name, _, argument = mechanism.partition(":")
    if name == "all":
        return True
    if name in ("ip4", "ip6"):
        return ipaddress.ip_address(ip) in ipaddress.ip_network(argument, strict=False)
    _spend(lookups)
    target = argument or domain
    if name == "a":
        return ip in zone.addresses(target)
    if name == "mx":
        return any(ip in zone.addresses(host) for host in zone.exchangers(target))
    if name == "include":
        return _evaluate(ip, target, zone, lookups) == "pass"
    raise ValueError(f"unknown mechanism {mechanism!r}")


def _spend(lookups: list[int]) -> None:
    lookups[0] += 1
    if lookups[0] > MAX_LOOKUPS:
        raise _TooManyLookups
