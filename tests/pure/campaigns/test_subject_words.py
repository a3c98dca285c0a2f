import pytest

from campaigns.pure.advice import of_subject
from campaigns.pure.findings import Level
from campaigns.pure.subject_words import KINDS, marks_in, money_in, words_in


def ids(subject: str) -> set[str]:
    return {row.id for row in of_subject(subject, "Something to read")}


@pytest.mark.parametrize(
    ("subject", "id"),
    [
        ("Last chance to read this", "subject.words"),
        ("Sie haben gewonnen, Herr Ada", "subject.words"),
        ("Vous avez gagné un livre", "subject.words"),
        ("Última oportunidad para leer", "subject.words"),
        ("New books are in!!!", "subject.marks"),
        ("Wow! New! Books for you!", "subject.marks"),
        ("Save $$$ on books", "subject.money"),
        ("RE: your order of books", "subject.thread"),
        ("TR: votre commande de livres", "subject.thread"),
        ("NEW BOOKS ARE HERE", "subject.shouting"),
    ],
)
def test_each_hint_is_given_as_advice_that_nobody_has_to_take(subject: str, id: str) -> None:
    [found] = [row for row in of_subject(subject, "Something to read") if row.id == id]
    assert found.level is Level.SHOULD_LOOK and found.can_be_ignored


@pytest.mark.parametrize(
    "subject",
    [
        "Six books for long evenings",
        "The winners' podium, and what is new",  # another word than winner
        "Now at $5: the winter list",
        "What is new? See inside!",
        "Casinos of the Riviera, a history",
    ],
)
def test_an_ordinary_subject_gets_none(subject: str) -> None:
    assert not ids(subject) & {"subject.words", "subject.marks", "subject.money", "subject.thread", "subject.shouting"}


def test_it_says_which_word_and_why_and_that_words_seldom_decide() -> None:
    [found] = [row for row in of_subject("Verify your account today", "x") if row.id == "subject.words"]
    assert "“verify your account”" in found.sentence and "steals passwords" in found.sentence
    assert "seldom decide" in found.sentence


def test_every_word_of_the_list_is_found_and_stands_once() -> None:
    words = [word for kind in KINDS for word in kind.words]
    assert len(words) == len(set(words)) and all(word == word.lower() for word in words)
    for kind in KINDS:
        for word in kind.words:
            assert any(found.word == word for found in words_in(f"Today: {word.upper()} for you"))
    assert marks_in("?!") == "?!" and money_in("€ €") == "€ €" and not money_in("€ 5")
