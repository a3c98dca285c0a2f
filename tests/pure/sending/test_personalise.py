from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sending.pure import liquid_engine
from sending.pure.personalise import (
    Dynamic,
    Literal,
    PersonalisationFailed,
    Scope,
    TemplateError,
    check,
    compile_template,
    evaluate,
    prepare,
    prepare_direct,
)

KNOWN = {"email", "first_name", "last_name", "city", "points", "tags", "vip"}


def filled(source: str, fields: dict[str, object], *, escape: bool = True, language: str = "en") -> str:
    """A source through compile, prepare and evaluate, as a whole."""
    pieces = compile_template(source, escape=escape)
    slots = prepare([p.source for p in pieces if isinstance(p, Dynamic)], escape=escape, language=language)
    values = iter(evaluate(slots, Scope({"contact": fields, "today": date(2026, 5, 4)})))
    return "".join(p.text if isinstance(p, Literal) else next(values) for p in pieces)


def errors(source: str) -> list[str]:
    return [str(problem) for problem in check(source, KNOWN) if problem.blocks]


def test_a_misspelt_field_is_named_with_its_place_and_the_likely_one():
    (problem,) = (p for p in check("Dear\n  {{ contact.frist_name | default: 'you' }}", KNOWN) if p.blocks)
    assert (problem.line, problem.column) == (2, 6)
    assert problem.message == "`frist_name` is not a known field."
    assert problem.suggestion == "Did you mean `first_name`?"


def test_a_field_without_contact_is_recognised():
    assert errors("{{ first_name }}") == [
        "Line 1: `first_name` is not a known field. Did you mean `contact.first_name`?"
    ]


def test_all_findings_are_reported_together():
    found = errors("{{ contact.nope }}\n{{ contact.city | upcse }}\n{% assign contact = 1 %}")
    assert len(found) == 3
    assert "Line 2: `upcse` is not a known filter. Did you mean `upcase`?" in found
    assert any("`contact` is a name of Letterpace" in text for text in found)


def test_a_field_without_fallback_is_advice_and_not_an_error():
    (problem,) = check("{{ contact.first_name }}", KNOWN)
    assert not problem.blocks
    assert 'default: "…"' in problem.suggestion


@pytest.mark.parametrize(
    "source",
    ["{{ contact.email }}", "{{ contact.city | default: 'x' }}", "{% if contact.city %}{{ contact.city }}{% endif %}"],
)
def test_nothing_is_said_where_a_fallback_is_not_needed(source: str):
    assert check(source, KNOWN) == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Hi {{ contact.city", "never closed"),
        ("Hi {% if contact.city", "never closed"),
        ("{% if contact.city %}x", "Line 1"),
        ("{{ }}", "empty"),
        ("{{ contact.city | }}", "Line 1"),
        ("{% include 'x' %}", "`include` is not available"),
        ("{% render 'x' %}", "`render` is not available"),
        ("{% capture x %}{% endcapture %}", "`capture` is not available"),
        ("{% raw %}{% endraw %}", "`raw` is not available"),
        ("{% liquid\nassign x = 1 %}", "`liquid` is not available"),
        ("{% iff contact.city %}", "Did you mean `if`?"),
        ("{{ contact }}", "needs a field's name"),
        ("{{ contact[contact.city] }}", "cannot be computed"),
        ("{{ contact.city | replace: 'a', 'b' }}", "`replace` is not a known filter"),
        ("{{ contact.city | safe }}", "`safe` is not a known filter"),
        ("{{ contact.city | __url_whole }}", "`__url_whole` is not a known filter"),
        ("{{ link[0] }}", "`link` is not a known field"),
        ("{{ settings }}", "`settings` is not a known field"),
        ("{{ contact.city.__class__ }}{{ ''.__class__ }}", "Line 1"),
        ("{% break %}", "inside a `for`"),
        ("{% if true %}{% continue %}{% endif %}", "inside a `for`"),
        ("{% for i in (1..3) %}{% endfor %}", "Ranges"),
        ("{{ (1..3) | first }}", "Ranges"),
        ("{{ 1 | divided_by: 0 }}", "cannot be filled in"),
        ("{{ 'a' | upcase: 1, 2 }}", "cannot be filled in"),
    ],
)
def test_what_a_letter_may_not_say_is_refused_in_plain_words(source: str, said: str):
    assert any(said in text for text in errors(source)), check(source, KNOWN)


def test_a_calculation_that_fails_for_people_without_the_field_is_advice():
    (problem,) = (p for p in check("{{ 10 | divided_by: contact.points }}", KNOWN) if "left out" in p.message)
    assert not problem.blocks


def test_pieces_keep_literals_and_drop_comments():
    pieces = compile_template("A {% comment %}x{% endcomment %}B {{- contact.city -}}  C", escape=False)
    assert pieces == (Literal("A B"), Dynamic("{{- contact.city -}}"), Literal("C"))


def test_an_assignment_lasts_over_the_pieces_that_follow():
    source = (
        "{% assign who = contact.first_name | upcase %}Hi {{ who }}{% if who == 'ANN' %}!{% endif %} {{ who | size }}"
    )
    assert filled(source, {"first_name": "Ann"}) == "Hi ANN! 3"
    assert filled(source, {"first_name": "Bo"}) == "Hi BO 2"


def test_values_and_the_authors_own_strings_are_escaped_in_html_and_plain_in_text():
    source = "{{ contact.city }} {{ '<b>' }} {{ contact.city | append: '<i>' }} {{ contact.city | escape }}"
    assert filled(source, {"city": "<img src=x>'\"&"}).count("<") == 0
    assert filled(source, {"city": "<x>"}, escape=False) == "<x> <b> <x><i> <x>"


def test_line_breaks_become_br_in_html_only_and_only_as_the_last_step():
    source = "{{ contact.city | newline_to_br }}"
    assert filled(source, {"city": "a<\nb"}) == "a&lt;<br>\nb"
    assert filled(source, {"city": "a<\nb"}, escape=False) == "a<\nb"
    assert "<" not in filled("{{ contact.city | newline_to_br | truncate: 4, '' }}", {"city": "a<\nb onload"})


def test_names_of_months_and_money_follow_the_letters_language():
    when = {"when": datetime(2026, 5, 4, 9, 5, tzinfo=UTC), "sum": "1234.5"}
    assert (
        filled("{{ contact.when | date: '%A, %-d. %B %Y %H:%M' }}", when, language="de") == "Montag, 4. Mai 2026 09:05"
    )
    assert (
        filled("{{ contact.sum | money: 'EUR' }}", when, escape=False, language="de").replace("\xa0", " ")
        == "1.234,50 €"
    )
    assert filled("{{ contact.sum | money: 'EUR' }}", when, escape=False) == "€1,234.50"
    assert filled("{{ today | date: '%d/%m' }}", {}) == "04/05"
    assert filled("{{ 'soon' | date: '%d' }}", {}) == "soon"


def test_a_count_takes_the_right_form():
    source = "{{ contact.points | pluralize: 'seat', 'seats' }}"
    assert [filled(source, {"points": n}) for n in (0, 1, 2)] == ["seats", "seat", "seats"]


@pytest.mark.parametrize("value", [{"a": 1}, object(), b"x", {1, 2}])
def test_a_value_that_is_not_plain_data_leaves_the_recipient_out(value: object):
    with pytest.raises(PersonalisationFailed):
        filled("{{ contact.city }}", {"city": value})
    direct = prepare_direct("{{ contact.city }}")
    assert direct
    with pytest.raises(PersonalisationFailed):
        evaluate([direct], Scope({"contact": {"city": value}}))


def test_a_letter_that_does_not_parse_cannot_be_compiled():
    with pytest.raises(TemplateError) as caught:
        compile_template("a\n{% if %}", escape=True)
    assert caught.value.problems[0].line == 2


FILTERS = st.sampled_from(
    [
        "", "| default: 'there'", "| default: ''", "| upcase", "| downcase | capitalize", "| truncate: 5",
        "| truncate: 7, '~'",
        "| truncatewords: 2", "| strip", "| squish", "| url_encode", "| size", "| first", "| last",
        "| append: '!<' | prepend: '\"'", "| escape", "| strip_html", "| round: 1", "| plus: 2 | times: 3",
        "| minus: 1.5",
        "| divided_by: 3", "| ceil", "| floor", "| date: '%Y-%m-%d'", "| default: 5, allow_false: true",
        "| pluralize: 'a', 'b'", "| upcase | downcase | upcase | size | plus: 1",
    ]
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", " ", "<b>x</b>", "a\nb", "x" * 600, "12", "3.5", "1e400", "-1", "nan"]),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=True, allow_infinity=True, width=32),
    st.booleans(),
    st.none(),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-1000, max_value=1000),
    st.dates(),
    st.lists(st.text(max_size=5), max_size=3),
)


def outcome(slots, scope: Scope) -> str:
    try:
        return "".join(evaluate(slots, scope))
    except PersonalisationFailed:
        return "failed"


@given(FILTERS, VALUES, st.booleans())
def test_the_direct_way_writes_exactly_what_liquid_writes(filters: str, value: object, present: bool):
    source = f"{{{{ contact.city {filters} }}}}"
    fields = {"city": value} if present else {}
    direct = prepare_direct(source)
    text = outcome(prepare([source], escape=False), Scope({"contact": fields}))
    html = outcome(prepare([source], escape=True), Scope({"contact": fields}))
    if direct is None:
        assert filters.count("|") > 4
        return
    raw = outcome([direct], Scope({"contact": fields}))
    assert raw == text
    assert (raw if raw == "failed" else liquid_engine.written(raw, escape=True)) == html


def test_common_tags_take_the_direct_way():
    assert prepare_direct("{{ contact.first_name | default: 'there' }}")
    assert prepare_direct("{{ unsubscribe_url }}")
    assert prepare_direct("{{ link[3] }}")
    assert prepare_direct("{{ contact.a | default: contact.b }}") is None
    assert prepare_direct("{{ who }}") is None
    assert prepare_direct("{% if contact.a %}x{% endif %}") is None


def test_several_choices_are_written_with_commas_and_can_be_looped_over():
    fields: dict[str, object] = {"likes": ["Cheese", "Bread & butter"]}
    assert filled("{{ contact.likes | default: 'all' }}", fields) == "Cheese, Bread &amp; butter"
    assert filled("{% for one in contact.likes %}[{{ one }}]{% endfor %}", fields) == "[Cheese][Bread &amp; butter]"
    assert filled("{% if contact.likes contains 'Cheese' %}yes{% endif %}", fields) == "yes"
    assert filled("{{ contact.likes | default: 'all' }}", {"likes": []}) == "all"


def test_numbers_are_written_as_liquid_writes_them():
    assert (
        filled("{{ contact.a }}|{{ contact.b }}|{{ contact.c }}", {"a": Decimal("1.50"), "b": True, "c": 3})
        == "1.50|true|3"
    )
