"""The keyed hash of an address, with this installation's pepper."""

from uuid import UUID

from django.conf import settings

from audiences.pure import addresses


def key_of(email: str) -> UUID:
    """The key that suppressions and deliveries know this address by. Raises BadAddress."""
    return addresses.address_key(addresses.normalise(email), settings.PEPPER)
