"""The tables of docs/settings.md; `python -m tests.settings_page` writes them."""

from pathlib import Path
from typing import Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from contracts.options import SECRET_SETTINGS
from contracts.settings import Settings
from feed.serve.settings import ServeSettings
from stack.settings import StackSettings

PAGE: Final = Path(__file__).parents[1] / "docs" / "settings.md"
"""The page that holds the tables."""

_MARKS: Final[dict[str, tuple[type[BaseSettings], str]]] = {
    "settings": (Settings, "<!-- settings: written by `python -m tests.settings_page` -->"),
    "serve settings": (ServeSettings, "<!-- serve settings -->"),
    "stack settings": (StackSettings, "<!-- stack settings -->"),
}


def settings_table(model: type[BaseSettings]) -> str:
    """Return a model's `GENRECAST_*` settings as a Markdown table."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        is_shown_before = issubclass(model, Settings) and name in Settings.model_fields
        if field.validation_alias is not None or (is_shown_before and model is not Settings):
            continue  # the machine's own variables, such as JAVA_HOME, and the deployment's
        note = "" if name not in SECRET_SETTINGS else " No option."
        rows.append(
            f"| `GENRECAST_{name.upper()}` | {_default(field)} | {field.description}{note} |"
        )
    return "\n".join(rows)


def _default(field: FieldInfo) -> str:
    default = field.default
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, tuple):
        default = " ".join(f"{level:g}" for level in default)
    return "" if default in (None, "") else f"`{default}`"


def with_tables(text: str) -> str:
    """Return the page's text with the tables between their marks."""
    for name, (model, mark) in _MARKS.items():
        end = f"<!-- {name} end -->"
        table = f"{mark}\n{settings_table(model)}\n{end}"
        before, _, rest = text.partition(mark)
        text = before + table + rest.partition(end)[2]
    return text


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
