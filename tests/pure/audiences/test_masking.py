from time import process_time

import pytest

from audiences.pure.masking import addresses_in, mask_text, masked


def mask(text: str, keep: set[str] | None = None) -> str:
    return mask_text(text, keep=keep or set(), mark=lambda address: f"{len(address)}")


def test_a_masked_address_names_nobody_and_its_mark_tells_people_apart():
    assert masked("jane@example.org", "k7q2") == "j•••@e•••.org #k7q2"
    assert masked("john@example.org", "m3aa") != masked("jane@example.org", "k7q2")


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("jane@example.org", "jane@example.org"),
        ("<td>Jane.Doe+news@Mail.Example.org</td>", "jane.doe+news@mail.example.org"),
        ("&lt;jane@example.org&gt;", "jane@example.org"),
        ("o&#x27;neil@example.org", "o'neil@example.org"),
        ('href="?q=jane%40example.org&amp;after=3"', "jane@example.org"),
        ("/people/?q=jane%2Bnews%40example.org", "jane+news@example.org"),
        ("mailto:jane@example.org?subject=x", "jane@example.org"),
        ("550 5.1.1 <jane@bücher.example>: unknown", "jane@bücher.example"),
        ("jane&#64;example.org", "jane@example.org"),
        ("Write to jane@example.org.", "jane@example.org"),
    ],
)
def test_it_finds_addresses_as_pages_carry_them(written, address):
    assert addresses_in(written) == {address}
    assert "jane@" not in mask(written)
    assert "xample.org" not in mask(written)
    assert mask(written, {address}) == written


def test_what_is_no_address_stays():
    for text in ("@media print", "htmx@2", "a @ b", "at 17:30 @anna said", "https://example.org/a"):
        assert mask(text) == text


def test_a_megabyte_without_an_address_costs_one_look():
    began = process_time()
    assert mask("a" * 1_000_000) == "a" * 1_000_000
    assert mask("&amp;" * 200_000 + "@") == "&amp;" * 200_000 + "@"
    assert process_time() - began < 2
