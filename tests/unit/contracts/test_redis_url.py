"""Where Redis is: what each form of `redis_url` means, and what is said of a wrong one."""

import pytest
from pydantic import ValidationError

from contracts.redis_url import RedisAddress, parse_redis_url
from contracts.settings import Settings


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("redis://localhost:6379/0", RedisAddress("server", is_tls=False)),
        ("rediss://user:word@host", RedisAddress("server", is_tls=True)),
        ("unix:///run/redis.sock", RedisAddress("server", is_tls=False)),
        (
            "redis+sentinel://a:26379,b:26380/shop",
            RedisAddress("sentinel", False, (("a", 26379), ("b", 26380)), "shop"),
        ),
        (
            "rediss+sentinel://me:p%40ss%2F@a:1/shop/7",
            RedisAddress("sentinel", True, (("a", 1),), "shop", 7, "me", "p@ss/"),
        ),
        (
            "redis+sentinel://:word@[::1]:26379/shop",
            RedisAddress("sentinel", False, (("::1", 26379),), "shop", password="word"),
        ),
        (
            "redis+cluster://me@a:1",
            RedisAddress("cluster", False, (("a", 1),), username="me"),
        ),
        ("redis+cluster://a:1,b:2/", RedisAddress("cluster", False, (("a", 1), ("b", 2)))),
        (
            "rediss+cluster://me:word@a:1",
            RedisAddress("cluster", True, (("a", 1),), username="me", password="word"),
        ),
    ],
)
def test_url_is_read_as_documented(url: str, meant: RedisAddress) -> None:
    assert parse_redis_url(url) == meant


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://x", "must begin with redis://"),
        ("redis+sentinels://a:1/shop", "must begin with redis://"),
        ("unix+sentinel://a:1/shop", "must begin with redis://"),
        ("redis+sentinel://a:1", "/SERVICE"),
        ("redis+sentinel://a:1/", "/SERVICE"),
        ("redis+sentinel://a:1/shop/x", "/SERVICE"),
        ("redis+sentinel://a/shop", "host:port"),
        ("redis+sentinel://a:1,/shop", "host:port"),
        ("redis+sentinel://a:65536/shop", "host:port"),
        ("redis+cluster://", "host:port"),
        ("redis+cluster://a:0", "host:port"),
        ("redis+cluster://a:1/shop", "without a database"),
        ("redis+cluster://a:1?x=y", "without a database"),
        ("redis+cluster://me:s3cret@a:port", "host:port"),
    ],
)
def test_wrong_url_is_refused_without_repeating_it(url: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"redis_url": url})
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)
