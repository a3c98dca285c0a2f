import pytest
from django.test import Client

from config import roles
from config.roles import Role
from tests.site_map import paths, routes


def test_every_route_stands_in_the_table_of_roles_and_nothing_else_does():
    there = {route.name for route in routes()}
    assert there == roles.PUBLIC | roles.OWN | set(roles.ROUTES)


def test_no_route_has_two_rules():
    assert not roles.PUBLIC & roles.OWN and not (roles.PUBLIC | roles.OWN) & set(roles.ROUTES)
    assert roles.ON_THE_WAY <= roles.OWN


def test_a_route_outside_the_table_is_nobodys():
    assert not roles.may(Role.ADMIN, "forgotten", changes=False, second_person=False)


@pytest.mark.django_db
def test_a_stranger_is_sent_to_sign_in_by_every_page_that_is_not_public():
    for route, path in paths().items():
        if route not in roles.PUBLIC:
            for answer in (Client().get(path), Client().post(path)):
                if route in roles.API:
                    assert answer.status_code == 401 and answer.json()["error"]
                    continue
                assert answer.status_code == 302 and answer.headers["Location"].startswith("/sign-in/"), route
