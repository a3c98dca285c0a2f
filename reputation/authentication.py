"""Looking at what a sending domain and a sending address publish. Every check has three results: pass, fail, unknown.

Asks DNS afresh and touches no database: it takes values and returns values.
"""

import ipaddress
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import dns.reversename

from reputation import dkim_keys, optional, resolver
from reputation.catalogue import registrable
from reputation.findings import Check
from reputation.models import Finding
from reputation.pure import dkim_record, dmarc, spf
from reputation.resolver import CouldNotLookUp, Found, NotFound

PASS, FAIL, UNKNOWN = Finding.Result.PASS, Finding.Result.FAIL, Finding.Result.UNKNOWN
THREADS = 16


@dataclass(frozen=True, slots=True)
class Key:
    """A key to be looked for. `signs`: it is in use, so its record must be there."""

    selector: str
    public_key: str
    record: str
    signs: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """A sending domain as the checks see it. `ips`: our own addresses it leaves by; none behind a relay or an ESP."""

    name: str
    return_path_host: str
    inbound_host: str
    keys: Sequence[Key]
    ips: Sequence[str]


def check_domain(subject: Subject) -> list[Check]:
    """All checks of a sending domain, at once; about ten seconds at worst."""
    checks: list[Callable[[], Check]] = [
        *(lambda key=key: _dkim(subject, key) for key in subject.keys),
        lambda: _dmarc(subject),
        lambda: _return_path(subject),
        lambda: _soa("soa", subject.name),
        lambda: _replies(subject),
        lambda: _alignment(subject),
    ]
    checks += optional.checks(domain=subject.name, host=subject.return_path_host, txt=_txt)
    if subject.return_path_host != subject.name:
        checks.append(lambda: _soa("soa_return_path", subject.return_path_host))
    if subject.ips:
        checks.append(lambda: _spf(subject))
    return _at_once(checks)


def check_address(ip: str, ehlo_name: str) -> list[Check]:
    """PTR, forward confirmation and EHLO name of an address."""
    return _at_once([lambda: _ptr(ip, ehlo_name), lambda: _forward(ip), lambda: _ehlo(ip, ehlo_name)])


def _at_once(checks: Sequence[Callable[[], Check]]) -> list[Check]:
    with ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="dns") as pool:
        return list(pool.map(lambda check: check(), checks))


# --- a sending domain


def _dkim(subject: Subject, key: Key) -> Check:
    name = f"{key.selector}._domainkey.{subject.name}"

    def check(result: str, detail: str, found: str = "") -> Check:
        kind = "dkim" if key.signs else "dkim_next"
        return Check(kind, result, name, "TXT", key.record, found, detail, required=key.signs)

    match resolver.lookup(name, "TXT", fresh=True):
        case CouldNotLookUp(reason):
            return check(UNKNOWN, f"{name} could not be looked up: {reason}.")
        case NotFound():
            return check(FAIL, _missing_key(name, subject.name))
        case Found(records):
            wrong = dkim_record.problem(expected=key.public_key, records=records, name=name)
            return check(FAIL if wrong else PASS, wrong or _strength(key), "\n".join(records))


def _strength(key: Key) -> str:
    found = dkim_keys.bits(key.public_key)
    if not 0 < found < dkim_keys.KEY_BITS:
        return ""
    return f"The key has {found:,} bits; {dkim_keys.KEY_BITS:,} are advised. Change the key when you can."


def old_key(domain: str, selector: str, public_key: str, *, keep: bool, until: datetime) -> Check:
    """The record of the key that signed before: to be kept (`keep`) until letters on their way have arrived."""
    name = f"{selector}._domainkey.{domain}"
    kept, empty = f"v=DKIM1; k=rsa; p={public_key}", "v=DKIM1; p="
    make = partial(Check, "dkim_old", record_name=name, record_type="TXT", required=False)
    answer = resolver.lookup(name, "TXT", fresh=True)
    if isinstance(answer, CouldNotLookUp):
        return make(result=UNKNOWN, detail=f"{name} could not be looked up: {answer.reason}.", expected=kept)
    records = answer.records if isinstance(answer, Found) else ()
    there = dkim_record.problem(expected=public_key, records=records, name=name) is None
    found = "\n".join(records)
    if keep:
        detail = f"Keep it until {until:%d %b %Y}: letters on their way are still checked with it."
        return make(result=PASS if there else FAIL, detail=detail, expected=kept, found=found)
    detail = "Nobody needs it any more. Empty its p=, so that it cannot be misused." if there else ""
    return make(result=FAIL if there else PASS, detail=detail, expected=empty, found=found, weight=Finding.Weight.TELL)


def _missing_key(name: str, domain: str) -> str:
    doubled = resolver.lookup(f"{name}.{domain}", "TXT", fresh=True)
    if isinstance(doubled, Found):
        return f"The record is at {name}.{domain}: your DNS panel adds the domain by itself. Enter the name without it."
    return f"There is no TXT record at {name}. Add it with the value shown here."


def _spf(subject: Subject) -> Check:
    host = subject.return_path_host
    expected = spf_record(subject.ips)
    results = {ip: spf.evaluate(ip=ip, domain=host, dns=_DNS) for ip in subject.ips}
    bad = {ip: result for ip, result in results.items() if result.verdict not in {"pass", "temperror"}}
    lost = {ip: result for ip, result in results.items() if result.verdict == "temperror"}
    sample = next(iter((bad or lost or results).values()))
    detail = "; ".join(_spf_words(ip, host, result) for ip, result in (bad or lost).items()) or _spf_praise(sample)
    return Check("spf", FAIL if bad else UNKNOWN if lost else PASS, host, "TXT", expected, sample.record, detail)


def _spf_words(ip: str, host: str, result: spf.Result) -> str:
    if result.detail:
        return result.detail
    if result.verdict == "none":
        return f"{host} has no SPF record. Add it with the value shown here."
    return f"The SPF record of {host} does not allow {ip} ({result.verdict}). Put ip{_version(ip)}:{ip} into it."


def _spf_praise(result: spf.Result) -> str:
    return " ".join([f"{result.lookups} of {spf.MOST_LOOKUPS} DNS look-ups used.", *result.warnings])


def spf_record(ips: Sequence[str]) -> str:
    """The SPF record that allows our own addresses and nobody else."""
    return " ".join(["v=spf1", *(f"ip{_version(ip)}:{ip}" for ip in ips), "-all"])


def _dmarc(subject: Subject) -> Check:
    def check(result: str, detail: str, found: str = "", at: str = subject.name) -> Check:
        expected = "v=DMARC1; p=none (or quarantine, reject)"
        return Check("dmarc", result, f"_dmarc.{at}", "TXT", expected, found, detail)

    try:
        policy = dmarc.find(subject.name, _txt)
    except spf.Unknown as error:
        return check(UNKNOWN, str(error))
    except dmarc.Wrong as error:
        return check(FAIL, str(error))
    if policy is None:
        return check(
            FAIL, f"Neither {subject.name} nor a domain above it has a DMARC record. Add the value shown here."
        )
    return check(PASS, " ".join(policy.warnings), policy.record, policy.name)


def _return_path(subject: Subject) -> Check:
    host, inbound = subject.return_path_host, subject.inbound_host

    def check(result: str, detail: str, found: str = "") -> Check:
        return Check("return_path", result, host, "MX", f"10 {inbound}", found, detail)

    match resolver.lookup(host, "MX", fresh=True):
        case CouldNotLookUp(reason):
            return check(UNKNOWN, f"The MX record of {host} could not be looked up: {reason}.")
        case NotFound():
            return check(FAIL, f"{host} has no MX record, so bounces do not come back to us. Add the value shown here.")
        case Found(records):
            hosts = [record.partition(" ")[2] for record in records]
            return check(*_leads_to(hosts, inbound, host), found="\n".join(records))


def _leads_to(hosts: Sequence[str], inbound: str, host: str) -> tuple[str, str]:
    if inbound in hosts:
        return PASS, ""
    ours = resolver.addresses(inbound, fresh=True)
    theirs = [resolver.addresses(name, fresh=True) for name in hosts]
    known = {address for answer in theirs if isinstance(answer, list) for address in answer}
    if isinstance(ours, list) and known & set(ours):
        return PASS, ""
    if isinstance(ours, CouldNotLookUp) or any(isinstance(answer, CouldNotLookUp) for answer in theirs):
        return UNKNOWN, f"Where the MX record of {host} leads could not be looked up."
    return FAIL, f"The MX record of {host} leads to {', '.join(hosts)}, so bounces do not come back to {inbound}."


def _soa(name: str, domain: str) -> Check:
    """Yahoo refuses senders whose domains have no SOA record; it may be at the domain or above, within its owner's."""
    top = registrable(domain)
    at = domain
    while True:
        answer = resolver.lookup(at, "SOA", fresh=True)
        if isinstance(answer, Found):
            return Check(name, PASS, at, "SOA", "", answer.records[0])
        if isinstance(answer, CouldNotLookUp):
            return Check(name, UNKNOWN, at, "SOA", detail=f"The SOA record of {at} could not be looked up.")
        if at == top or "." not in at:
            detail = f"Neither {domain} nor {top} has an SOA record: the domain is not set up in DNS."
            return Check(name, FAIL, domain, "SOA", detail=detail)
        at = at.partition(".")[2]


def _replies(subject: Subject) -> Check:
    """People answer newsletters: the From domain should be able to take mail."""

    def check(result: str, detail: str = "", found: str = "") -> Check:
        return Check("replies", result, subject.name, "MX", "", found, detail, required=False)

    match resolver.lookup(subject.name, "MX", fresh=True):
        case CouldNotLookUp(reason):
            return check(UNKNOWN, f"The MX record of {subject.name} could not be looked up: {reason}.")
        case NotFound():
            return check(FAIL, f"{subject.name} takes no mail, so answers to newsletters are lost. Add an MX record.")
        case Found(records):
            null = all(record.endswith(" .") for record in records)
            detail = f"{subject.name} says that it takes no mail (null MX); some receivers refuse such senders."
            return check(FAIL, detail, records[0]) if null else check(PASS, found="\n".join(records))


def _alignment(subject: Subject) -> Check:
    """DKIM aligns by itself: we sign as the From domain. SPF aligns when the return path is of the same organisation.

    Receivers find the organisation by walking up the tree, older ones by a list of public suffixes: both have to agree.
    """
    name, host = subject.name, subject.return_path_host

    def check(result: str, detail: str = "") -> Check:
        return Check("alignment", result, detail=detail, found=host, required=False)

    try:
        policy = dmarc.find(name, _txt)
        relaxed = policy is None or policy.relaxed_spf
        walked = dmarc.aligned(name, host, relaxed=relaxed, organisation=lambda of: dmarc.organisation(of, _txt))
    except spf.Unknown as error:
        return check(UNKNOWN, str(error))
    except dmarc.Wrong:
        relaxed, walked = True, True  # said at DMARC itself
    listed = dmarc.aligned(name, host, relaxed=relaxed, organisation=registrable)
    if walked and listed:
        return check(PASS)
    if not relaxed:
        detail = f"DMARC says aspf=s, and bounces go to {host}: SPF does not count for DMARC, only DKIM does."
        return check(FAIL, detail)
    where = f"which is not under {registrable(name)}" if not listed else "whose organisation is another one by DMARC"
    return check(FAIL, f"Bounces go to {host}, {where}: SPF does not count for DMARC, only DKIM does.")


# --- a sending address


def _ptr(ip: str, ehlo_name: str) -> Check:
    name = dns.reversename.from_address(ip).to_text(omit_final_dot=True)

    def check(result: str, detail: str = "", found: str = "") -> Check:
        return Check("ptr", result, name, "PTR", ehlo_name, found, detail)

    match resolver.reverse(ip, fresh=True):
        case CouldNotLookUp(reason):
            return check(UNKNOWN, f"The reverse name of {ip} could not be looked up: {reason}.")
        case NotFound():
            return check(FAIL, f"{ip} has no reverse name (PTR). Ask whoever gave you the address to set it.")
        case Found(names):
            return check(PASS, _ptr_advice(ip, names, ehlo_name), "\n".join(names))


def _ptr_advice(ip: str, names: Sequence[str], ehlo_name: str) -> str:
    advice = []
    if ehlo_name not in names:
        advice.append(f"The reverse name is not the name we say hello with ({ehlo_name}); they should be the same.")
    if len(names) > 1:
        advice.append(f"{ip} has {len(names)} reverse names; one is expected.")
    if any(_is_generic(name, ip) for name in names):
        advice.append("The reverse name looks like one a provider hands out to everybody; some receivers refuse those.")
    return " ".join(advice)


def _is_generic(name: str, ip: str) -> bool:
    numbers = ip.replace(":", ".").split(".")
    looks = ("-".join(numbers), ".".join(numbers), "-".join(reversed(numbers)))
    first = name.split(".")[0]
    return any(look in name for look in looks) or any(word in first for word in ("dyn", "pool", "dhcp", "static-ip"))


def _forward(ip: str) -> Check:
    """Forward-confirmed: one of the reverse names leads back to the address."""
    reverse = resolver.reverse(ip, fresh=True)
    if isinstance(reverse, CouldNotLookUp):
        return Check(
            "forward", UNKNOWN, ip, "PTR", ip, detail=f"The reverse name could not be looked up: {reverse.reason}."
        )
    names = reverse.records if isinstance(reverse, Found) else ()
    return _leads_back("forward", names, ip, f"No reverse name of {ip} leads back to it. Add an address record there.")


def _ehlo(ip: str, ehlo_name: str) -> Check:
    detail = f"The name we say hello with, {ehlo_name}, does not lead to {ip}. Add an address record there."
    return _leads_back("ehlo", [ehlo_name], ip, detail)


def _leads_back(check: str, names: Sequence[str], ip: str, detail: str) -> Check:
    answers = [resolver.addresses(name, fresh=True) for name in names]
    known = {address for answer in answers if isinstance(answer, list) for address in answer}
    record_type = "A" if _version(ip) == 4 else "AAAA"
    where, found = " ".join(names), "\n".join(sorted(known))
    if str(ipaddress.ip_address(ip)) in known:
        return Check(check, PASS, where, record_type, ip, found)
    if any(isinstance(answer, CouldNotLookUp) for answer in answers):
        return Check(check, UNKNOWN, where, record_type, ip, found, f"The addresses of {where} could not be looked up.")
    return Check(check, FAIL, where, record_type, ip, found, detail)


# --- DNS as the pure parts want it


def _txt(name: str) -> Sequence[str]:
    return _records(name, "TXT")


def _mx(name: str) -> Sequence[str]:
    return [host for record in _records(name, "MX") if (host := record.partition(" ")[2]) != "."]


def _addresses(name: str) -> Sequence[str]:
    answer = resolver.addresses(name, fresh=True)
    if isinstance(answer, CouldNotLookUp):
        raise spf.Unknown(f"The addresses of {name} could not be looked up: {answer.reason}.")
    return answer


def _records(name: str, record_type: str) -> Sequence[str]:
    answer = resolver.lookup(name, record_type, fresh=True)
    if isinstance(answer, CouldNotLookUp):
        raise spf.Unknown(f"{name} ({record_type}) could not be looked up: {answer.reason}.")
    return answer.records if isinstance(answer, Found) else ()


_DNS = spf.Dns(txt=_txt, addresses=_addresses, mx=_mx)


def _version(ip: str) -> int:
    return ipaddress.ip_address(ip).version
