"""An MTA-STS policy as senders read it."""

import pytest

from reputation.pure.mta_sts_policy import Wrong, not_covered, read

TEXT = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 86400\r\n"


def test_a_policy_says_its_mode_its_hosts_and_how_long_it_holds():
    policy = read(TEXT)
    assert (policy.mode, policy.hosts, policy.max_age) == ("enforce", ("mail.example.com", "*.example.net"), 86400)


def test_of_a_key_that_stands_twice_the_first_counts():
    assert read(TEXT + "mode: none\n").mode == "enforce"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("STSv1", "STSv2", "version"),
        ("enforce", "strict", "“strict”"),
        ("86400", "a day", "“a day”"),
        ("86400", "99999999999", "at most a year"),
    ],
)
def test_what_is_wrong_is_said(before, after, reason):
    with pytest.raises(Wrong, match=reason):
        read(TEXT.replace(before, after))


def test_a_policy_without_hosts_delivers_nowhere_unless_it_takes_everything_back():
    bare = "version: STSv1\nmode: {}\nmax_age: 1\n"
    with pytest.raises(Wrong, match="no mx"):
        read(bare.format("testing"))
    assert read(bare.format("none")).hosts == ()


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("mail.example.com", True),
        ("MAIL.Example.com.", True),
        ("mx1.example.net", True),
        ("a.mx1.example.net", False),
        ("example.net", False),
        ("other.example.com", False),
    ],
)
def test_a_star_stands_for_one_label(host, fits):
    assert (not_covered(read(TEXT), [host]) == []) is fits
