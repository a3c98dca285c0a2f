"""What people type on the page of an A/B test."""

from copy import copy
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from campaigns import letters
from campaigns.models import Campaign, Revision
from campaigns.pure.variants import SHARES, AbTest, Variant
from campaigns.variants import ab_test_of, variants_of
from sending.pure.split import MOST_VARIANTS, By, Split, name_of

BY = [(By.CLICKS.value, _("Clicks")), (By.OPENS.value, _("Opens")), (By.HAND.value, _("I choose by hand"))]
PARTS = ("subject", "preheader", "from_name")
OWN = "own_letter"
HOURS = 4
_OTHERS = [name_of(number).lower() for number in range(1, MOST_VARIANTS)]


class VariantsForm(forms.Form):
    """Up to three variants beside the letter itself, how many people get them, and how the winner is found."""

    all_optional = True

    based_on = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    share = forms.TypedChoiceField(
        label=_("Share of the audience"),
        coerce=int,
        choices=[(n, f"{n} %") for n in SHARES],
        help_text=_("The others get the winner. With 100 % nobody waits, and the report compares."),
    )
    by = forms.ChoiceField(label=_("The winner is chosen by"), choices=BY, widget=forms.RadioSelect)
    hours = forms.IntegerField(
        label=_("Hours to wait"),
        min_value=1,
        max_value=168,
        help_text=_("From when the test has been sent. Most people who click do so within four hours."),
    )

    def __init__(self, *args: Any, campaign: Campaign, content: Revision, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._campaign, self._content = campaign, content
        labels = {"subject": _("Subject"), "preheader": _("Preheader"), "from_name": _("From name")}
        as_in_a = {"subject": content.subject, "preheader": content.preheader, "from_name": campaign.from_name}
        for name in _OTHERS:
            for part in PARTS:
                widget = forms.TextInput(attrs={"placeholder": as_in_a[part], "autocomplete": "off"})
                most = 120 if part == "from_name" else 400
                self.fields[f"{part}_{name}"] = forms.CharField(
                    label=labels[part], max_length=most, required=False, widget=widget
                )
            self.fields[f"{OWN}_{name}"] = forms.BooleanField(label=_("A letter of its own"), required=False)

    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """B, C and D with their fields, for the page."""
        return [(name.upper(), [self[f"{part}_{name}"] for part in (*PARTS, OWN)]) for name in _OTHERS]

    def others(self) -> list[tuple[str, Variant]]:
        """Those in which anything was typed, each under the name it was typed at."""
        found = [
            (
                name,
                Variant(
                    **{part: str(self.cleaned_data.get(f"{part}_{name}", "")) for part in PARTS},
                    letter=letter if self.cleaned_data.get(f"{OWN}_{name}") else "",
                ),
            )
            for name, letter in zip(_OTHERS, self._letters(), strict=True)
        ]
        return [(name, one) for name, one in found if not one.is_empty]

    def _letters(self) -> list[str]:
        """What a letter of its own says: what it said before, or at first what A says."""
        test = ab_test_of(self._content)
        before = [one.letter for one in test.others] if test else []
        return [letter or self._content.letter for letter in [*before, *[""] * len(_OTHERS)][: len(_OTHERS)]]

    def ab_test(self) -> AbTest:
        cleaned = self.cleaned_data
        split = Split(cleaned["share"], By(cleaned["by"]), timedelta(hours=cleaned["hours"]))
        return AbTest(tuple(one for _name, one in self.others()), split)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        if not self.others():
            raise forms.ValidationError(_("Write at least one other subject, preheader, from name or letter."))
        typed = copy(self._content)
        typed.ab_test = self.ab_test().to_json()
        _letter, *written = variants_of(self._campaign, typed)
        for (name, said), one in zip(self.others(), written, strict=True):
            for problem in letters.problems_of(one.campaign, one.content):
                part = "from_name" if problem.place == "from" else problem.place
                # What is wrong with a letter is said where it is written.
                if problem.blocks and part in PARTS and getattr(said, part):
                    self.add_error(f"{part}_{name}", f"{problem.message} {problem.suggestion}".strip())
        return cleaned


def initial_of(content: Revision, ab_test: AbTest | None) -> dict[str, object]:
    """What stands in the form when it is opened."""
    found: dict[str, object] = {"based_on": content.number, "share": 20, "by": By.CLICKS.value, "hours": HOURS}
    if ab_test is None:
        return found
    split = ab_test.split
    found |= {"share": split.share, "by": split.by.value, "hours": round(split.wait / timedelta(hours=1))}
    for name, one in zip(_OTHERS, ab_test.others, strict=False):
        found |= {f"{part}_{name}": getattr(one, part) for part in PARTS} | {f"{OWN}_{name}": bool(one.letter)}
    return found
