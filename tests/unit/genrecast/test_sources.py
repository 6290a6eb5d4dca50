"""What keeps a command from what it needs of other folders is told as click tells it."""

from typing import Any, NoReturn

import click
import pytest

from consumer.errors import BrokerLinkRefusedError, BrokerRefusedError
from contracts.options import ConfigurationError
from contracts.settings import Settings
from genrecast.sources import history_from_topic


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (BrokerLinkRefusedError("Kafka refuses the login"), ConfigurationError, 2),
        (BrokerRefusedError("Kafka denies our user Read"), click.ClickException, 1),
    ],
)
def test_a_refused_login_is_a_wrong_setting_and_a_missing_right_is_not(
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    kind: type[click.ClickException],
    status: int,
) -> None:
    def refused(*_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 (whatever is asked)
        raise error

    monkeypatch.setattr("consumer.recount.recount_topic", refused)
    with pytest.raises(kind, match=str(error)) as caught:
        history_from_topic(Settings())
    assert caught.value.exit_code == status
