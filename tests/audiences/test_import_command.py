import json

import pytest
from django.core.management import CommandError, call_command

from audiences.models import Subscriber, Subscription
from tests.audiences.cast import make_list

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("Adresse,Prénom,Ville\njane@x.example,Jane,Lyon\nnobody,Joe,Lille\n")
    return path


def test_it_prints_a_summary(file, capsys):
    make_list()
    call_command("import_subscribers", file, "--list", "News", "--consent", "Fair")
    out = capsys.readouterr().out
    assert "1  new" in out
    assert "line 3: The address has no @. (nobody)" in out
    assert "Columns not imported: Ville" in out
    assert file.exists()


def test_it_prints_json(file, capsys):
    make_list()
    call_command("import_subscribers", file, "--list", "News", "--mapping", "email=Adresse,city=Ville", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["n_created"], told["n_rejected"], told["unused"]) == ("done", 1, 1, ["Prénom"])
    assert Subscriber.objects.get().fields == {"city": "Lyon"}
    assert Subscription.objects.get().state == "subscribed"


@pytest.mark.parametrize(
    ("arguments", "because"),
    [
        (["--list", "Nope"], "no list called “Nope”. There are: “News”"),
        (["--list", "News", "--mapping", "email"], "takes pairs"),
        (["--list", "News", "--mapping", "email=Courriel"], "no column “Courriel”"),
        (["--list", "News", "--mapping", "email=Ville"], "Nobody could be taken"),
    ],
)
def test_it_ends_with_a_sentence_when_nobody_could_be_taken(file, arguments, because):
    make_list()
    with pytest.raises(CommandError, match=because):
        call_command("import_subscribers", file, *arguments)
    assert not Subscriber.objects.exists()
