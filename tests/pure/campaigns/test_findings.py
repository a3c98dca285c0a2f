import pytest

from campaigns.pure.findings import Place, should


def key(sentence: str, id: str = "personal.missing") -> str:
    return should(id, Place.CONTENT, sentence).key


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("1,312 people have no name; they get the fallback.", "1.312 Personen haben keinen Namen; es gilt der Ersatz."),
        ("The link to shop.example is not https.", "Der Link zu shop.example ist nicht https."),
        ("“click here” does not say where the link goes.", "„click here“ sagt nicht, wohin der Link führt."),
        ("There is no preheader.", "Es gibt keinen Preheader."),
    ],
)
def test_a_warning_is_the_same_one_in_every_language(english: str, german: str) -> None:
    assert key(english) == key(german)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,312 people have no name.", "1,313 people have no name."),
        ("The link to shop.example is not https.", "The link to www.example is not https."),
        ("“click here” does not say.", "“here” does not say."),
    ],
)
def test_a_warning_of_something_else_is_another_one(one: str, other: str) -> None:
    assert key(one) != key(other)
    assert key(one, "a") != key(one, "b")
