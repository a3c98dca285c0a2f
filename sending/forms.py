"""What people type on the pages of routes and pools."""

import ipaddress
import json
from typing import Any

from django import forms
from django.conf import settings

from reputation.models import SendingAddress
from sending.models import Pool, Route
from sending.relay import RelayTransport, transport
from sending.try_relay import PATIENCE

PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
# Providers that django-anymail can hand mail to, and the settings each needs.
ESPS = {
    "amazon_ses": ("Amazon SES", "client_params"),
    "brevo": ("Brevo", "api_key"),
    "mailersend": ("MailerSend", "api_token"),
    "mailgun": ("Mailgun", "api_key, sender_domain"),
    "mailjet": ("Mailjet", "api_key, secret_key"),
    "mandrill": ("Mandrill", "api_key"),
    "postmark": ("Postmark", "server_token"),
    "resend": ("Resend", "api_key"),
    "scaleway": ("Scaleway", "secret_key, project_id"),
    "sendgrid": ("SendGrid", "api_key"),
    "sparkpost": ("SparkPost", "api_key"),
    "unisender_go": ("Unisender Go", "api_key, api_url"),
}


class DirectForm(forms.ModelForm[Route]):
    class Meta:
        model = Route
        fields = ["name", "address"]
        labels = {"name": "Name", "address": "IP address it leaves from"}
        help_texts = {"address": "Addresses are added under Sending domains. One route each."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        address = forms.ModelChoiceField(
            queryset=SendingAddress.objects.all(),
            label="IP address it leaves from",
            help_text="Addresses are added under Sending domains. One route each.",
        )
        self.fields["address"] = address

    def clean_address(self) -> SendingAddress:
        address: SendingAddress = self.cleaned_data["address"]
        taken = Route.objects.filter(address=address, kind=Route.Kind.DIRECT).exclude(pk=self.instance.pk).first()
        if taken:
            raise forms.ValidationError(f"The route “{taken.name}” leaves from {address.ip} already.")
        return address


class RelayForm(forms.ModelForm[Route]):
    password = forms.CharField(
        label="Password",
        required=False,
        max_length=500,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    anyway = forms.BooleanField(label="Save it even if the test fails", required=False)

    class Meta:
        model = Route
        fields = ["name", "host", "port", "security", "username"]
        labels = {"host": "Server", "port": "Port", "security": "Encryption", "username": "User name"}
        help_texts = {"port": "Empty: 587 for STARTTLS, 465 for TLS from the start."}
        widgets = {name: forms.TextInput(attrs=PLAIN) for name in ("host", "username")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["host"].required = True
        kept = bool(self.instance.password_sealed)
        hint = "One is kept. Empty leaves it as it is." if kept else "Sealed when it is saved, and never shown again."
        self.fields["password"].help_text = hint
        self.fields["port"] = forms.IntegerField(
            label="Port", required=False, min_value=1, max_value=65535, help_text=self.Meta.help_texts["port"]
        )

    def clean_host(self) -> str:
        host = str(self.cleaned_data["host"]).strip().lower()
        if "/" in host or "@" in host or " " in host:
            raise forms.ValidationError("Only the server’s name, such as smtp.example.com: no https://, no path.")
        return host

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("security") == Route.Security.NONE and not _is_here(cleaned.get("host", "")):
            self.add_error("security", "Without encryption only a server on this machine may be used.")
        if cleaned.get("username") and not (cleaned.get("password") or self.instance.password_sealed):
            self.add_error("password", "A user name needs a password.")
        if cleaned.get("password") and not cleaned.get("username"):
            self.add_error("username", "A password needs a user name.")
        return cleaned

    def transport(self) -> RelayTransport:
        """The way out as it would be once saved. Raises CouldNotOpen when the kept password does not open."""
        password = self.cleaned_data["password"]
        if not password and self.instance.pk and self.instance.username:
            password = transport(self.instance, patience=PATIENCE).password
        return RelayTransport(
            name=self.cleaned_data["name"],
            host=self.cleaned_data["host"],
            port=self.cleaned_data["port"] or {"tls": 465, "none": 25}.get(self.cleaned_data["security"], 587),
            security=self.cleaned_data["security"],
            username=self.cleaned_data["username"],
            password=password,
            ehlo_name=settings.ALLOWED_HOSTS[0] or "localhost",
            lab=settings.LAB,
            patience=PATIENCE,
        )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class EspForm(forms.ModelForm[Route]):
    settings = forms.CharField(
        label="Settings, as JSON",
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={**PLAIN, "rows": 4, "class": "form-control lp-mono"}),
    )
    webhook_secret = forms.CharField(
        label="Secret of the webhook",
        required=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = Route
        fields = ["name", "esp"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [(key, name) for key, (name, _) in ESPS.items()]
        self.fields["esp"] = forms.ChoiceField(label="Provider", choices=names)
        keeps = bool(self.instance.settings_sealed)
        self.fields["settings"].required = not keeps
        self.fields["settings"].help_text = (
            "Settings are kept. Empty leaves them as they are."
            if keeps
            else 'Such as {"api_key": "…"}. Sealed when saved, and never shown again.'
        )
        self.fields["webhook_secret"].help_text = (
            "One is kept. Empty leaves it as it is."
            if self.instance.webhook_secret_sealed
            else "Without one, the provider’s reports on bounces and complaints are refused."
        )

    def clean_settings(self) -> str:
        text = str(self.cleaned_data["settings"]).strip()
        if not text:
            return ""
        try:
            read = json.loads(text)
        except ValueError as error:
            raise forms.ValidationError(f"This is not JSON: {error}.") from None
        if not isinstance(read, dict) or not read:
            raise forms.ValidationError('Settings are names and values in braces, such as {"api_key": "…"}.')
        return text

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        needed = ESPS.get(cleaned.get("esp", ""), ("", ""))[1].split(", ")
        given = json.loads(cleaned["settings"]) if cleaned.get("settings") else None
        missing = [name for name in needed if given is not None and not given.get(name)]
        if missing:
            self.add_error("settings", f"{ESPS[cleaned['esp']][0]} needs {', '.join(missing)}.")
        return cleaned


FORMS: dict[str, type[DirectForm] | type[RelayForm] | type[EspForm]] = {
    Route.Kind.DIRECT: DirectForm,
    Route.Kind.RELAY: RelayForm,
    Route.Kind.ESP: EspForm,
}


class PoolForm(forms.ModelForm[Pool]):
    """A pool and, for each route, its place in the order; no place: not in it."""

    class Meta:
        model = Pool
        fields = ["name", "overflow"]
        labels = {"overflow": "The next route may take what the first can’t"}
        help_texts = {"overflow": "Receivers then see mail from more than one address. Off: mail waits for its route."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.routes = list(Route.objects.all())
        places = dict(self.instance.members.values_list("route", "position")) if self.instance.pk else {}
        for route in self.routes:
            self.fields[f"place_{route.pk}"] = forms.IntegerField(
                label=route.name,
                required=False,
                min_value=1,
                max_value=999,
                initial=places.get(route.pk),
                widget=forms.NumberInput(attrs={"class": "form-control lp-small-input"}),
            )

    def place_fields(self) -> list[tuple[Route, forms.BoundField]]:
        return [(route, self[f"place_{route.pk}"]) for route in self.routes]

    def route_ids(self) -> list[int]:
        """In order; equal places by name."""
        places = [(self.cleaned_data.get(f"place_{route.pk}"), route) for route in self.routes]
        chosen = sorted(((place, route.name, route.pk) for place, route in places if place))
        return [pk for _, _, pk in chosen]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not self.route_ids():
            raise forms.ValidationError("Give at least one route a place: a pool without routes sends nothing.")
        return cleaned


class StopForm(forms.Form):
    reason = forms.CharField(label="Why", max_length=150, help_text="Everybody who signs in sees it on every page.")

