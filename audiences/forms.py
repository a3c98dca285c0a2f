"""What people type on the pages of lists, people, imports and suppressions."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from audiences import scopes
from audiences.changes import as_typed
from audiences.models import Import, MailingList, PersonField, Subscriber, Suppression
from audiences.pure import columns
from audiences.pure.addresses import BadAddress, bare_address, normalise
from audiences.pure.field_values import can_be_chosen

ENCODINGS = [
    ("utf-8", "UTF-8"),
    ("utf-8-sig", _("UTF-8 with a mark (BOM)")),
    ("utf-16", "UTF-16"),
    ("cp1252", _("Windows-1252, Western")),
    ("cp1250", _("Windows-1250, Central European")),
    ("cp1251", _("Windows-1251, Cyrillic")),
    ("cp1253", _("Windows-1253, Greek")),
    ("cp1254", _("Windows-1254, Turkish")),
    ("iso8859-15", "ISO 8859-15"),
    ("cp932", _("Shift JIS")),
    ("gb18030", _("GB 18030, Chinese")),
]
DELIMITERS = [(",", _("Comma  ,")), (";", _("Semicolon  ;")), ("\t", _("Tab")), ("|", _("Bar  |"))]


class ListForm(forms.ModelForm[MailingList]):
    language = forms.ChoiceField(
        label=_("Language"),
        help_text=_("Of its letters. The pages behind their links speak it to whoever has not chosen another."),
        choices=settings.LANGUAGES,
        initial="en",
    )

    class Meta:
        model = MailingList
        fields = ["name", "public_name", "description", "language", "opt_in", "wording", "ground", "occasion"]
        labels = {
            "name": _("Name for your team"),
            "public_name": _("Name that recipients see"),
            "description": _("Description"),
            "opt_in": _("How people join"),
            "wording": _("What people agree to"),
            "ground": _("Why they may be written to"),
            "occasion": _("Which sale or question"),
        }
        help_texts = {
            "name": _("Only people who sign in here see it."),
            "description": _("What comes and how often. Recipients see it where they choose what they get."),
            "opt_in": _(
                "Double opt-in: a mail asks them to confirm first. It keeps mistyped and borrowed addresses out."
            ),
            "wording": _(
                "Word for word, as your form says it. New words get a new version; each consent keeps its own."
            ),
            "ground": _("A sale allows letters about similar products of yours. Asking is no consent in Europe."),
            "occasion": _("For those who did not agree: what they bought or asked, and where they could say no."),
        }
        widgets = {"description": forms.Textarea(attrs={"rows": 2}), "wording": forms.Textarea(attrs={"rows": 3})}

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if given.get("ground") != MailingList.Ground.CONSENT and not given.get("occasion"):
            self.add_error("occasion", _("Say what they bought or asked, and where they could say no."))
        return given


class OptionsField(forms.CharField):
    """One choice a line."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        """Each once, in the order they were written."""
        lines = (" ".join(line.split()) for line in str(super().clean(value)).splitlines())
        options = list(dict.fromkeys(filter(None, lines)))
        if len({option.casefold() for option in options}) < len(options):
            raise forms.ValidationError(_("Two choices differ in capital letters only."))
        if len(options) > MOST_OPTIONS or any(len(option) > 80 or not can_be_chosen(option) for option in options):
            raise forms.ValidationError(
                _("At most %(most)s choices of 80 characters, without comma, semicolon or bar.")
                % {"most": MOST_OPTIONS}
            )
        return options


MOST_OPTIONS = 100


class FieldForm(forms.ModelForm[PersonField]):
    options = OptionsField(
        label=_("Choices"),
        required=False,
        help_text=_("One a line, for a field of choices only."),
        widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "off"}),
    )

    class Meta:
        model = PersonField
        fields = ["label", "key", "kind", "options", "example"]
        labels = {
            "label": _("Name for your team"),
            "key": _("Name in letters"),
            "kind": _("Kind"),
            "example": _("Example"),
        }
        help_texts = {
            "key": _("Small letters, digits and _. Letters use it as contact.name; it can’t be changed later."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["key"]

    def clean_key(self) -> str:
        key = str(self.cleaned_data["key"])
        if not columns.is_key(key) or key in columns.NO_FIELDS:
            raise forms.ValidationError(
                _("Small letters, digits and _ only, a letter first, and not email or language.")
            )
        return key

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        kind, key = given.get("kind"), given.get("key") or self.instance.key
        if kind not in PersonField.OF_CHOICES:
            given["options"] = []
        elif not given.get("options") and "options" not in self.errors:
            self.add_error("options", _("Write down what can be chosen, one a line."))
        if key == columns.TIME_ZONE and kind != PersonField.Kind.TIME_ZONE:
            self.add_error("kind", _("The field time_zone holds time zones: letters leave by it."))
        return given


class AddressForm(forms.Form):
    """Anything that begins with one e-mail address."""

    email = forms.CharField(
        label=_("E-mail address"),
        max_length=320,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "email", "spellcheck": "false"}),
    )

    def clean_email(self) -> str:
        try:
            return normalise(bare_address(self.cleaned_data["email"]))
        except BadAddress as error:
            raise forms.ValidationError(str(error)) from error


MAX_SUPPRESSIONS_FILE = 20 * 1024 * 1024

BASIS = _("Where and when they agreed, in a sentence, such as “Paper form at the spring fair, 22 Nov 2026”.")


class ConsentForm(forms.Form):
    """Somebody is put on a list by a colleague, who says on what ground."""

    list = forms.ModelChoiceField(queryset=MailingList.objects.none(), empty_label=None, label=_("List"))
    basis = forms.CharField(label=_("Their consent"), max_length=200, help_text=BASIS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["list"].queryset = MailingList.objects.in_use()  # type: ignore[attr-defined]


class NewPersonForm(ConsentForm, AddressForm):
    field_order = ["email", "first_name", "last_name", "list", "basis"]

    first_name = forms.CharField(label=_("First name"), max_length=120, required=False)
    last_name = forms.CharField(label=_("Last name"), max_length=120, required=False)

    def person_fields(self) -> dict[str, str]:
        """What was filled in, as personal fields."""
        return {key: self.cleaned_data[key] for key in ("first_name", "last_name") if self.cleaned_data[key]}


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Why"), max_length=200, help_text=_("Kept with who and when."))


class LeaveForm(forms.Form):
    """Which list somebody leaves; empty is all marketing mail."""

    all_optional = True

    list = forms.ModelChoiceField(
        queryset=MailingList.objects.all(), required=False, empty_label=_("All marketing mail"), label=_("From what")
    )
    note = forms.CharField(
        label=_("Why"), max_length=60, help_text=_("Such as “asked by phone”. Kept with who and when.")
    )


class NoteForm(forms.Form):
    text = forms.CharField(label=_("Note"), max_length=1000, widget=forms.Textarea(attrs={"rows": 2}))


class PersonForm(forms.Form):
    """Fields of one person as text; what they become is decided by each field's kind."""

    language = forms.ChoiceField(label=_("Language"), required=False)

    def __init__(self, *args: Any, person: Subscriber, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [("", _("None of their own")), *settings.LANGUAGES]
        own = [] if person.language in dict(known) else [(person.language, person.language)]
        self.fields["language"].choices = [*known, *own]  # type: ignore[attr-defined]
        self.fields["language"].initial = person.language
        rows = {row.key: row for row in PersonField.objects.all()}
        zone = PersonField(key=columns.TIME_ZONE, label=str(_("Time zone")), kind=PersonField.Kind.TIME_ZONE)
        rows.setdefault(columns.TIME_ZONE, zone)
        for key in sorted({*rows, *person.fields}):
            row = rows.get(key) or PersonField(key=key, label=key)
            self.fields[f"field_{key}"] = _field_for(row, person.fields.get(key))

    def typed(self) -> dict[str, str]:
        named = ((name.removeprefix("field_"), value) for name, value in self.cleaned_data.items())
        return {name: as_typed(value) for name, value in named if name != "language"}


def _field_for(row: PersonField, value: object) -> forms.Field:
    """Choices are chosen; what else stands in such a field can be kept."""
    if row.kind == PersonField.Kind.TIME_ZONE:
        names = sorted(name for name in available_timezones() if "/" in name and not name.startswith(_NO_PLACES))
        return _chosen(row, value, ["UTC", *names])
    if row.kind in PersonField.OF_CHOICES:
        return _chosen(row, value, row.options)
    return forms.CharField(
        label=row.label,
        required=False,
        max_length=2000,
        initial=as_typed(value),
        help_text=row.get_kind_display() if row.kind != PersonField.Kind.TEXT else "",
    )


_NO_PLACES = ("Etc/", "SystemV/")


def _chosen(row: PersonField, value: object, options: Sequence[str]) -> forms.Field:
    had = [str(one) for one in value] if isinstance(value, list) else [as_typed(value)] if value is not None else []
    named = [(option, option) for option in dict.fromkeys([*options, *had])]
    if row.kind == PersonField.Kind.MULTI_CHOICE:
        return forms.MultipleChoiceField(
            label=row.label, required=False, choices=named, initial=had, widget=forms.CheckboxSelectMultiple
        )
    one = as_typed(value)
    return forms.ChoiceField(label=row.label, required=False, choices=[("", "–"), *named], initial=one)


class SuppressForm(forms.Form):
    scope = forms.ChoiceField(label=_("What does not reach them"), choices=scopes.choices)
    note = forms.CharField(label=_("Why"), max_length=120, help_text=_("Kept with the suppression, with who and when."))


class BulkForm(forms.Form):
    """What to do with many people. Above SURE people their number has to be typed."""

    SURE = 50_000
    typed = forms.CharField(label=_("Type the number of people to go on"), max_length=20, required=False)

    def __init__(self, *args: Any, total: int | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.total = total
        if total is not None and total <= self.SURE:
            del self.fields["typed"]

    def clean_typed(self) -> str:
        typed = "".join(filter(str.isdecimal, self.cleaned_data["typed"]))
        if not typed or (self.total is not None and int(typed) != self.total):
            raise forms.ValidationError(_("This is not how many they are. Nothing was done."))
        return typed


class BulkAddForm(BulkForm, ConsentForm):
    field_order = ["list", "basis", "typed"]


class BulkLeaveForm(BulkForm, LeaveForm):
    field_order = ["list", "note", "typed"]


class BulkSuppressForm(BulkForm, SuppressForm):
    field_order = ["scope", "note", "typed"]


class NewSuppressionsForm(SuppressForm):
    field_order = ["addresses", "file", "reason", "scope", "note"]

    # As such: whoever left or complained elsewhere is kept as somebody who did.
    reason = forms.ChoiceField(
        label=_("What they are"),
        choices=[
            (Suppression.Reason.MANUAL, _("Addresses we decided not to write to")),
            (Suppression.Reason.UNSUBSCRIBED, _("People who unsubscribed elsewhere")),
            (Suppression.Reason.COMPLAINED, _("People who complained elsewhere")),
            (Suppression.Reason.BOUNCED, _("Mailboxes that do not exist")),
        ],
        help_text=_("Who unsubscribed comes back by their own confirmed wish only; a complaint is never lifted."),
    )
    file = forms.FileField(
        label=_("Or a file"),
        required=False,
        help_text=_("CSV or XLSX, at most 20 MB. The column of addresses is found by itself; nobody joins a list."),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx,text/csv,text/plain"}),
    )
    addresses = forms.CharField(
        label=_("Addresses"),
        max_length=400_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "class": "form-control lp-mono"}),
        help_text=_("One a line. They need not be people you know."),
    )

    def clean_file(self) -> UploadedFile[bytes] | None:
        file: UploadedFile[bytes] | None = self.cleaned_data["file"]
        if file and (file.size or 0) > MAX_SUPPRESSIONS_FILE:
            raise forms.ValidationError(_("The file is larger than 20 MB. Split it, please."))
        return file

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not cleaned.get("addresses") and not cleaned.get("file"):
            self.add_error("addresses", _("Enter addresses, or choose a file."))
        return cleaned

    def lines(self) -> list[str]:
        """What stands on the lines that are not blank."""
        return [line.strip() for line in self.cleaned_data["addresses"].splitlines() if line.strip()]


class EraseForm(forms.Form):
    """The address typed once more: erasing can't be undone."""

    typed = forms.CharField(label=_("Type the address to erase this person"), max_length=320)

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"]).strip().lower()
        if typed != self.email:
            raise forms.ValidationError(_("This is not %(email)s. Nothing was erased.") % {"email": self.email})
        return typed


# Of a form's text; what is longer comes as a file, which is never held in memory.
MOST_PASTED = 800_000


class UploadForm(forms.Form):
    """A file, or the same pasted."""

    # One of the two: neither is marked.
    all_optional = True

    file = forms.FileField(
        label=_("File"),
        required=False,
        help_text=_("CSV with commas, semicolons or tabs, or an Excel workbook (XLSX). At most 200 MB."),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx,text/csv,text/plain"}),
    )
    pasted = forms.CharField(
        label=_("Or paste rows"),
        required=False,
        max_length=MOST_PASTED,
        help_text=_("As copied from a table, or one address a line."),
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "autocomplete": "off"}),
        error_messages={"max_length": _("This is too much to paste. Save it as a CSV file and choose that.")},
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if not self.errors and bool(given.get("file")) == bool(given.get("pasted")):
            raise forms.ValidationError(_("Choose a file or paste rows: one of the two."))
        return given


class ReadingForm(forms.Form):
    """How the file is to be read, when the guess was wrong."""

    encoding = forms.ChoiceField(label=_("Letters are in"))
    delimiter = forms.ChoiceField(label=_("Columns are split by"), choices=DELIMITERS)

    def __init__(self, *args: Any, guessed: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {value for value, _ in ENCODINGS}
        extra = [] if guessed in known else [(guessed, guessed)]
        self.fields["encoding"].choices = [*extra, *ENCODINGS]  # type: ignore[attr-defined]


class ImportForm(ConsentForm):
    """What to do with the rows: which column is what, into which list, on what ground."""

    field_order = ["list", "basis", "existing", "has_header"]

    existing = forms.ChoiceField(label=_("People you know already"), choices=Import.Existing.choices)
    has_header = forms.BooleanField(label=_("The first row names the columns"), required=False)

    def __init__(self, *args: Any, labels: Sequence[str], mapping: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.labels = labels
        by_label = {label: target for target, label in mapping.items()}
        for number, label in enumerate(labels):
            self.fields[f"column_{number}"] = forms.ChoiceField(
                label=label,
                choices=_targets(label),
                initial=by_label.get(label, ""),
                required=False,
                # The selects stand over the rows, outside the form's element.
                widget=forms.Select(attrs={"form": "import-form"}),
            )

    def column_fields(self) -> list[forms.BoundField]:
        """The selects over the columns, in the file's order."""
        return [self[f"column_{number}"] for number in range(len(self.labels))]

    def mapping(self) -> dict[str, str]:
        """`{target: label}`, as Import.mapping takes it."""
        chosen = [(self.cleaned_data.get(f"column_{number}"), label) for number, label in enumerate(self.labels)]
        return {target: label for target, label in chosen if target}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        chosen = [value for name, value in cleaned.items() if name.startswith("column_") and value]
        twice = next((target for target in chosen if chosen.count(target) > 1), None)
        if twice:
            raise forms.ValidationError(
                _("Two columns are both meant to be “%(twice)s”. Choose one of them.") % {"twice": twice}
            )
        if complaint := columns.complaint_about(self.mapping(), self.labels):
            raise forms.ValidationError(complaint)
        return cleaned


def _targets(label: str) -> list[tuple[str, str]]:
    """What a column can become; a field of its own name where there is none yet."""
    known = [
        (columns.EMAIL, str(_("E-mail address"))),
        (columns.FIRST_NAME, str(_("First name"))),
        (columns.LAST_NAME, str(_("Last name"))),
        (columns.LANGUAGE, str(_("Language"))),
        (columns.TIME_ZONE, str(_("Time zone"))),
        (columns.GROUND_ON, str(_("Day of the sale or question"))),
    ]
    taken = {target for target, _ in known}
    known += [(row.key, row.label) for row in PersonField.objects.all() if row.key not in taken]
    own = "_".join("".join(c if c.isascii() and c.isalnum() else " " for c in label.lower()).split())[:40].strip("_")
    new = [(own, _("New field “%(key)s”") % {"key": own})] if columns.is_key(own) and own not in dict(known) else []
    return [("", str(_("Leave out"))), *known, *new]
