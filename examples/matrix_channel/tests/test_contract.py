"""The public suite of channels, on a small homeserver on loopback."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from bridge_matrix.channel import MatrixChannel, MatrixSettings
from homeserver import ANN, BRIDGE, TOKEN, Homeserver

from bridge_mcp.testing import ManualClock
from bridge_mcp.testing.channel_contract import ChannelContract, ChannelRig


class TestMatrix(ChannelContract):
    @pytest.fixture
    async def rig(self) -> AsyncGenerator[ChannelRig]:
        async with Homeserver() as server:
            channel = MatrixChannel(MatrixSettings("here", server.url, BRIDGE, TOKEN), ManualClock(1_800_000_000.0))
            yield ChannelRig(
                channel, server.ann_says, chat=ANN, read=server.bridge_said, reactions=server.bridge_reacted
            )
