"""The first configuration: sections in the place of the template's examples, which all else of it outlives."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bridge_mcp.cli.first_files import write_drafted, write_new
from bridge_mcp.cli.init_channels import CHANNELS, ChannelQuestions
from bridge_mcp.config import examine
from bridge_mcp.config.draft import Section, drafted
from bridge_mcp.config.template import template
from bridge_mcp.core.errors import BadInput

TEMPLATE = template()

MODEL = Section("models.default", {"model": 'a "quoted" one'}, {"api_key": "sk-12345678"}, example="[models.default]")
BOT = Section("channels.telegram", {"type": "telegram"}, {"token": "123456:AbC-dEf"}, example='type = "telegram"')


@pytest.mark.parametrize("sections", [[], [MODEL], [BOT], [BOT, MODEL], [Section("channels.other", {"type": "local"})]])
def test_the_template_says_what_the_sections_say_and_keeps_its_other_lines(sections: list[Section]) -> None:
    named = [(each, {key: f'{key}_file = "secrets/{key}"' for key in each.secrets}) for each in sections]
    text = drafted(TEMPLATE, named)
    said, usual = tomllib.loads(text), tomllib.loads(TEMPLATE)
    for each in sections:
        kind, _, name = each.name.partition(".")
        assert said[kind].pop(name) == {**each.values, **{f"{key}_file": f"secrets/{key}" for key in each.secrets}}
        if not said[kind]:
            del said[kind]
    assert said == usual
    gone = [line for line in TEMPLATE.splitlines() if line not in text.splitlines()]
    assert len(gone) <= 4 * len(sections)


def test_commented_keys_below_a_section_of_ours_can_be_switched_on(tmp_path: Path) -> None:
    (written, *_) = write_drafted(tmp_path / "bridge.toml", TEMPLATE, [MODEL, BOT])
    text = re.sub(r"^# (history_limit = 200|fallbacks = .*)", r"\1", written.read_text(), flags=re.MULTILINE)
    written.write_text(text)
    said = tomllib.loads(text)
    assert said["channels"]["telegram"]["history_limit"] == 200
    assert said["models"]["default"]["fallbacks"]
    _, wrong = examine(written, env={})
    assert wrong is None


def test_what_fails_leaves_no_secret_behind(tmp_path: Path) -> None:
    target = tmp_path / "there" / "bridge.toml"
    write_new(target, "# mine\n")
    with pytest.raises(BadInput, match="is there already"):
        write_drafted(target, TEMPLATE, [MODEL, BOT])
    assert [each.name for each in target.parent.rglob("*")] == ["bridge.toml"]
    assert target.read_text() == "# mine\n"


def test_secrets_of_another_time_are_not_written_over(tmp_path: Path) -> None:
    write_new(tmp_path / "secrets" / "telegram.token", "older\n")
    write_drafted(tmp_path / "bridge.toml", TEMPLATE, [BOT])
    said = tomllib.loads((tmp_path / "bridge.toml").read_text())["channels"]["telegram"]
    assert said["token_file"] == "secrets/telegram.token.2"
    assert (tmp_path / "secrets" / "telegram.token").read_text() == "older\n"


@pytest.mark.parametrize("kind", CHANNELS, ids=lambda kind: kind.title)
def test_every_type_of_channel_that_is_asked_about_has_an_example(kind: ChannelQuestions) -> None:
    assert f'# type = "{kind.type}"' in TEMPLATE
