"""How the bridge is: its channels and tools, and its status with what is wrong and what helps."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator

from msgspec.structs import replace

from bridge_mcp import __version__
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.results import ChannelInfo, Fix, Queue, Status, ToolList, Worker
from bridge_mcp.core.spending import Spent, day_of
from bridge_mcp.operations import status_board
from bridge_mcp.operations.access import MAX_REQUESTS
from bridge_mcp.operations.approver_check import ApproverCheck
from bridge_mcp.operations.engine_liveness import troubles
from bridge_mcp.operations.engine_settings import Settings, difference, published_settings, started_again
from bridge_mcp.operations.event_callbacks import failing_callbacks
from bridge_mcp.operations.status_warnings import CHECK, Looked, Warned, warnings
from bridge_mcp.ports import Pulse, WorkerInfo
from bridge_mcp.service.base import BridgeBase

__all__ = ["StatusReading"]


class StatusReading(BridgeBase):
    """Methods that need the scope `read`."""

    async def list_channels(self, who: Principal) -> tuple[ChannelInfo, ...]:
        """The channels `who` may see, in the order of the config."""
        who.require("read")
        reported = await status_board.channels(self.store)
        visible = {name: traits for name, traits in self.traits.items() if who.sees_channel(name)}
        today = [await self._today(self._within(who, name)) for name in visible]
        return tuple(
            replace(status_board.channel_info(traits, self.rules.channel(name), reported.get(name)), today=spent)
            for (name, traits), spent in zip(visible.items(), today, strict=True)
        )

    async def list_tools(self, who: Principal) -> ToolList:
        """The nested tools, as the engine last published them; for a limited client, those of its channels."""
        who.require("read")
        return await self._tools(who)

    async def get_status(self, who: Principal) -> Status:
        """The state of the bridge, with warnings; for a limited client, within its limits."""
        who.require("read")
        reported, lives = await status_board.engine(self.store), self._engine_lives()
        engine = reported if lives else None
        starting = engine is None and (lives or self._starting())
        theirs = await published_settings(self.store) if lives and not self._is_engine() else None
        settings = theirs or self._settings
        listed = await self._tools(who)
        channels = await self.list_channels(who)
        pulse = self._pulse() if lives else None
        complaints = await status_board.complaints(self.store)
        undelivered = await self.store.channel_state.undelivered()
        looked = Looked(
            reported,
            lives,
            starting,
            channels=channels,
            listed=listed,
            models=await status_board.models(self.store),
            complaints={name: text for name, text in complaints.items() if who.sees_channel(name)},
            stuck=await self._stuck(who, await status_board.tools(self.store)),
            failing={} if who.within or not lives else await status_board.troubles(self.store),
            undelivered={name: why for name, why in undelivered.items() if who.sees(name)},
            begin=self.store.workers.begin,
        )
        warned = await self._warned(who, pulse, theirs, looked)
        silent = lives and self._silence() != ""
        return Status(
            version=__version__,
            role="engine" if self._is_engine() else "face",
            engine="silent" if silent else "running" if engine else "starting" if starting else "none",
            settings=settings.where,
            engine_pid=engine.pid if engine else None,
            engine_since=engine.since if engine else 0.0,
            engine_seen=pulse.at if pulse else 0.0,
            engine_wrote=pulse.written_at if pulse else 0.0,
            channels=channels,
            servers=listed.servers,
            waiting_approvals=await self.store.approvals.count(status="waiting", within=who.within),
            queued_messages=await self.store.outbox.pending(who.within),
            event_cursor=await self.store.feed.head(who.within),
            today=await self._today(who.within),
            warnings=tuple(warning.text for warning in warned),
            fixes=tuple(warning.fix for warning in warned),
            workers=() if who.within else tuple(worker(info) for info in await self.store.workers.listed()),
            queue=Queue() if who.within else await self.store.workers.queue(),
        )

    async def _warned(
        self, who: Principal, pulse: Pulse | None, theirs: Settings | None, looked: Looked
    ) -> tuple[Warned, ...]:
        """The warnings of a status: of the store, the settings, and what the engine published."""
        silent = self._silence() if looked.lives else ""
        stored = () if who.within else tuple(troubles(pulse, self.store.health(), self.clock.now()))
        return (
            *([Warned(silent, Fix(paste=f"kill -CONT {pulse.pid}"))] if silent and pulse else []),
            *(Warned(text, CHECK) for text in stored),
            *self._of_settings(who, theirs, pulse),
            *(await self._crowded(who)),
            *(await failing_callbacks(self.store, who)),
            *warnings(looked),
        )

    async def _crowded(self, who: Principal) -> tuple[Warned, ...]:
        """Warnings for channels with so many requests for pairing that the oldest are dropped."""
        asking = Counter(request.channel for request in await self.store.access.requests(self.clock.now()))
        return tuple(
            Warned(
                f"Channel {name}: {count} strangers ask to be let in, and the oldest requests give way to new ones. "
                "Let in whom you expect by the code they read to you, or by their id; see list_pairings.",
                Fix("pairing", name, paste="bridge-mcp pair list"),
            )
            for name, count in asking.items()
            if count >= MAX_REQUESTS and who.sees_channel(name)
        )

    async def other_settings(self) -> str:
        """How this process's settings differ from the engine's, for the owner; "" if they do not."""
        theirs = await published_settings(self.store) if self._engine_lives() and not self._is_engine() else None
        return difference(self._settings, theirs) if theirs else ""

    def _of_settings(self, who: Principal, theirs: Settings | None, pulse: Pulse | None) -> Iterator[Warned]:
        """Warnings about settings: a difference from the engine's, and missing secrets."""
        if who.within:
            return
        if theirs and (differs := difference(self._settings, theirs)):
            if self._settings.file != theirs.file:
                paste = f"--config {shlex.quote(theirs.file)}" if theirs.file else "bridge-mcp check"
                yield Warned(differs, Fix(paste=paste))
            else:  # the engine reads no settings anew before it is another process
                words, paste = started_again(theirs, pulse.pid) if pulse else ("", "bridge-mcp serve")
                yield Warned(f"{differs} {words}".strip(), Fix(paste=paste))
        settings = theirs or self._settings
        for lacks in settings.lacking:  # of what is started once the secret is there
            yield Warned(lacks, Fix(paste=settings.service or settings.command or CHECK.paste))

    async def _stuck(self, who: Principal, listed: ToolList) -> dict[str, str]:
        """By channel: which calls nobody could approve there. `who` counts as an approver."""
        stored = [client.principal for client in await self.store.clients.all()]
        asking = [who] if who.kind == "client" else []
        reach = ApproverCheck(
            self.rules, self.traits, await self.store.access.pairings(), clients=[*self._clients, *stored, *asking]
        )
        return {name: complaint for name, complaint in reach.complaints(listed.tools).items() if who.sees_channel(name)}

    async def _today(self, within: frozenset[str]) -> Spent:
        """The tokens and cost of models since 00:00 UTC, in these channels and chats, or in all."""
        day = day_of(self.clock.now())
        return sum(await self.store.spending.on(day, *(within or {""})), Spent())


def worker(info: WorkerInfo) -> Worker:
    """A worker, as a status tells of it."""
    return Worker(
        info.host,
        info.pid,
        info.version,
        under_way=info.under_way,
        concurrency=info.concurrency,
        holds=info.holds,
        since=info.since,
        seen=info.seen,
        refuses=info.refuses,
        schema_version=info.schema_version,
        clock_off_s=info.clock_off_s,
    )
