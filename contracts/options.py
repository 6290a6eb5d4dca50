"""Settings as command-line options: every command takes what it needs, spelled alike."""

import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from pydantic import SecretStr, ValidationError

from contracts.link_settings import ENVIRONMENT_PREFIX
from contracts.settings import Settings

SECRET_SETTINGS: Final = frozenset({"kafka_password", "redis_sentinel_password", "serve_token"})
"""Settings that are no options: a command line can be read by others on the machine."""

KAFKA_CONNECTION: Final = (
    "kafka_bootstrap",
    "kafka_security_protocol",
    "kafka_sasl_mechanism",
    "kafka_username",
    "kafka_password_file",
    "kafka_ca_file",
    "kafka_certificate_file",
    "kafka_key_file",
)
"""Settings that anybody who talks to Kafka takes."""

REDIS_CONNECTION: Final = (
    "redis_url",
    "redis_url_file",
    "redis_password_file",
    "redis_ca_file",
    "redis_certificate_file",
    "redis_key_file",
    "redis_sentinel_username",
    "redis_sentinel_password_file",
)
"""Settings that anybody who talks to Redis takes."""

EXIT_CONFIGURATION: Final = 2
"""Exit status for wrong settings or usage."""


class ConfigurationError(click.ClickException):
    """A setting is wrong: the message names it and says what is allowed; exit status 2."""

    exit_code = EXIT_CONFIGURATION


_VALUE: Final[dict[str, Any]] = {"metavar": "VALUE"}
_SWITCH: Final[dict[str, Any]] = {"metavar": "[BOOLEAN]", "is_flag": False, "flag_value": "true"}

AnySettings = TypeVar("AnySettings", bound=Settings)
"""The settings of a command: the deployment's, or those and its own."""


def load_settings(model: type[AnySettings], **options: Any) -> AnySettings:  # noqa: ANN401
    """Build the settings from options over the environment.

    Raises:
        ConfigurationError: Naming each wrong setting and what is allowed.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return model(**given)
    except ValidationError as error:
        raise ConfigurationError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    lines = []
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0]) if detail["loc"] else "settings"
        variable = ENVIRONMENT_PREFIX + name.upper()
        is_secret = name in SECRET_SETTINGS or "url" in name or name == "settings"
        shown = "" if is_secret else f" (was {str(detail['input'])[:80]!r})"
        lines.append(f"{variable}: {detail['msg'].removeprefix('Value error, ')}{shown}")
    return "wrong settings\n  " + "\n  ".join(lines)


def with_settings(
    *names: str, model: type[Settings] = Settings
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a click command options for the settings `names` of `model` (all when none are named).

    The command receives one keyword argument, `settings`. Values stay text: pydantic validates
    options and environment alike, so both are refused with the same words. A setting that is true
    or false may be given without a value: true.
    """
    chosen = names or tuple(n for n in model.model_fields if n not in SECRET_SETTINGS)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (passed through)
            options = {name: kwargs.pop(name) for name in chosen}
            return command(*args, settings=load_settings(model, **options), **kwargs)

        for name in reversed(chosen):
            field = model.model_fields[name]
            default = field.default
            shown = default.get_secret_value() if isinstance(default, SecretStr) else default
            if isinstance(shown, tuple):
                shown = " ".join(f"{item:g}" for item in shown)
            note = "" if shown in (None, "") else f" [default: {shown}]"
            wrapper = click.option(
                f"--{name.replace('_', '-')}",
                name,
                default=None,
                **(_SWITCH if field.annotation is bool else _VALUE),
                help=f"{field.description}{note}",
            )(wrapper)
        return wrapper

    return decorate
