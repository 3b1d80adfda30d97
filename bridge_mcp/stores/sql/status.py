"""How the engine is (`EngineStatus`), the secrets that processes share (`Secrets`), and `ToolPins`."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

from bridge_mcp.core.tools import JSON
from bridge_mcp.ports import StatusName
from bridge_mcp.stores.sql.face import Face
from bridge_mcp.stores.sql.rows import dump
from bridge_mcp.stores.sql.session import Session

__all__ = ["SqlSecrets", "SqlStatus", "SqlToolPins"]


class SqlStatus(Face):
    """See `ports.EngineStatus`."""

    async def put(self, name: StatusName, body: JSON) -> None:
        """Writes only a changed body."""
        text = dump(body)
        if text != await self._reads.value("status_get", name=name):
            await self._put("status_put", name=name, body=text)

    async def get(self, name: StatusName) -> JSON:
        """None for none."""
        text = await self._reads.value("status_get", name=name)
        value: JSON = None if text is None else json.loads(text)
        return value

    async def several(self, *names: StatusName) -> Mapping[StatusName, JSON]:
        """See `ports.EngineStatus`."""
        return {name: json.loads(text) for name, text in await self._reads.rows("status_several", names=dump(names))}


class SqlSecrets(Face):
    """See `ports.Secrets`."""

    async def get_or_create(self, name: str) -> str:
        """64 hex digits of 256 random bits; of several processes the first one's is kept."""

        def operation(session: Session) -> str:
            session.put("insert_secret", name=name, value=secrets.token_hex(32))
            return str(session.value("secret", name=name))

        return await self._reads.value("secret", name=name) or await self._writer.execute(operation)


class SqlToolPins(Face):
    """See `ports.ToolPins`."""

    async def load(self, subject: str) -> Mapping[str, JSON]:
        """The pins of a server; empty for none."""
        text = await self._reads.value("tool_pins", subject=subject)
        value: JSON = None if text is None else json.loads(text)
        return value if isinstance(value, dict) else {}

    async def keep(self, subject: str, pinned: Mapping[str, JSON]) -> None:
        """Writes only changed pins."""
        text = dump(dict(pinned))
        if text != await self._reads.value("tool_pins", subject=subject):
            await self._put("set_tool_pins", subject=subject, body=text)

    async def accept(self, tool: str, digest: str, by: str) -> None:
        """Note that the owner trusts this definition of a tool; replaces an older note."""
        await self._put("accept_tool", tool=tool, digest=digest, by=by)

    async def accepted(self, tool: str) -> tuple[str, str] | None:
        """Digest and owner; None for none."""
        row = await self._reads.row("accepted_tool", tool=tool)
        return None if row is None else (row[0], row[1])
