from django.apps import apps
from django.db.models import ForeignObject

FLOOR = {"config": 3, "campaigns": 2, "sending": 1, "audiences": 0, "reputation": 0}


def crossings():
    """(model, its app, the app its foreign key names) for every key from one of our apps into another."""
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.get_fields():
            if isinstance(field, ForeignObject) and model._meta.app_label in FLOOR:
                target = field.related_model._meta.app_label
                if target in FLOOR and target != model._meta.app_label:
                    yield f"{model.__name__}.{field.name}", model._meta.app_label, target, field


def test_a_foreign_key_into_another_app_points_to_a_lower_floor():
    upward = [name for name, own, target, _ in crossings() if FLOOR[target] >= FLOOR[own]]
    assert upward == []


def test_a_foreign_key_into_another_app_gives_the_lower_one_no_way_back():
    way_back = [name for name, _, _, field in crossings() if not field.remote_field.hidden]
    assert way_back == []


def test_there_are_such_keys_to_look_at():
    assert len(list(crossings())) > 3
