"""Endpoints over https: whose certificates are trusted, and what is told of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.openai import OpenAIModel
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelRequest
from tests.servers.certificates import loopback_certificate
from tests.servers.model_apis.openai_server import OpenAIServer

HELLO = ModelRequest("default", (ChatMessage("user", "hello"),))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return loopback_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def server(certificate: tuple[Path, Path]) -> Iterator[OpenAIServer]:
    with OpenAIServer(certificate=certificate) as running:
        yield running


async def test_a_certificate_of_ones_own_is_trusted_by_its_file(
    server: OpenAIServer, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    model = OpenAIModel(ModelSettings("default", "m", "sk-a", base_url=server.url))
    assert (await model.reply(HELLO)).text == "You said: hello"
    await model.close()
    assert server.requests[-1].key == "sk-a"


async def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_said(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    before = len(server.requests)
    model = OpenAIModel(ModelSettings("default", "m", "sk-a", base_url=server.url))
    with pytest.raises(ModelFailed, match="certificate verify failed") as failure:
        await model.reply(HELLO)
    await model.close()
    assert (failure.value.kind, failure.value.permanent) == ("unreachable", False)
    assert len(server.requests) == before
