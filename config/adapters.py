"""How signing in (django-allauth) fits in here: nobody signs up alone, and second factors are sealed at rest."""

from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.http import HttpRequest

from reputation.sealed import seal, unseal
from reputation.workspace import workspace

ABOUT = "second factor"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """People come in by invitation only (`config.team.inviting`)."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """What proves a second factor is kept under the seal keys, never in plain."""

    def encrypt(self, text: str) -> str:
        return seal(text, about=ABOUT).hex()

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(bytes.fromhex(encrypted_text), about=ABOUT)

    def get_totp_issuer(self) -> str:
        return f"Letterpace ({workspace().name})"

    def get_public_key_credential_rp_entity(self) -> dict[str, Any]:
        return {"id": urlsplit(settings.PUBLIC_URL).hostname, "name": "Letterpace"}
