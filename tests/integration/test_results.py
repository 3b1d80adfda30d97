"""Reading on in a tool's result: `bridge__read_result`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bridge_mcp.core.entries import Cleared, Finished, Replied
from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import CallContext, Store
from bridge_mcp.testing import FakeToolbox
from bridge_mcp.toolservers.builtin import WithBuiltins
from bridge_mcp.toolservers.read_result import read_result
from tests.integration.setup import WallClock, open_store

HERE = "local/main"


async def read(
    store: Store, handle: str, offset: int, *, conversation: str = HERE, chars: int = 10
) -> tuple[str, bool]:
    async def at_once(conversation: str) -> int:
        return chars

    box = WithBuiltins(FakeToolbox(), [read_result(store.log, at_once)])
    (spec,) = box.tools()
    given: Mapping[str, JSON] = {"handle": handle, "offset": offset}
    result = await box.call(spec, given, context=CallContext(conversation))
    return result.text, result.is_error


async def test_a_result_is_read_on_from_the_log_and_only_in_its_own_conversation(tmp_path: Path) -> None:
    store = await open_store(tmp_path, WallClock())
    await store.log.record(HERE, Finished("4.0", "ok", "abcdefghijklmnopqrstuvwxyz"))
    assert await read(store, "4.0", 10) == ("klmnopqrst\n[characters 10 to 20 of 26; go on with offset 20]", False)
    assert await read(store, "4.0", 20) == ("uvwxyz\n[characters 20 to 26 of 26; that is its end]", False)
    assert await read(store, "4.0", 26) == (
        "The result 4.0 has 26 characters; 26 is behind its end. Give an offset below 26.",
        True,
    )
    for handle, conversation in (("4.1", HERE), ("4.0", "local/other"), ("' OR 1", HERE)):
        text, refused = await read(store, handle, 0, conversation=conversation)
        assert refused
        assert text.startswith(f"There is no result '{handle}' here.")
    assert (await read(store, "4.0", -1))[1]
    await store.close()


async def test_what_was_cleared_cannot_be_read_any_more(tmp_path: Path) -> None:
    store = await open_store(tmp_path, WallClock())
    await store.log.record(HERE, Finished("4.0", "ok", "secret"), Replied("x"), Cleared("ann"))
    text, refused = await read(store, "4.0", 0)
    assert refused
    assert "secret" not in text
    await store.close()
