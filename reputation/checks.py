"""Data files are right, or the start says which row is not."""

from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from reputation import blocklists
from reputation.catalogue import catalogue
from reputation.plans import presets
from reputation.pure.blocklists import BlocklistError
from reputation.pure.catalogue import CatalogueError
from reputation.pure.replies import RuleError, packaged_rules, strangers


@register()
def data_files(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """The provider catalogue (reputation.E001), the warm-up presets (E002), the reply rules (E003) and the
    blocklists (E004).
    """
    return [
        *_problems("reputation.E001", "providers.toml", catalogue),
        *_problems("reputation.E002", "warmup.toml", presets),
        *_problems("reputation.E003", "replies.toml", _rules),
        *_problems("reputation.E004", "blocklists.toml", _lists),
    ]


def _rules() -> None:
    try:
        rules = packaged_rules()
    except RuleError as error:
        raise CatalogueError([str(error)]) from None
    try:
        providers = catalogue().providers
    except CatalogueError:
        return  # said already
    if strange := strangers(rules, providers):
        raise CatalogueError(strange)


def _lists() -> None:
    try:
        known = blocklists.known()
    except BlocklistError as error:
        raise CatalogueError([str(error)]) from None
    unknown = set(settings.DNSBL_LISTS) - {*known, blocklists.ALL, blocklists.NONE}
    if unknown:
        named = ", ".join(known)
        raise CatalogueError([f"DNSBL_LISTS names {', '.join(sorted(unknown))}; there are all, none, {named}."])


def _problems(id: str, file: str, read: Any) -> list[CheckMessage]:
    try:
        read()
    except CatalogueError as error:
        return [Error(problem, hint=f"Correct reputation/{file}.", id=id) for problem in error.problems]
    return []
