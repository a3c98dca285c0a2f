import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

# Who may be asked by strangers, by the start of the path: recipients' doors, sign-in, health, pictures in letters.
PUBLIC = ("u/", "p/", "c/", "w/", "l/", "o/", "privacy/", "hooks/", "s/", "sign-in/", "healthz", "media/", "static/")
SAMPLES = {"int": "1", "str": "x", "slug": "x", "uuid": "00000000-0000-4000-8000-000000000000", "path": "x"}


def paths(patterns=None, prefix=""):
    """Every path of the site map with sample values in its places."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        own = prefix + _filled(entry)
        if isinstance(entry, URLResolver):
            yield from paths(entry.url_patterns, own)
        elif isinstance(entry, URLPattern):
            yield own


def _filled(entry):
    text = str(entry.pattern)
    for name, converter in entry.pattern.converters.items():
        kind = type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")
        for written in (f"<{kind}:{name}>", f"<{name}>"):
            text = text.replace(written, SAMPLES.get(kind, "x"))
    return text.lstrip("^").rstrip("$")


@pytest.mark.django_db
@pytest.mark.parametrize("path", sorted({path for path in paths() if not path.startswith(PUBLIC)}))
def test_a_stranger_is_sent_to_sign_in(path):
    answer = Client().get(f"/{path}")
    to_sign_in = answer.status_code == 302 and answer.headers["Location"].startswith("/sign-in/")
    assert to_sign_in or answer.status_code in {403, 405}, f"/{path} answers {answer.status_code}"


def test_the_list_of_public_paths_hides_no_page_of_the_application():
    public = {path for path in paths() if path.startswith(PUBLIC)}
    assert {"healthz", "sign-in/"} <= public
    assert not [path for path in public if path.startswith(("campaigns", "lists", "subscribers", "people", "settings"))]
