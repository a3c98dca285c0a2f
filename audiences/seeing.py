"""Whether whoever asks now may read people's addresses. Set once a request by the gatekeeper, as a language is.

Of the context and not an argument of each search, so that a search nobody thought of is shut as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_hidden: ContextVar[bool] = ContextVar("addresses_hidden", default=False)


def addresses_hidden() -> bool:
    return _hidden.get()


def hide_addresses() -> None:
    """From here to the end of the request."""
    _hidden.set(True)


@contextmanager
def a_request() -> Iterator[None]:
    """Whatever was hidden inside is not hidden after it: threads serve many people."""
    before = _hidden.set(False)
    try:
        yield
    finally:
        _hidden.reset(before)
