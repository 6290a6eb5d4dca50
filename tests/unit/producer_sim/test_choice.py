import numpy as np

from producer_sim.choice import OUTSIDE_ODDS, choose, examined
from producer_sim.genres import BUILT_IN
from producer_sim.population import Shows, Users

DRAWS = 40_000


def test_the_card_in_place_k_is_looked_at_by_one_in_k() -> None:
    rng = np.random.default_rng(1)
    depths = np.array([examined(rng, 5) for _ in range(DRAWS)])
    seen = [(depths >= place).mean() for place in range(1, 6)]
    np.testing.assert_allclose(seen, [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5], atol=0.01)


def test_cards_looked_at_are_chosen_by_their_odds_and_none_by_the_outside_ones() -> None:
    rng = np.random.default_rng(2)
    odds = np.array([30.0, 10.0])
    chosen = [choose(rng, odds) for _ in range(DRAWS)]
    # Half see the first card only: 30 in 80; the others both: 30 and 10 in 90.
    first = (30 / (30 + OUTSIDE_ODDS) + 30 / (40 + OUTSIDE_ODDS)) / 2
    second = (10 / (40 + OUTSIDE_ODDS)) / 2
    assert abs(chosen.count(0) / DRAWS - first) < 0.01
    assert abs(chosen.count(1) / DRAWS - second) < 0.01
    assert choose(rng, np.empty(0)) is None


def test_preference_is_what_the_organic_traffic_comes_to() -> None:
    users, rng = Users(BUILT_IN, 0), np.random.default_rng(3)
    genres = np.arange(len(BUILT_IN))
    clicked = np.repeat(genres, np.round(2_000_000 * users.shares).astype(np.int64))
    drawn = users.draw(rng, clicked)
    counts = np.zeros((len(users.keys), len(genres)))
    np.add.at(counts, (drawn, clicked), 1)
    busiest = np.argsort(-counts.sum(axis=1))[:50]
    wanted = np.array([users.preference(int(user), genres) for user in busiest])
    np.testing.assert_allclose(wanted.mean(axis=1), 1.0)
    shares = counts[busiest] / counts[busiest].sum(axis=1, keepdims=True) * len(genres)
    np.testing.assert_allclose(shares.mean(axis=0), wanted.mean(axis=0), atol=0.05)


def test_shows_know_the_genre_that_they_are_drawn_by() -> None:
    shows = Shows(BUILT_IN, 0)
    names = [shows.genre_lists[number][0] for number in shows.genre_list.tolist()]
    assert names == [BUILT_IN[genre].name for genre in shows.first_genre.tolist()]
