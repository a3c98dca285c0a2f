"""The provider catalogue of this installation, read once."""

import ipaddress
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from publicsuffixlist import PublicSuffixList

from reputation.pure.catalogue import Catalogue, load

FILE = Path(__file__).with_name("providers.toml")


@cache
def catalogue() -> Catalogue:
    """The rows of providers.toml. Raises pure.catalogue.CatalogueError; the system check has said so at start."""
    return load(FILE.read_text(encoding="utf-8"))


def provider_of(mx_hosts: Iterable[str], domain: str) -> str:
    """The provider key of a domain by its MX hosts."""
    return catalogue().match(mx_hosts, domain, registrable=registrable)


def registrable(host: str) -> str:
    """The part of a host name that somebody registered: `mx1.mail.example.co.uk` → `example.co.uk`.

    By the ICANN section of the Public Suffix List as bundled with the library; an address or a bare suffix is itself.
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return _suffixes().privatesuffix(host) or host


@cache
def _suffixes() -> PublicSuffixList:
    # Without the private section: mail hosts under amazonaws.com are Amazon's, however their owner lists them.
    return PublicSuffixList(only_icann=True)
