"""Which principals are one person: as the owner says, and this machine's user in any case."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.cli.check import quorums
from bridge_mcp.config import Config, load_config
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.core.people import People

ANN = People({"phone": "ann", "family:7": "ann", "stdio": "ann", "bob-laptop": "bob"})

BASE = """
[models.default]
model = "scripted"
script = "rules.toml"
[channels.local]
type = "local"
responder = "relay"
"""


def read(folder: Path, text: str) -> People:
    return config_of(folder, text).rules.people


def config_of(folder: Path, text: str) -> Config:
    (folder / "rules.toml").write_text('[[rule]]\nwhen = ".*"\nsay = "hi"\n')
    (folder / "bridge.toml").write_text(BASE + text)
    env = {"BRIDGE_MCP_STATE_DIR": str(folder / "state")}
    return load_config(folder / "bridge.toml", env=env)


def test_this_machines_user_is_one_person_by_whatever_name() -> None:
    nobody = People()
    assert nobody.is_same_person("owner", "stdio")
    assert nobody.is_same_person("loopback", "cli")
    assert nobody.is_same_person("person at stdio", "owner")
    assert not nobody.is_same_person("owner", "phone")
    assert nobody.person("owner") == "", "nobody says who that is"
    assert ANN.person("owner") == ANN.person("loopback") == ANN.person("person at stdio") == "ann"
    assert ANN.is_same_person("owner", "phone")


def test_who_is_not_named_is_not_counted() -> None:
    assert ANN.distinct(["phone", "family:7", "owner", "carol", "bob-laptop"]) == {"ann", "bob"}
    assert not ANN.is_same_person("carol", "dave")
    assert ANN.is_same_person("carol", "carol")
    assert not ANN.is_same_person("phone", "bob-laptop")


def test_people_are_read_from_the_config(tmp_path: Path) -> None:
    found = read(tmp_path, '[people.ann]\nprincipals = ["owner", "phone"]\n[people.bob]\nprincipals = ["local:42"]\n')
    assert found == People({"owner": "ann", "phone": "ann", "local:42": "bob"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[people.ann]\nprincipals = ["phone"]\n[people.bob]\nprincipals = ["phone"]', "'phone' is ann already"),
        ('[people.ann]\nprincipals = ["owner"]\n[people.bob]\nprincipals = ["stdio"]', "'stdio' is ann already"),
        ('[people.ann]\nprincipals = ["assistant"]', "'assistant' is not a person"),
        ('[people.ann]\nprincipals = ["famly:7"]', "there is no 'famly' among the channels"),
        ('[people.ann]\nprincipals = ["local:bob"]', "'bob' is not a user's id"),
        ('[people.ann]\nprincipals = ["a b"]', "'a b' is not a principal"),
        ("[people.ann]\nprincipals = []", "people.ann"),
    ],
)
def test_a_principal_of_two_people_or_of_none_is_an_error(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert told in str(refused.value)


def test_check_says_where_so_many_people_are_not_named(tmp_path: Path) -> None:
    wanted = '[approvals.tools."files__*"]\nquorum = 2\n[channels.local.tools."bank__*"]\nquorum = 3\n'
    two = '[people.ann]\nprincipals = ["owner"]\n[people.bob]\nprincipals = ["bob"]\n'
    told = [each.told for each in quorums(config_of(tmp_path, wanted))]
    assert len(told) == 2
    assert "files__*" in told[0]
    assert "names 0" in told[0]
    (left,) = quorums(config_of(tmp_path, wanted + two))
    assert "bank__*" in left.told
    assert not left.fine
    assert list(quorums(config_of(tmp_path, "[approvals]\nquorum = 2\n" + two))) == []
