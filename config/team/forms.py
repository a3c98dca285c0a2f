"""What is typed about the team."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from config.models import ROLES


class InviteForm(forms.Form):
    email = forms.EmailField(label=_("E-mail"), max_length=150)
    role = forms.ChoiceField(label=_("Role"), choices=ROLES, initial="marketer")


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=ROLES)


class WelcomeForm(forms.Form):
    """The newcomer's name and password; a member with a new link only sets the password."""

    name = forms.CharField(label=_("Your name"), max_length=150, widget=forms.TextInput({"autocomplete": "name"}))
    password = forms.CharField(
        label=_("Password"),
        max_length=128,
        help_text=_("At least eight characters. A sentence is easy to remember and hard to guess."),
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, email: str, member: User | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = member or User(username=email, email=email)
        if member is not None:
            del self.fields["name"]

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        self._user.first_name = self._user.first_name or self.cleaned_data.get("name", "")
        validate_password(password, self._user)
        return password


class ProfileForm(forms.ModelForm[User]):
    shortcuts = forms.BooleanField(
        label=_("Single keys do things"),
        required=False,
        help_text=_(
            "c: new campaign. /: search. g then h, c, p, l, d: home, campaigns, people, lists, domains. ?: help."
        ),
    )

    class Meta:
        model = User
        fields = ("first_name",)
        labels = {"first_name": _("Your name")}


class TokenForm(forms.Form):
    name = forms.CharField(label=_("What it is for"), max_length=80, help_text=_("So that you know it again."))
