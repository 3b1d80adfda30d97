"""Pairings, grants, changed tools, chat commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from bridge_mcp.core.errors import BadInput, Denied, NotFound
from bridge_mcp.core.events import Event
from bridge_mcp.core.grants import Grant, makes_grants
from bridge_mcp.core.policy import Principal
from bridge_mcp.core.results import InstructionChange, ToolChange
from bridge_mcp.operations import commands, conversations, server_instructions, status_board, tool_pins
from bridge_mcp.operations.client_limits import may_use
from bridge_mcp.ports import (
    Pairing,
    PairingRequest,
)
from bridge_mcp.service.base import BridgeBase, check_patterns

__all__ = ["Administration"]


class Administration(BridgeBase):
    """Methods that need the scope `admin`."""

    async def list_pairings(
        self, who: Principal, *, channel: str = ""
    ) -> tuple[tuple[Pairing, ...], tuple[PairingRequest, ...]]:
        """The pairings, and the open requests for one."""
        who.require("admin")
        self._within(who, channel)
        pairings = await self.store.access.pairings(channel)
        requests = await self.store.access.requests(self.clock.now())
        return (
            tuple(p for p in pairings if who.sees(f"{p.channel}/{p.subject}")),
            tuple(r for r in requests if who.sees(f"{r.channel}/{r.subject}") and channel in ("", r.channel)),
        )

    async def pair_chat(
        self,
        who: Principal,
        *,
        code: str = "",
        channel: str = "",
        chat: str = "",
        role: Literal["user", "approver"] = "user",
        name: str = "",
    ) -> Pairing:
        """Pair a chat or a person: by the one-time `code` they were shown, or by `channel` and platform id."""
        who.require("admin")
        if role not in ("user", "approver"):
            raise BadInput(f"There is no role '{role}'.", fix="Use user or approver.")
        return await conversations.pair(
            self.store, self.clock, self.traits, who, code, Pairing(channel, chat, role, name=name)
        )

    async def unpair_chat(self, who: Principal, *, channel: str, chat: str) -> None:
        """End a pairing. Raises NotFound if there is none."""
        who.require("admin")
        if not who.sees(f"{channel}/{chat}") or not await conversations.unpair(
            self.store, self.clock, channel, chat, who.name
        ):
            raise NotFound(f"{chat} is not paired on {channel}.", fix="See list_pairings.")

    async def list_grants(self, who: Principal) -> tuple[Grant, ...]:
        """The grants in force."""
        who.require("admin")
        return tuple([grant for grant in await self.store.grants.active(self.clock.now()) if touches(who, grant)])

    async def revoke_grant(self, who: Principal, grant: int) -> None:
        """End a grant; running calls go on."""
        existing = next((active for active in await self.list_grants(who) if active.id == grant), None)
        if existing is None or not await self.store.grants.revoke(grant):
            raise NotFound(f"There is no grant {grant}.", fix="See list_grants.")
        body = {"grant": grant, "tool": existing.tool, "by": who.name}
        await self.store.feed.publish(Event("grant.revoked", "", self.clock.now(), body=dict(body)))

    async def make_grant(
        self,
        who: Principal,
        tool: str,
        *,
        where: str = "",
        arguments: Mapping[str, str] | None = None,
        for_s: float = 0.0,
    ) -> Grant:
        """Give a standing verdict for calls of a tool, for `for_s` seconds or (0) until it is revoked.

        `where` is a conversation, a channel, or empty for everywhere; `arguments` are patterns (`core/grants.py`).

        Raises:
            BadInput: there is no such tool or place, or whoever asks for its calls keeps standing permissions itself.
            Denied: `who` is limited, and the place is beyond that.
        """
        who.require("admin")
        if not makes_grants(tool) or tool not in {spec.name for spec in (await self._tools(who)).tools}:
            raise BadInput(f"There is no tool '{tool[:80]}' that could be granted.", fix="See list_tools.")
        if "/" in where:
            self._address(who, where)
        elif where:
            self._within(who, where)
        if who.within and not who.sees(where if "/" in where else f"{where}/"):
            raise Denied(f"{who.name} is limited to some chats, and grants nothing beyond.", fix="Name one of them.")
        check_patterns(arguments or {}, "arguments")
        now = self.clock.now()
        until = now + for_s if for_s > 0 else 0.0
        patterns = tuple(sorted((arguments or {}).items()))
        return await self.store.grants.add(
            Grant(0, tool, where, arguments=patterns, expires_at=until, by=who.name, created_at=now)
        )

    async def list_changes(self, who: Principal) -> tuple[ToolChange, ...]:
        """The tools whose definition differs from the trusted one, as the engine last published."""
        who.require("admin")
        listed = (await self._tools(who)).tools
        return tuple([await tool_pins.change_of(self.store.tool_pins, spec) for spec in listed if spec.changed])

    async def accept_change(self, who: Principal, tool: str, *, digest: str = "") -> ToolChange:
        """Trust a tool's current definition: its calls need approval again only where the policy says so.

        The engine applies it within seconds. With `digest`, only if that is the current definition's.

        Raises:
            NotFound: no tool of this name has changed.
            BadInput: the digest does not match.
        """
        who.require("admin")
        change = next((changed for changed in await self.list_changes(who) if changed.spec.name == tool), None)
        if change is None:
            raise NotFound(f"No tool '{tool}' has changed.", fix="See: bridge-mcp servers changes")
        if digest not in ("", change.digest):
            raise BadInput(f"{tool} is another one again: {change.digest}.", fix="Look at it again.")
        await self.store.tool_pins.accept(change.spec.name, change.digest, who.name)
        return change

    async def list_instruction_changes(self, who: Principal) -> tuple[InstructionChange, ...]:
        """The tool servers that give other instructions than those that are trusted, with both texts."""
        who.require("admin")
        changes = await server_instructions.changes(self.store)
        return tuple(change for change in changes if may_use(who.within, self.rules, change.server))

    async def retry_channel(self, who: Principal, channel: str) -> None:
        """Have the engine run a channel afresh within seconds, whatever pause it is in."""
        who.require("admin")
        self._within(who, channel)
        if channel not in self.traits:
            raise NotFound(f"There is no channel '{channel[:80]}'.", fix="See list_channels.")
        await status_board.ask_retry(self.store, channel, self.clock.now())

    async def reload_tool_servers(self, who: Principal) -> None:
        """Have the engine connect the tool servers again, as `/reload` in a chat does."""
        who.require("admin")
        if who.within:
            raise Denied(f"{who.name} is limited to some chats, and tool servers serve all.", fix="The owner has to.")
        await status_board.ask_reload(self.store, self.clock.now())

    async def trust_instructions(self, who: Principal, server: str, code: str = "") -> str:
        """Accept a tool server's changed instructions; without their `code`, show them. Returns a text for people."""
        who.require("admin")
        if not may_use(who.within, self.rules, server):
            raise NotFound(f"There is no tool server '{server[:80]}'.", fix="See list_tools.")
        return await server_instructions.trust(self.store, self.clock, server, code)

    async def run_command(self, who: Principal, conversation: str, command: str) -> str:
        """Run one of the chat commands (`/status`, `/clear`, `/stop`, …) in a conversation; returns its answer."""
        who.require("admin")
        self._address(who, conversation)
        scene = commands.Scene(self.store, self.rules, self.traits, clock=self.clock, check=self._check)
        return await commands.run(scene, who, conversation, command)


def touches(who: Principal, grant: Grant) -> bool:
    """Whether a grant holds only within the limits of `who`."""
    if not who.within:
        return True
    return who.sees(grant.conversation) if "/" in grant.conversation else grant.conversation in who.channels
