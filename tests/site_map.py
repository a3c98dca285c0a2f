"""The site map as tests walk it."""

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver, reverse

SAMPLES = {
    "secret": "x",
    "token": "x",
    "path": "x",
    "topic": "accepted",
    "kind": "ip",
    "scope": "x",
    "provider": "google",
    "source": "google",
}


def routes(patterns=None) -> Iterator[URLPattern]:
    """Every route of the site."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(entry, URLResolver):
            yield from routes(entry.url_patterns)
        elif isinstance(entry, URLPattern):
            yield entry


def paths(known: dict[str, int] | None = None) -> dict[str, str]:
    """Route → a path of it. `known`: ids of things that are there; other numbers are 1."""
    found = {}
    for key, ways in get_resolver().reverse_dict.lists():
        if isinstance(key, str):
            wanted = ways[-1][0][0][1]
            found[key] = reverse(key, kwargs={name: {**SAMPLES, **(known or {})}.get(name, 1) for name in wanted})
    return found
