"""What the first visitors of a web process would else wait for, done while it starts."""

import gc

from django.conf import settings
from django.template.loader import get_template
from django.urls import reverse
from django.utils import translation

# As in `config.celery`: what one answer makes and drops is no reason to look for rings among it.
COLLECT_AFTER = 20_000
DOORS = ("unsubscribe", "unsubscribed", "preferences", "confirm", "privacy", "note")


def up() -> None:
    """Every page's code, the words of every language and the recipients' pages are loaded; and what is loaded by now is
    never looked at by Python's collector again, which would stop all threads for as long as that takes."""
    for code, _ in settings.LANGUAGES:
        with translation.override(code):
            translation.gettext("")
            # Asked for any name, it has read all tables of routes, and with them the views.
            reverse("door-unsubscribe", args=["x"])
    for name in DOORS:
        get_template(f"recipient/{name}.html")
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
