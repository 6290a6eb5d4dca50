from contracts.cards import Card, cards_of
from contracts.recommendations import Recommendations, RecommendedGenre, RecommendedShow


def _genre(genre: str, why: str, shows: list[str]) -> RecommendedGenre:
    listed = [RecommendedShow(show_id=show, clicks_per_hour=1.0) for show in shows]
    fields = {"genre": genre, "why": why, "shows": listed}
    numbers = {"score": 1.0, "affinity": 0.0, "lift": 1.0, "propensity": 1.0}
    return RecommendedGenre.model_validate(fields | numbers)


def page(*genres: tuple[str, str, list[str]], name: str = "r") -> Recommendations:
    """What a user is recommended: genre, why, shows."""
    return Recommendations(
        recommendation_id=name,
        user_id="u",
        source="taste",
        bucket_start=0,
        model_version="m",
        emitted_at=0,
        genres=[_genre(*genre) for genre in genres],
    )


def test_each_genre_is_a_card_with_its_first_show_that_no_card_above_has() -> None:
    made = page(
        ("crime", "taste", ["s1", "s2"]),
        ("noir", "rising", ["s1", "s3"]),
        ("war", "new", []),
        ("teen", "popular", ["s3"]),
        ("legal", "popular", ["s4"]),
    )
    assert list(cards_of(made)) == [
        Card(1, "crime", "taste", "s1"),
        Card(2, "noir", "rising", "s3"),
        Card(3, "legal", "popular", "s4"),
    ]
