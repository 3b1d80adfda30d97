"""Answers as large as they get, through the published client as it is by default, in both eras over HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bridge_mcp.core.entries import Attachment
from bridge_mcp.service import OWNER
from tests.integration.face_child import ALL, CLIENTS
from tests.integration.face_clients import ERAS, called, over_http
from tests.integration.setup import World, world
from tests.integration.test_scopes import serving

LARGE = 2_500_000


@pytest.fixture
async def served(tmp_path: Path) -> AsyncGenerator[tuple[World, str]]:
    async with world(tmp_path) as it, serving(it.bridge, clients=CLIENTS) as address:
        yield it, address


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("form", ["auto", "text", "base64"])
async def test_a_large_file_comes_in_pieces_that_the_client_takes(
    served: tuple[World, str], era: str, form: str
) -> None:
    it, address = served
    it.local.files["big"] = b"line of text\n" * (LARGE // 13) if form != "base64" else os.urandom(LARGE)
    big = Attachment("big", "file", "text/plain" if form != "base64" else "application/zip", name="big", size=LARGE)
    await it.local.receive("look", attachments=[big], chat="main")
    message = (await it.bridge.read_messages(OWNER, "local/main")).messages[-1].id
    async with over_http(era, address, ALL) as client:
        for most in (None, 900_000, 10_000_000):
            asked = {"message": message, "form": form} | ({} if most is None else {"max_bytes": most})
            found = await called(client, "fetch_attachment", asked)
            size = len(found.model_dump_json())
            assert 0 < size < 16 * 1024 * 1024
            assert found.is_error or found.content
        assert not (await called(client, "get_status", {})).is_error, "the session lives"


@pytest.mark.shows("tools.pages")
@pytest.mark.parametrize("era", ERAS)
async def test_pages_of_long_messages_are_taken_and_lead_to_the_end(served: tuple[World, str], era: str) -> None:
    it, address = served
    for number in range(12):
        await it.local.receive(f"{number}: " + "wörds and more " * 20_000, chat="main")
    async with over_http(era, address, ALL) as client:
        for tool, arguments in (
            ("read_messages", {"conversation": "local/main", "limit": 200}),
            ("wait_for_events", {"after": "0", "timeout_s": 0, "limit": 500}),
        ):
            found = await called(client, tool, arguments)
            assert found.structured_content is not None, tool
            assert not (await called(client, "get_status", {})).is_error, "the session lives"
