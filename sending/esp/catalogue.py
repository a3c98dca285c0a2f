"""The providers that a route may stand for: those that keep our header lines and give our reference back in webhooks.

Without the first, one-click unsubscription would be lost; without the second, nobody would know whose bounce it is.
"""

from dataclasses import dataclass, field
from typing import Any

from django.utils.module_loading import import_string


@dataclass(frozen=True, slots=True, kw_only=True)
class Esp:
    """`needs` and `takes` are anymail's names of settings; `signed_by` is the one that checks a webhook's signature."""

    name: str
    title: str
    webhook: str
    needs: tuple[str, ...]
    takes: tuple[str, ...] = ()
    signed_by: str = ""
    # Header lines that make it keep our Message-ID; None where it makes one of its own whatever we say.
    keeps_message_id: dict[str, str] | None = None
    can_leave_links_alone: bool = True
    values: dict[str, Any] = field(default_factory=dict)

    def backend(self, **settings: Any) -> Any:
        """An instance of anymail's backend. Raises ImproperlyConfigured for settings that it can't work with."""
        return import_string(f"anymail.backends.{self.name}.EmailBackend")(**self.values, **settings)

    def webhook_view(self, secret: str) -> Any:
        """An instance of anymail's view for tracking events that takes calls with this secret only."""
        view = import_string(f"anymail.webhooks.{self.name}.{self.webhook}")
        if self.signed_by:
            return view(webhook_secret=[], **{self.signed_by: secret, "api_key": secret})
        return view(webhook_secret=[secret])


ESPS = {
    esp.name: esp
    for esp in (
        Esp(
            name="postmark",
            title="Postmark",
            webhook="PostmarkTrackingWebhookView",
            needs=("server_token",),
            takes=("message_stream", "api_url"),
            keeps_message_id={"X-PM-KeepID": "true"},
        ),
        Esp(
            name="mailgun",
            title="Mailgun",
            webhook="MailgunTrackingWebhookView",
            needs=("api_key",),
            takes=("sender_domain", "api_url"),
            signed_by="webhook_signing_key",
            keeps_message_id={},
        ),
        Esp(
            name="sparkpost",
            title="SparkPost",
            webhook="SparkPostTrackingWebhookView",
            needs=("api_key",),
            takes=("subaccount", "api_url"),
        ),
        Esp(
            name="mailjet",
            title="Mailjet",
            webhook="MailjetTrackingWebhookView",
            needs=("api_key", "secret_key"),
            takes=("api_url",),
        ),
        Esp(
            name="brevo",
            title="Brevo",
            webhook="BrevoTrackingWebhookView",
            needs=("api_key",),
            takes=("api_url",),
            can_leave_links_alone=False,
        ),
    )
}
