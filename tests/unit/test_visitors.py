"""How long whoever came over HTTP may stay: as long as their token, also where the machine sleeps meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.policy import Principal
from bridge_mcp.server.http import authenticator
from bridge_mcp.server.http.authenticator import VERIFIED_S, AuthenticatedClient, Authenticator, VerifiedTokens
from bridge_mcp.stores.sqlite import open_store
from tests.integration.setup import WallClock

ANN = Principal("ann", "client", frozenset({"read"}))


class Elapsed:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(("slept", "ended"), [(10.0, False), (601.0, True)])
async def test_a_stream_ends_with_its_token_where_the_machine_slept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slept: float, ended: bool
) -> None:
    monkeypatch.setattr(authenticator, "LOOK_S", 0.02)
    passing = Elapsed()
    known = Authenticator({}, elapsed=passing)
    store = await open_store(tmp_path / "bridge.db", clock=WallClock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(known.watch, store.agenda)
        with known.open_request(AuthenticatedClient(ANN, until=time.time() + 600)) as scope:
            passing.seconds += slept
            await anyio.sleep(0.3)
        assert scope.cancelled_caught == ended
        tasks.cancel_scope.cancel()
    await store.close()


def test_a_signature_counts_no_longer_for_a_machine_that_slept() -> None:
    passing = Elapsed()
    verified = VerifiedTokens(passing)
    verified.keep("hash", AuthenticatedClient(ANN, until=time.time() + 600))
    passing.seconds += VERIFIED_S - 1
    assert verified.get("hash") is not None
    passing.seconds += 2
    assert verified.get("hash") is None
