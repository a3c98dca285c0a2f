"""What people type on the pages of domains, addresses, limits, warm-up and settings."""

from typing import Any
from zoneinfo import available_timezones

import idna
from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from reputation import plans
from reputation.budgets import ALL, LIMITS
from reputation.catalogue import catalogue
from reputation.models import Budget, SendingAddress, SendingDomain, WarmupPlan, Workspace

PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
SCOPE_KINDS = [kind for kind in Budget.Kind.choices if kind[0] != Budget.Kind.RECIPIENT_DOMAIN]


def host_name(text: str) -> str:
    """A host name in A-label form, lower case. Raises ValidationError with what is wrong."""
    plain = text.strip().rstrip(".").lower()
    if "@" in plain or "/" in plain or ":" in plain:
        raise forms.ValidationError(_("Only the name itself, such as news.example.com: no @, no https://, no path."))
    try:
        encoded = idna.encode(plain, uts46=True, std3_rules=True).decode()
    except idna.IDNAError:
        raise forms.ValidationError(_("This is no host name. It should look like news.example.com.")) from None
    if "." not in encoded:
        raise forms.ValidationError(_("This name has no dot in it. It should look like news.example.com."))
    return encoded


class DomainForm(forms.ModelForm[SendingDomain]):
    class Meta:
        model = SendingDomain
        fields = ["name", "return_path_host"]
        labels = {"name": _("Domain of your From addresses"), "return_path_host": _("Host that bounces come back to")}
        help_texts = {
            "name": _(
                "A part of your domain for newsletters, such as news.example.com, keeps its name apart from your "
                "office mail."
            ),
            "return_path_host": _(
                "Empty takes bounce. in front of the domain. It needs records of its own, shown next."
            ),
        }
        widgets = {name: forms.TextInput(attrs=PLAIN) for name in ("name", "return_path_host")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["return_path_host"].required = False

    def clean_name(self) -> str:
        return host_name(self.cleaned_data["name"])

    def clean_return_path_host(self) -> str:
        given = self.cleaned_data["return_path_host"] or f"bounce.{self.cleaned_data.get('name', '')}"
        return host_name(given)


class AddressForm(forms.ModelForm[SendingAddress]):
    class Meta:
        model = SendingAddress
        fields = ["ip", "ehlo_name", "egress_host"]
        labels = {"ip": _("IP address"), "ehlo_name": _("Name we say hello with (EHLO)"), "egress_host": _("Machine")}
        help_texts = {
            "ip": _("An address of the machine that sends. Receivers remember what comes from it."),
            "ehlo_name": _("A name that leads to this address, and back: out1.news.example.com."),
            "egress_host": _("EGRESS_HOST of the machine that has this address; main where there is only one."),
        }
        widgets = {name: forms.TextInput(attrs=PLAIN) for name in ("ip", "ehlo_name", "egress_host")}

    def clean_ehlo_name(self) -> str:
        return host_name(self.cleaned_data["ehlo_name"])


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Why"), max_length=300, help_text=_("Kept with who and when."))


class LimitsForm(ReasonForm):
    """A budget's own limits; an empty one falls back to the catalogue."""

    field_order = [*LIMITS, "reason"]
    all_optional = True

    per_minute = forms.IntegerField(label=_("Messages a minute"), required=False, min_value=1)
    per_hour = forms.IntegerField(label=_("Messages an hour"), required=False, min_value=1)
    per_day = forms.IntegerField(label=_("Messages a day"), required=False, min_value=1)
    connections = forms.IntegerField(label=_("Connections at once"), required=False, min_value=1, max_value=500)
    per_connection = forms.IntegerField(label=_("Messages a connection"), required=False, min_value=1)
    batch_size = forms.IntegerField(label=_("Messages a batch"), required=False, min_value=1)
    batch_pause = forms.FloatField(label=_("Seconds between batches"), required=False, min_value=0, max_value=3600)

    def limits(self) -> dict[str, float | None]:
        return {name: self.cleaned_data[name] for name in LIMITS}


HOLDS = [
    ("", _("Until somebody releases it")),
    ("1", _("1 hour")),
    ("4", _("4 hours")),
    ("24", _("1 day")),
    ("72", _("3 days")),
]


class HoldForm(ReasonForm):
    field_order = ["hours", "reason"]
    all_optional = True

    hours = forms.TypedChoiceField(label=_("For how long"), choices=HOLDS, coerce=int, required=False, empty_value=None)


class ProviderForm(forms.Form):
    """One provider of the catalogue, to see or set what a scope may spend there."""

    provider = forms.ChoiceField(label=_("Provider"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = sorted(catalogue().providers.values(), key=lambda row: row.name.lower())
        named = [(row.key, row.name) for row in rows]
        self.fields["provider"].choices = [(ALL, _("All providers together")), *named]  # type: ignore[attr-defined]


class PlanForm(forms.Form):
    name = forms.CharField(label=_("Name of the plan"), max_length=80)
    preset = forms.ChoiceField(label=_("Begin with"), widget=forms.RadioSelect)
    skips_weekends = forms.BooleanField(
        label=_("Skip weekends"),
        required=False,
        help_text=_(
            "On Saturdays and Sundays only confirmations and the like leave, and the warm-up stays on its day."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["preset"].choices = [  # type: ignore[attr-defined]
            (key, f"{preset.name}. {preset.about}") for key, preset in plans.presets().items()
        ]

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if WarmupPlan.objects.filter(name=name).exists():
            raise forms.ValidationError(_("There is a plan of this name already."))
        return name


class SeriesForm(forms.Form):
    """A provider's caps, a field a day."""

    def __init__(self, *args: Any, series: list[int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.series = series
        for day, cap in enumerate(series, 1):
            self.fields[f"day_{day}"] = forms.IntegerField(
                label=_("Day %(day)s") % {"day": day}, initial=cap, min_value=1, max_value=1_000_000_000
            )

    def changed(self) -> dict[int, int]:
        """`{day: cap}` of the days that are not as before."""
        caps = {day: self.cleaned_data[f"day_{day}"] for day in range(1, len(self.series) + 1)}
        return {day: cap for day, cap in caps.items() if cap != self.series[day - 1]}


class AttachForm(forms.Form):
    """Which address, domain or account warms up by a plan, and from which of its days on."""

    scope = forms.ChoiceField(label=_("Who warms up"))
    day = forms.IntegerField(
        label=_("Begins on day"),
        initial=1,
        min_value=1,
        max_value=365,
        help_text=_("Later than 1 only for known senders."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scope"].choices = scope_choices()  # type: ignore[attr-defined]

    def kind_and_scope(self) -> tuple[str, str]:
        kind, _, scope = self.cleaned_data["scope"].partition("|")
        return kind, scope


def scope_choices() -> list[tuple[str, str]]:
    """`kind|scope` of all addresses and domains, and of accounts that have sent."""
    ip, domain, account = Budget.Kind.IP, Budget.Kind.DKIM_DOMAIN, Budget.Kind.ACCOUNT
    accounts = Budget.objects.filter(kind=account).order_by("scope").values_list("scope", flat=True).distinct()
    return [
        *(
            (f"{ip}|{row.ip}", _("Address %(ip)s (%(host)s)") % {"ip": row.ip, "host": row.ehlo_name})
            for row in SendingAddress.objects.all()
        ),
        *((f"{domain}|{row.name}", _("Domain %(name)s") % {"name": row.name}) for row in SendingDomain.objects.all()),
        *((f"{account}|{name}", f"Account {name}") for name in accounts),
    ]


class WarmupHoldForm(ReasonForm):
    field_order = ["days", "reason"]

    days = forms.IntegerField(label=_("Days"), initial=1, min_value=1, max_value=60)


class WorkspaceForm(forms.ModelForm[Workspace]):
    language = forms.ChoiceField(
        label=_("Language of recipients’ pages"),
        choices=settings.LANGUAGES,
        help_text=_("Where neither the person nor the list nor the browser says another."),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=lambda: [(name, name) for name in sorted(available_timezones())],
        help_text=_("Days of limits and warm-up begin and end here, and all times on pages are in it."),
    )

    class Meta:
        model = Workspace
        fields = [
            "name",
            "postal_address",
            "time_zone",
            "language",
            "undo_seconds",
            "missed_grace_minutes",
            "reply_forward_to",
            "track_opens",
            "track_clicks",
            "totals_only",
            "writes_to_canada",
            "second_person_sends",
            "second_factor_required",
            "masks_addresses",
        ]
        labels = {
            "name": _("Name of the sender"),
            "postal_address": _("Postal address"),
            "undo_seconds": _("Undo window, seconds"),
            "missed_grace_minutes": _("A late campaign still starts within, minutes"),
            "reply_forward_to": _("Answers to letters are forwarded to"),
            "track_opens": _("Count opens"),
            "track_clicks": _("Count clicks"),
            "totals_only": _("Count opens and clicks without names"),
            "writes_to_canada": _("We write to people in Canada"),
            "second_person_sends": _("Only approvers and admins send"),
            "second_factor_required": _("Everybody needs a second factor"),
            "masks_addresses": _("Viewers see masked e-mail addresses"),
        }
        help_texts = {
            "name": _("Recipients see it on their pages."),
            "postal_address": _("Stands at the foot of every letter; the law asks for it in most countries."),
            "undo_seconds": _("After “Send”, nothing leaves for so long. 0 to 120."),
            "missed_grace_minutes": _(
                "If the system was down at the time, a campaign later than this asks what to do."
            ),
            "reply_forward_to": _("Empty: answers are kept and counted, nobody gets them."),
            "track_opens": _("A tiny picture in each letter. From the next launch on."),
            "track_clicks": _("Links lead through this system. From the next launch on."),
            "totals_only": _(
                "Reports say how many, and nobody can look up who: it is not kept. So nobody can be written to because "
                "they did or did not click. From the next launch on."
            ),
            "writes_to_canada": _(
                "Whoever did not agree is left out two years after they bought, six months after they asked."
            ),
            "second_person_sends": _("Marketers prepare campaigns, and an approver sends them."),
            "second_factor_required": _("A passkey or an authenticator app, set up at the next sign-in."),
            "masks_addresses": _(
                "On every page, as j•••@e•••.org with a mark that tells people apart. They find somebody by the whole "
                "address only, and take no files away. From now on."
            ),
        }
        widgets = {"postal_address": forms.Textarea(attrs={"rows": 3})}

    def clean_undo_seconds(self) -> int:
        seconds = int(self.cleaned_data["undo_seconds"])
        if seconds > 120:
            raise forms.ValidationError(_("The undo window is two minutes (120 seconds) at most."))
        return seconds
