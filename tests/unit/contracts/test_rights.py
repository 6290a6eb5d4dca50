"""Least rights: what scripts use, what is printed and what the page says are the same."""

import re
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from contracts.rights import READS, ROLES, WRITES, kafka_rights, redis_rules
from contracts.settings import Settings
from contracts.topic_layouts import topic_layouts
from feed.serve.settings import ServeSettings
from genrecast.cli import cli
from state.scripted import READING

PAGE = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")

SCRIPTS = {
    script.name: script.read_text(encoding="utf-8")
    for script in (resources.files("state") / "scripts").iterdir()
    if script.name.endswith(".lua")
}

READERS = {f"{name}.lua" for name in READING}


def commands_of(names: set[str]) -> set[str]:
    calls = (re.findall(r"redis\.call\('(\w+)'", SCRIPTS[name]) for name in names)
    return {command.lower() for found in calls for command in found}


def test_whoever_writes_may_run_every_command_of_the_scripts_and_each_is_tried_before() -> None:
    assert commands_of(set(SCRIPTS)) <= set(WRITES)
    assert set(READS) <= set(WRITES)
    tried = re.findall(r"\{'([A-Z]+)'", SCRIPTS["rights.lua"])
    assert sorted(command.lower() for command in tried) == sorted(WRITES)


def test_whoever_looks_may_run_no_command_that_writes() -> None:
    who_writes_too = {"hlen"}  # progress.lua, where it is asked for some partitions
    assert commands_of(READERS) - who_writes_too <= set(READS)
    writing = commands_of(set(SCRIPTS) - READERS) - commands_of(READERS)
    assert not set(READS) & (writing - {"hget", "hgetall", "get", "lrange", "zrange"})


@pytest.mark.parametrize("role", ["consumer", "serve"])
def test_the_page_has_what_redis_is_told(role: str) -> None:
    rules = " ".join(redis_rules(role, Settings(app="shop"), "server"))
    commands = rules[rules.index("+") :]
    assert commands in PAGE
    if role == "consumer":
        assert f"ACL SETUSER shop on >PASSWORD {rules}\n" in PAGE


@pytest.mark.parametrize("role", ROLES)
def test_the_commands_of_a_role_name_its_topics_group_and_app(role: str) -> None:
    done = CliRunner().invoke(
        cli, ["rights", role, "--user", "shop", "--app", "shop", "--topic-clicks", "shop.clicks"]
    )
    assert done.exit_code == 0, done.output
    settings = Settings(app="shop", topic_clicks="shop.clicks")
    for right in kafka_rights(role, settings):
        line = f"--operation {right.operation} --{right.resource} {right.name}\n"
        assert line in done.output
        assert f"`{right.name}`".replace("shop.clicks", "clicks") in PAGE
    assert ("ACL SETUSER shop on >PASSWORD" in done.output) == (
        role in {"consumer", "tools", "serve"}
    )


def test_whoever_makes_topics_may_make_every_one() -> None:
    made = {
        right.name for right in kafka_rights("setup", Settings()) if right.operation == "Create"
    }
    assert made == set(topic_layouts(Settings()))


def test_alerts_want_one_right_more() -> None:
    more = set(kafka_rights("consumer", Settings(alerts="all"))) - set(
        kafka_rights("consumer", Settings())
    )
    assert [(right.name, right.operation) for right in more] == [("genre-alerts", "Write")]


def test_the_page_names_every_secret_and_its_file() -> None:
    for name, field in ServeSettings.model_fields.items():
        if SecretStr in getattr(field.annotation, "__args__", (field.annotation,)):
            assert f"`GENRECAST_{name.upper()}`" in PAGE
            assert f"{name}_file" in ServeSettings.model_fields
            assert f"`GENRECAST_{name.upper()}_FILE`" in PAGE
