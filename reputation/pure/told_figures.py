"""What comes of asking a provider for its figures: figures with notes, or the reason why there are none."""

from collections.abc import Sequence
from dataclasses import dataclass

from reputation.pure.postmaster_files import Figure


@dataclass(frozen=True, slots=True)
class Told:
    """`notes`: sentences for admins about what is missing in it."""

    figures: Sequence[Figure]
    notes: Sequence[str] = ()


class NoFigures(Exception):
    """A sentence for admins. `soon`: it may pass by itself, ask again within the hour. `of_all`: not of one domain."""

    def __init__(self, words: str, *, soon: bool = False, of_all: bool = True) -> None:
        super().__init__(words)
        self.soon, self.of_all = soon, of_all
