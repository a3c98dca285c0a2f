"""What people type on the pages of routes and pools."""

import ipaddress
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from reputation.forms import ReasonForm
from reputation.models import SendingAddress
from reputation.pure.reactions import TITLES
from sending import decisions
from sending.esp.catalogue import ESPS
from sending.models import Pool, Route
from sending.relay import RelayTransport, transport
from sending.try_relay import PATIENCE

PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


class DirectForm(forms.ModelForm[Route]):
    class Meta:
        model = Route
        fields = ["name", "address"]
        labels = {"name": _("Name"), "address": _("IP address it leaves from")}
        help_texts = {"address": _("Addresses are added under Sending domains. One route each.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        address = forms.ModelChoiceField(
            queryset=SendingAddress.objects.all(),
            label=_("IP address it leaves from"),
            help_text=_("Addresses are added under Sending domains. One route each."),
        )
        self.fields["address"] = address

    def clean_address(self) -> SendingAddress:
        address: SendingAddress = self.cleaned_data["address"]
        taken = Route.objects.filter(address=address, kind=Route.Kind.DIRECT).exclude(pk=self.instance.pk).first()
        if taken:
            raise forms.ValidationError(
                _("The route “%(name)s” leaves from %(ip)s already.") % {"name": taken.name, "ip": address.ip}
            )
        return address


class RelayForm(forms.ModelForm[Route]):
    password = forms.CharField(
        label=_("Password"),
        required=False,
        max_length=500,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    anyway = forms.BooleanField(label=_("Save it even if the test fails"), required=False)

    class Meta:
        model = Route
        fields = ["name", "host", "port", "security", "username"]
        labels = {
            "name": _("Name"),
            "host": _("Server"),
            "port": _("Port"),
            "security": _("Encryption"),
            "username": _("User name"),
        }
        help_texts = {"port": _("Empty: 587 for STARTTLS, 465 for TLS from the start.")}
        widgets = {name: forms.TextInput(attrs=PLAIN) for name in ("host", "username")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["host"].required = True
        kept = bool(self.instance.password_sealed)
        new, old = _("Sealed when it is saved, and never shown again."), _("One is kept. Empty leaves it as it is.")
        self.fields["password"].help_text = old if kept else new
        self.fields["port"] = forms.IntegerField(
            label=_("Port"), required=False, min_value=1, max_value=65535, help_text=self.Meta.help_texts["port"]
        )

    def clean_host(self) -> str:
        host = str(self.cleaned_data["host"]).strip().lower()
        if "/" in host or "@" in host or " " in host:
            raise forms.ValidationError(_("Only the server’s name, such as smtp.example.com: no https://, no path."))
        return host

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("security") == Route.Security.NONE and not _is_here(cleaned.get("host", "")):
            self.add_error("security", _("Without encryption only a server on this machine may be used."))
        if cleaned.get("username") and not (cleaned.get("password") or self.instance.password_sealed):
            self.add_error("password", _("A user name needs a password."))
        if cleaned.get("password") and not cleaned.get("username"):
            self.add_error("username", _("A password needs a user name."))
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
    """An account at the provider that the route's `esp` names, a field for each of its settings."""

    class Meta:
        model = Route
        fields = ["name"]
        labels = {"name": _("Name")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.esp = ESPS[self.instance.esp]
        kept = bool(self.instance.settings_sealed)
        for key in (*self.esp.needs, *self.esp.takes):
            self.fields[f"setting_{key}"] = forms.CharField(
                label=key.replace("_", " ").capitalize().replace("Api", "API"),
                required=key in self.esp.needs and not kept,
                max_length=1999,
                widget=_secret_input() if key in self.esp.needs else forms.TextInput(attrs=PLAIN),
                help_text="Empty leaves it as it is." if kept else "",
            )
        self.fields["webhook_secret"] = forms.CharField(
            label=_("Secret of the webhook"),
            required=False,
            max_length=200,
            widget=_secret_input(),
            help_text=self._about_the_secret(),
        )

    def _about_the_secret(self) -> str:
        if self.instance.webhook_secret_sealed:
            return "One is kept. Empty leaves it as it is."
        what = "The signing key from its site" if self.esp.signed_by else "Your choice, as name:password"
        return f"{what}. Without one, its reports on bounces and complaints are refused."

    def setting_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("setting_")]

    def settings(self) -> dict[str, str]:
        """What was filled in, by the names anymail knows."""
        named = ((name.removeprefix("setting_"), value) for name, value in self.cleaned_data.items() if value)
        return {name: value for name, value in named if name in (*self.esp.needs, *self.esp.takes)}


def _secret_input() -> forms.PasswordInput:
    return forms.PasswordInput(attrs={"autocomplete": "new-password"})


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
        labels = {"name": _("Name"), "overflow": _("The next route may take what the first can’t")}
        help_texts = {
            "overflow": _("Receivers then see mail from more than one address. Off: mail waits for its route.")
        }

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
            raise forms.ValidationError(_("Give at least one route a place: a pool without routes sends nothing."))
        return cleaned


class StopForm(forms.Form):
    reason = forms.CharField(
        label=_("Why"), max_length=150, help_text=_("Everybody who signs in sees it on every page.")
    )


class MeaningForm(ReasonForm):
    """What a receiver's words mean."""

    field_order = ["meaning", "everywhere", "reason"]

    meaning = forms.ChoiceField(
        label=_("What it means"),
        choices=[("", _("Choose…")), *((name, _(TITLES[name])) for name in decisions.CLASSES)],
        help_text=_("What follows from each is told below."),
    )
    everywhere = forms.BooleanField(label=_("Also when another provider says it"), required=False)


class StormForm(ReasonForm):
    """Whether a receiver that refused many mailboxes at once is believed."""

    BELIEVED, DISMISSED = "believed", "dismissed"
    field_order = ["verdict", "reason"]

    verdict = forms.ChoiceField(
        label=_("Is it true?"),
        widget=forms.RadioSelect,
        choices=[
            (DISMISSED, _("No, the receiver was ill: nobody is suppressed")),
            (BELIEVED, _("Yes, these mailboxes are gone: suppress them")),
        ],
    )
