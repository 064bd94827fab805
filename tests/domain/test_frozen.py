"""Dataclasses made by the dozen behave like frozen ones, but for the guard at run time."""

from __future__ import annotations

from dataclasses import field, replace

import pytest

from app.domain.frozen import frozen


@frozen
class Place:
    name: str
    rank: int = 0
    notes: list[str] = field(default_factory=list, compare=False)


@frozen
class Named:
    name: str
    rank: int

    def __hash__(self) -> int:
        return hash(self.name)


def test_two_with_the_same_fields_are_one() -> None:
    assert Place("a", 1) == Place("a", 1) != Place("a", 2)
    assert {Place("a", 1): "found"}[Place("a", 1, ["not compared"])] == "found"


def test_a_hash_of_its_own_is_kept() -> None:
    assert hash(Named("a", 1)) == hash("a")


def test_a_changed_one_is_another() -> None:
    first = Place("a", 1)
    assert replace(first, rank=2) == Place("a", 2)
    assert first == Place("a", 1)


def test_it_has_its_fields_and_no_room_for_others() -> None:
    with pytest.raises(AttributeError):
        Place("a").other = 1  # type: ignore[attr-defined]
