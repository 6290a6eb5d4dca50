"""Whole buckets out of parts."""

from feed.assembly import Assembly
from tests.unit.feed.making import at, bucket, message, parts


def test_a_bucket_is_whole_once_its_journal_and_every_genre_have_been_read() -> None:
    #  crime 0 | journal 0 | noir 0 -> whole
    (crime, noir), journal = parts(0)
    assembly = Assembly()
    assembly.add_forecast(crime, message(crime))
    assert assembly.take_whole() == []
    assembly.add_journal(journal)
    assert assembly.take_whole() == []
    assembly.add_forecast(noir, b"as it was on the topic")
    (whole,) = assembly.take_whole()
    assert whole.forecasts == {"crime": crime, "noir": noir}
    assert whole.messages == (message(crime), b"as it was on the topic")
    assert (whole.start_ms, whole.model_version) == (at(0), "lstm-1")


def test_forecasts_without_a_journal_are_not_whole() -> None:
    (crime, noir), _ = parts(0)
    assembly = Assembly()
    for forecast in (crime, noir):
        assembly.add_forecast(forecast, message(forecast))
    assert assembly.take_whole() == []


def test_whole_buckets_come_in_order_however_their_parts_came() -> None:
    assembly = Assembly()
    for number in (2, 1, 0):
        forecasts, journal = parts(number)
        assembly.add_journal(journal)
        for forecast in forecasts:
            assembly.add_forecast(forecast, message(forecast))
    assert [one.start_ms for one in assembly.take_whole()] == [at(0), at(1), at(2)]


def test_a_bucket_that_the_topic_no_longer_has_whole_is_left_out() -> None:
    #  retention took crime 0; noir 0 and the journal's 0 are still there
    (_, noir), journal = parts(0)
    assembly = Assembly()
    assembly.add_forecast(noir, message(noir))
    assembly.add_journal(journal)
    later, later_journal = parts(1)
    for forecast in later:
        assembly.add_forecast(forecast, message(forecast))
    assembly.add_journal(later_journal)
    assert [one.start_ms for one in assembly.take_whole()] == [at(1)]


def test_what_was_returned_does_not_come_again() -> None:
    #  a position, or a partition read again from its beginning
    assembly = Assembly(after_ms=at(1))
    for number in (0, 1, 2):
        forecasts, journal = parts(number)
        assembly.add_journal(journal)
        for forecast in forecasts:
            assembly.add_forecast(forecast, message(forecast))
    assert [one.start_ms for one in assembly.take_whole()] == [at(2)]
    assert assembly.take_whole() == []


def test_genres_are_in_the_order_of_the_journal() -> None:
    assert list(bucket(0, ("noir", "crime", "space")).forecasts) == ["noir", "crime", "space"]
