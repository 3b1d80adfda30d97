"""Publishes how the engine's channels, tools and models are, at changes and now and then; writes changes alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Struct

from bridge_mcp.core.results import ToolList, Trouble
from bridge_mcp.core.tools import FIND_TOOLS, READ_RESULT, ToolSpec
from bridge_mcp.engine.supervision import TaskSupervisor
from bridge_mcp.engine.turns.policies import Policies
from bridge_mcp.operations import status_board
from bridge_mcp.operations.tool_pins import apply_accepted
from bridge_mcp.ports import Channel, ChannelHealth, Model, ServerStatus, StatusName, Store, Toolbox
from bridge_mcp.wakeup import Signal

__all__ = ["Elsewhere", "StatusPublisher"]

Listed: TypeAlias = tuple[tuple[ToolSpec, ...], tuple[ServerStatus, ...]]

LOOK_S = 2.0
"""How often the state of channels and servers is looked at, beside at changes."""


class Elsewhere(Struct, frozen=True):
    """What other processes on the store tell of themselves."""

    channels: Mapping[str, ChannelHealth] = {}
    """How the channels are that they run."""
    troubles: Mapping[str, Trouble] = {}
    """What fails there."""


class StatusPublisher:
    """Looks at the engine's parts, and tells all processes by the store."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        toolbox: Toolbox,
        model: Model,
        policies: Policies,
        supervisor: TaskSupervisor,
        reconnect: Callable[[], object],
        look_again: Callable[[], object],
        retry: Callable[[str], object],
        elsewhere: Callable[[], Elsewhere],
    ) -> None:
        """What somebody asks for: `reconnect` has the tool servers connected anew, and `retry` runs a channel afresh.

        `look_again` is called when tools or servers changed. `elsewhere` tells of what other processes do.
        """
        self._store = store
        self._channels = channels
        self._toolbox = toolbox
        self._model = model
        self._policies = policies
        self._supervisor = supervisor
        self._reconnect = reconnect
        self._look_again = look_again
        self._retry = retry
        self._elsewhere = elsewhere
        self.publishes = True
        """Whether this process is the one that publishes; it looks at its tools in any case."""
        self._listed: Listed | None = None
        """The tools and servers as last looked at."""
        self._changed = Signal()
        self._published: Mapping[StatusName, object] = {}
        """What was published last; what is not there is published in any case."""

    def changed(self) -> None:
        """Note that a channel or a tool server changed: the status is published at once."""
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled: at changes, and every `LOOK_S`."""
        reloaded, retried = await status_board.asked_for(self._store)
        while True:
            await self._changed.wait(LOOK_S)
            asked, retries = await status_board.asked_for(self._store)
            if asked != reloaded:
                reloaded = asked
                self._reconnect()
            for name in (channel for channel, at in retries.items() if at != retried.get(channel)):
                self._retry(name)
            retried = retries
            await apply_accepted(self._store.tool_pins, self._toolbox)
            await self.publish() if self.publishes else self._look()

    async def publish(self) -> None:
        """Publish the state of channels, tool servers and models, and what fails; write only changes."""
        published, self._published = self._published, {}
        elsewhere, (specs, statuses) = self._elsewhere(), self._look()
        status: dict[StatusName, object] = {
            "channels": {name: channel.health() for name, channel in self._channels.items()} | dict(elsewhere.channels),
            "tools": ToolList(specs, tuple(map(status_board.server_info, statuses))),
            "models": self._model.health(),
            "complaints": self._complaints(),
            "troubles": self._supervisor.troubles.all() | dict(elsewhere.troubles),
        }
        for name, part in status.items():
            if published.get(name) != part:
                await status_board.publish(self._store, name, part)
        self._published = status

    def _look(self) -> Listed:
        """The tools and servers as they are; when they have changed, what waits is looked at once more."""
        # Tools for reading on and searching are for models alone: clients get whole results.
        published = tuple(spec for spec in self._toolbox.tools() if spec.name not in (READ_RESULT, FIND_TOOLS))
        listed = (published, self._toolbox.status())
        if listed != self._listed:
            self._listed = listed
            self._look_again()
        return listed

    def _complaints(self) -> dict[str, str]:
        """By channel: what is wrong with its settings although it works."""
        complaints = self._policies.crowded()
        for channel, complaint in self._policies.prompts.complaints.items():
            complaints[channel] = f"{complaint} {complaints.get(channel, '')}".strip()
        return complaints
