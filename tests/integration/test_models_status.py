"""A model that fails is seen by whoever asks how the bridge is, with the whole truth; the chat gets a short word."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from bridge_mcp.core.chat_texts import FOR_THE_OWNER
from bridge_mcp.core.entries import Failed
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.models.registry import Models
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelHealth
from bridge_mcp.testing import FakeModel, says
from tests.integration.setup import ANN, OWNER, world
from tests.servers.model_apis.answers import failing
from tests.servers.model_apis.openai_server import OpenAIServer


@pytest.mark.shows("models.retry")
async def test_a_bad_key_is_told_in_the_chat_the_log_and_the_health(tmp_path: Path) -> None:
    with OpenAIServer(keys={"sk-right-and-secret"}) as server:
        models = Models({"default": ModelSettings("default", "gpt-test", "sk-wrong-and-secret", base_url=server.url)})
        async with world(tmp_path, models) as it:
            told = await it.settled("hi")
            log = await it.store.log.load("local/main")
            await models.close()
    fix = "Check api_key_env (or api_key_file) of [models.default] and what the key may do."
    assert told == f"The model did not accept its key. {fix}"
    (failure,) = [each.entry for each in log if isinstance(each.entry, Failed)]
    assert "HTTP 401" in failure.reason
    assert "Incorrect API key" in failure.reason
    assert "api_key_env (or api_key_file) of [models.default]" in failure.reason
    assert "wrong-and-secret" not in failure.reason
    (health,) = models.health()
    assert (health.name, health.error, health.kind) == ("default", failure.reason, "bad_key")


@pytest.mark.parametrize(
    ("chat", "role", "told"),
    [
        ("7", "user", "The model did not accept its key. The owner of this bot has to look at it."),
        ("7", "approver", "The model did not accept its key. Check the key."),
        ("-5", "approver", "The model did not accept its key. The owner of this bot has to look at it."),
    ],
)
async def test_whoever_can_mend_it_is_told_how(
    tmp_path: Path, chat: str, role: Literal["user", "approver"], told: str
) -> None:
    says_so = f"The model did not accept its key. {FOR_THE_OWNER}"
    failure = ModelFailed("401", fix="Check the key.", permanent=True, for_chat=says_so)
    async with world(tmp_path, FakeModel([failure])) as it:
        await it.bridge.pair_chat(OWNER, channel="family", chat=chat, role=role)
        await it.family.receive("hi", chat=chat, sender=ANN, group=chat.startswith("-"))
        (sent,) = await it.family.wait_for_sent(1)
    assert sent.text.replace("\\", "") == told


async def test_the_status_warns_of_models_that_fail(tmp_path: Path) -> None:
    model = FakeModel([says("Hello.")])
    model.healths = (
        ModelHealth(
            "default", "one", "models.default (one): no credit. Top up.", kind="no_credit", since=1.0, instead="two"
        ),
        ModelHealth("default", "two"),
        ModelHealth("other", "three", "models.other (three): unreachable.", kind="unreachable", since=2.0),
    )
    async with world(tmp_path, model) as it:
        await it.settled("hi")  # the engine is at work, so its board is up
        warnings = (await it.bridge.get_status(OWNER)).warnings
    assert warnings == (
        "Model default does not answer; two answers in its place: models.default (one): no credit. Top up.",
        "Model other does not answer: models.other (three): unreachable.",
    )


async def test_a_rate_limit_is_waited_out_as_long_as_the_provider_asks(tmp_path: Path) -> None:
    with OpenAIServer() as server:
        models = Models({"default": ModelSettings("default", "gpt-test", base_url=server.url)})
        server.answer(failing(429, "Slow down.", headers={"retry-after-ms": "250"}))
        async with world(tmp_path, models) as it:
            assert await it.settled("hi") == "You said: hi"
            log = await it.store.log.load("local/main")
            await models.close()
    ((index, failure),) = [(n, each) for n, each in enumerate(log) if isinstance(each.entry, Failed)]
    assert isinstance(failure.entry, Failed)
    assert failure.entry.retry_at is not None
    assert 0.2 < failure.entry.retry_at - failure.at <= 0.26
    assert log[index + 1].at >= failure.entry.retry_at - 0.001
