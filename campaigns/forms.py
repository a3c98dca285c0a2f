"""What people type on the pages of campaigns."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils.translation import gettext_lazy as _

from audiences.models import MailingList
from campaigns.models import Revision
from campaigns.pure.advice import of_sender
from campaigns.pure.findings import Level
from campaigns.pure.starters import with_line_ends_of
from campaigns.pure.wall_time import BadWallTime, instant_of
from reputation.models import SendingDomain
from reputation.workspace import workspace
from sending.models import Pool
from words import number

# Above so many people a slip costs a lot: the number is typed before it goes.
TYPE_THE_NUMBER_ABOVE = 50_000
NOW, AT, LOCAL = "now", "at", "local"


class NameForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=200, help_text=_("For your team; recipients never see it."))


class NameAndTagsForm(NameForm):
    tags = forms.CharField(
        label=_("Tags"),
        required=False,
        max_length=400,
        help_text=_("With commas, such as “spring, shop”. They help your team to find it again."),
    )

    def clean_tags(self) -> list[str]:
        tags = dict.fromkeys(tag.strip().lower() for tag in str(self.cleaned_data["tags"]).split(","))
        tags.pop("", None)
        if too_long := [tag for tag in tags if len(tag) > 40]:
            raise forms.ValidationError(
                _("“%(too_long)s…” is too long for a tag; 40 characters are enough.") % {"too_long": too_long[0][:40]}
            )
        return list(tags)


class AudienceForm(forms.Form):
    """Which lists, and which lists not."""

    included = forms.ModelMultipleChoiceField(
        queryset=MailingList.objects.none(), required=False, label=_("Send to"), widget=forms.CheckboxSelectMultiple
    )
    excluded = forms.ModelMultipleChoiceField(
        queryset=MailingList.objects.none(), required=False, label=_("But not to"), widget=forms.CheckboxSelectMultiple
    )

    everybody = forms.BooleanField(label=_("Everybody on these lists again"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("included", "excluded"):
            self.fields[name].queryset = MailingList.objects.in_use()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        both = set(cleaned.get("included") or ()) & set(cleaned.get("excluded") or ())
        if both:
            names = ", ".join(sorted(f"“{one.name}”" for one in both))
            raise forms.ValidationError(
                _("%(names)s cannot be sent to and left out at once. Choose one of the two.") % {"names": names}
            )
        return cleaned


class SenderForm(forms.Form):
    """Who writes, from where, and by which way out."""

    from_name = forms.CharField(
        label=_("From name"), max_length=120, help_text=_("What inboxes show, such as “Mara at Harbour Books”.")
    )
    sending_domain = forms.ModelChoiceField(
        queryset=SendingDomain.objects.none(), label=_("Sending domain"), empty_label=None
    )
    from_address = forms.EmailField(
        label=_("From address"), max_length=320, help_text=_("An address at the sending domain that somebody reads.")
    )
    reply_to = forms.EmailField(
        label=_("Replies to"),
        max_length=320,
        required=False,
        help_text=_("When empty, answers go to the from address."),
    )
    pool = forms.ModelChoiceField(queryset=Pool.objects.none(), label=_("Route"), empty_label=None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        can_send = [SendingDomain.State.VERIFIED, SendingDomain.State.UNSURE]
        self.fields["sending_domain"].queryset = SendingDomain.objects.filter(state__in=can_send)  # type: ignore[attr-defined]
        self.fields["pool"].queryset = Pool.objects.filter(members__route__active=True).distinct()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        domain = cleaned.get("sending_domain")
        if domain and cleaned.get("from_address"):
            for finding in of_sender(cleaned["from_address"], domain.name):
                if finding.level is Level.MUST_FIX:
                    self.add_error("from_address", finding.sentence)
        for name in ("from_name", "from_address", "reply_to"):
            if any(c in cleaned.get(name, "") for c in "\r\n\0"):
                self.add_error(name, _("This has to be one line."))
        return cleaned


class TrackingForm(forms.Form):
    clicks = forms.BooleanField(
        label=_("Count clicks"),
        required=False,
        help_text=_("Links lead through this site and on to where you wrote them."),
    )
    opens = forms.BooleanField(
        label=_("Count opens"),
        required=False,
        help_text=_("A tiny picture asks. Programs open too, so read the number with care."),
    )


class LetterForm(forms.Form):
    """The letter as it is saved; an unfinished one is welcome."""

    based_on = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    # Where it is missing, the kind stays what it was.
    kind = forms.ChoiceField(choices=Revision.Kind, required=False, widget=forms.HiddenInput)
    subject = forms.CharField(max_length=400, required=False)
    preheader = forms.CharField(max_length=400, required=False)
    # Not stripped: what an author wrote comes back as it was.
    letter = forms.CharField(required=False, strip=False, max_length=200_000)

    def __init__(self, *args: Any, before: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._before = before

    def clean_letter(self) -> str:
        return with_line_ends_of(self._before, str(self.cleaned_data["letter"]))


class KindForm(forms.Form):
    """Go on in another way of writing."""

    kind = forms.ChoiceField(choices=Revision.Kind)
    based_on = forms.IntegerField(min_value=0)


class SourceFileForm(forms.Form):
    """A page somebody made elsewhere."""

    based_on = forms.IntegerField(min_value=0)
    file = forms.FileField(
        label=_("File"),
        max_length=200,
        help_text=_("One .html or .mjml file, up to 200 KB; or a ZIP of it with its pictures, up to 20 MB."),
        widget=forms.FileInput(attrs={"accept": ".html,.htm,.mjml,.zip,text/html", "class": "form-control"}),
    )


class PictureForm(forms.Form):
    file = forms.FileField(
        label=_("Picture"),
        max_length=200,
        help_text=_("JPEG, PNG, GIF or WebP, up to 10 MB."),
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/gif,image/webp", "class": "form-control"}),
    )


class TrialForm(forms.Form):
    """A test to colleagues. `request_key` makes two presses of one button one test."""

    addresses = forms.CharField(
        label=_("Send a test to"),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off"}),
        help_text=_("Up to 10 addresses, with commas or on lines of their own."),
    )
    as_email = forms.CharField(
        label=_("Written as"),
        max_length=320,
        required=False,
        help_text=_("The address of somebody on your lists whose fields are filled in. Empty: every fallback is used."),
        widget=forms.TextInput(attrs={"list": "people-samples", "autocomplete": "off", "spellcheck": "false"}),
    )
    variant = forms.TypedChoiceField(label=_("Variant"), required=False, coerce=int, empty_value=None)
    request_key = forms.RegexField(r"^[0-9a-f]{32}$", widget=forms.HiddenInput)

    def __init__(self, *args: Any, variants: Sequence[tuple[int, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["variant"].choices = variants  # type: ignore[attr-defined]

    def clean_addresses(self) -> list[str]:
        return str(self.cleaned_data["addresses"]).replace(",", " ").replace(";", " ").split()


class WhenForm(forms.Form):
    """Now, or at a time on a wall clock: somewhere, or where each person lives."""

    when = forms.ChoiceField(
        choices=[(NOW, _("Now")), (AT, _("At a time")), (LOCAL, _("At this time where each person lives"))],
        widget=forms.RadioSelect,
        initial=NOW,
        label=_("When"),
    )
    wall_time = forms.CharField(
        label=_("Day and time"), required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    zone = forms.ChoiceField(
        label=_("Time zone"),
        required=False,
        help_text=_("Where each lives: for those whose zone nobody knows."),
    )
    per_hour = forms.IntegerField(
        label=_("Per hour, at most"),
        required=False,
        min_value=1,
        max_value=10_000_000,
        help_text=_("Empty: as fast as is safe."),
    )
    spread_hours = forms.IntegerField(
        label=_("Or spread over hours"),
        required=False,
        min_value=1,
        max_value=168,
        help_text=_("So many hours at least, evenly."),
    )

    overflow = forms.TypedChoiceField(
        label=_("When the first route is full"),
        required=False,
        choices=[
            ("", _("As the pool has it")),
            ("yes", _("The next route takes over")),
            ("no", _("Mail waits for it")),
        ],
        coerce=lambda said: said == "yes",
        empty_value=None,
        help_text=_("During a warm-up, a warm route can take the rest of the day."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = workspace().time_zone
        names = sorted(
            name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))
        )
        self.fields["zone"].choices = [(name, name) for name in dict.fromkeys([own, "UTC", *names])]  # type: ignore[attr-defined]
        self.fields["zone"].initial = own

    def hourly(self, people: int) -> int | None:
        """At most so many an hour, by either way of saying it; None is as fast as is safe."""
        spread = self.cleaned_data.get("spread_hours")
        return -(-max(1, people) // spread) if spread else self.cleaned_data.get("per_hour")

    def pace(self, people: int) -> tuple[int | None, bool | None]:
        """At most so many an hour, and whether the next route takes over."""
        return self.hourly(people), self.cleaned_data["overflow"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("per_hour") and cleaned.get("spread_hours"):
            self.add_error("spread_hours", _("Say either how many an hour or over how many hours, not both."))
        cleaned["local_time"] = cleaned.get("when") == LOCAL
        if cleaned.get("when") not in (AT, LOCAL):
            return {**cleaned, "wall_time": "", "zone": ""}
        try:
            instant_of(cleaned.get("wall_time", ""), cleaned.get("zone") or workspace().time_zone)
        except BadWallTime as error:
            self.add_error("wall_time", str(error))
        return cleaned


class ScheduleForm(WhenForm):
    """What is pressed: with the number of people when they are very many."""

    confirm = forms.CharField(label=_("Type the number of people"), required=False)

    def __init__(self, *args: Any, people: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people = people

    def clean_confirm(self) -> str:
        typed = "".join(c for c in self.cleaned_data["confirm"] if c.isdigit())
        if self.people > TYPE_THE_NUMBER_ABOVE and typed != str(self.people):
            raise forms.ValidationError(
                _("So many people want a second look: type %(people)s to go on.") % {"people": number(self.people)}
            )
        return typed


class SpeedForm(forms.Form):
    per_hour = forms.IntegerField(label=_("At most an hour"), required=False, min_value=1, max_value=10_000_000)


class GoOnForm(forms.Form):
    """A person goes on though the guard would not; `provider` empty is everywhere."""

    provider = forms.CharField(max_length=120, required=False)
    reason = forms.CharField(label=_("Why"), max_length=300, help_text=_("Kept with who and when."))
