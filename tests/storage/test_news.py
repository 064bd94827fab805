"""News of providers' trouble: what holds now, from whoever said the longest."""

from __future__ import annotations

from app.domain.news import About, News, NewsKind
from app.storage.database import Database
from app.storage.news import SqlNewsRepository

COOLING = About(NewsKind.COOLING, "alpha", "a\x00\ud800", "0123abcd")
PARKED = About(NewsKind.PARKED, "alpha", "", "0123abcd")
OTHER = About(NewsKind.EJECTED, "beta", "b", "")


async def test_others_hear_what_holds_and_who_said_it_does_not(database: Database) -> None:
    news = SqlNewsRepository(database)
    await news.say("a", [News(COOLING, 20.0), News(OTHER, -1.0)])

    (heard,) = await news.heard("b")

    assert (heard.about.kind, heard.about.model) == (NewsKind.COOLING, "a?")
    assert 10 < heard.seconds <= 20
    assert await news.heard("a") == []


async def test_a_longer_word_replaces_a_shorter_one_and_not_the_other_way(database: Database) -> None:
    news = SqlNewsRepository(database)
    await news.say("a", [News(PARKED, 20.0)])
    (first,) = await news.heard("c")
    await news.say("b", [News(PARKED, 10.0)])
    (second,) = await news.heard("c")
    await news.say("b", [News(PARKED, 90.0)])
    (third,) = await news.heard("c")

    assert first.said_at == second.said_at < third.said_at
    assert third.seconds > 60


async def test_a_reset_takes_back_what_it_is_about(database: Database) -> None:
    news = SqlNewsRepository(database)
    elsewhere = About(NewsKind.COOLING, "alpha", "other", "0123abcd")
    await news.say("a", [News(one, 60.0) for one in (COOLING, PARKED, OTHER, elsewhere)])

    await news.say("b", [News(About(NewsKind.RESET, "alpha", COOLING.model), 60.0)])
    assert {one.about.kind for one in await news.heard("c")} == {NewsKind.RESET, NewsKind.EJECTED, NewsKind.COOLING}
    await news.say("b", [News(About(NewsKind.RESET, "alpha"), 60.0)])

    assert {one.about.kind for one in await news.heard("a")} == {NewsKind.RESET}
    assert [one.about for one in await news.heard("b")] == [OTHER]
