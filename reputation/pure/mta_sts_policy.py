"""An MTA-STS policy (RFC 8461, section 3.2): which hosts take a domain's mail, and whether TLS is demanded."""

from collections.abc import Sequence
from dataclasses import dataclass

from words.typed import is_whole

LARGEST = 64 * 1024
MODES = ("enforce", "testing", "none")
LONGEST_SECONDS = 31_557_600


@dataclass(frozen=True, slots=True)
class Policy:
    mode: str
    hosts: tuple[str, ...]
    max_age: int


class Wrong(Exception):
    """No such policy; says what is wrong, in a sentence."""


def read(text: str) -> Policy:
    """The policy in a file. Raises Wrong."""
    pairs = [line.partition(":") for line in text.splitlines() if line.strip()]
    values = {key.strip().lower(): value.strip() for key, _, value in reversed(pairs)}
    hosts = tuple(value.strip().lower().rstrip(".") for key, _, value in pairs if key.strip().lower() == "mx")
    if values.get("version") != "STSv1":
        raise Wrong("The policy does not say version: STSv1.")
    mode, age = values.get("mode", ""), values.get("max_age", "")
    if mode not in MODES:
        raise Wrong(f"The policy's mode is “{mode[:20]}”; it has to be enforce, testing or none.")
    if not is_whole(age, digits=10) or int(age) > LONGEST_SECONDS:
        raise Wrong(f"The policy's max_age is “{age[:20]}”; it has to be seconds, at most a year.")
    if mode != "none" and not hosts:
        raise Wrong("The policy names no mx: nobody could deliver.")
    return Policy(mode, hosts, int(age))


def not_covered(policy: Policy, mx_hosts: Sequence[str]) -> list[str]:
    """The MX hosts that no line of the policy allows: mail to them is held back where it is enforced."""
    return [host for host in mx_hosts if not any(_fits(host.lower().rstrip("."), name) for name in policy.hosts)]


def _fits(host: str, name: str) -> bool:
    """`*.example.com` stands for one label, and only the first."""
    return host.partition(".")[2] == name[2:] if name.startswith("*.") else host == name
