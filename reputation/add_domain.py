"""A new sending domain: its row and its first signing key, together."""

from datetime import datetime

from django.db import transaction

from reputation import dkim_keys
from reputation.models import SendingDomain


def add_domain(*, now: datetime, name: str, return_path_host: str) -> SendingDomain:
    """The domain with a key to publish. It sends nothing before its records were seen. Names in A-label form."""
    with transaction.atomic():
        domain = SendingDomain.objects.create(name=name, return_path_host=return_path_host)
        dkim_keys.make(now=now, domain=domain)
        return domain
