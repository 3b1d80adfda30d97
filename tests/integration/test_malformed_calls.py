"""A call whose arguments cannot be read costs the model one answer, and neither the turn nor the chat."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.core.entries import Usage
from bridge_mcp.ports import ModelCall, ModelReply
from bridge_mcp.testing import FakeModel, FakeToolbox, says
from tests.integration.setup import OWNER, world

DEEP = '{"a": ' + "[" * 1_200 + "]" * 1_200 + "}"

ARGUMENTS = [
    ('{"n": NaN}', "NaN"),
    ('{"n": -Infinity}', "-Infinity"),
    ('{"n": 1e999}', "number"),
    ('{"n": ' + "9" * 5_000 + "}", "number"),
    (DEEP, "nested"),
    ('{"a": ' + "[" * 100_000, "nested"),
    ('{"path": "a", "path": "b"}', "twice"),
    ('{"text": "\\ud83d"}', "UTF-16"),
    ("[1]", "not a JSON object"),
    ('{"a": 1', "not valid JSON"),
]


@pytest.mark.parametrize(("arguments", "told"), ARGUMENTS, ids=[told for _, told in ARGUMENTS])
async def test_the_model_is_told_and_the_chat_goes_on(tmp_path: Path, arguments: str, told: str) -> None:
    toolbox = FakeToolbox()

    @toolbox.tool("files__list", read_only=True)
    async def listed(given: object) -> str:
        raise AssertionError(f"it ran with {given!r}")

    bad = ModelReply("", (ModelCall("c1", "files__list", arguments),), "fake", usage=Usage())
    model = FakeModel([bad, says("sorry"), says("hello")])
    async with world(tmp_path, model, toolbox) as it:
        first = await it.bridge.wait_for(OWNER, f"turn:{await it.say('which files?')}", timeout_s=20)
        assert (first.outcome, first.text) == ("replied", "sorry")
        result = model.requests[1].messages[-1]
        assert result.role == "tool"
        assert told in result.text
        second = await it.bridge.wait_for(OWNER, f"turn:{await it.say('anybody?')}", timeout_s=20)
        assert (second.outcome, second.text) == ("replied", "hello")
        page = await it.bridge.read_messages(OWNER, "local/main", calls=True)
        assert [call.outcome for call in page.calls or ()] == ["error"]


async def test_half_a_character_in_an_answer_is_replaced(tmp_path: Path) -> None:
    model = FakeModel([ModelReply("a\ud83db", (), "m\udc00", usage=Usage())])
    async with world(tmp_path, model, FakeToolbox()) as it:
        turn = await it.bridge.wait_for(OWNER, f"turn:{await it.say('hi')}", timeout_s=20)
        assert (turn.outcome, turn.text) == ("replied", "a\ufffdb")
