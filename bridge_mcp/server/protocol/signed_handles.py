"""Signs tickets that leave the bridge as handles of the protocol, so that nobody can guess one or use another's."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode

from bridge_mcp.core.errors import NotFound
from bridge_mcp.core.policy import Principal
from bridge_mcp.ports import Secrets

__all__ = ["HandleSigner"]


class HandleSigner:
    """A handle is a ticket and an HMAC of it and of its principal. The key is stored."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._key = b""

    async def sealed(self, who: Principal, ticket: str) -> str:
        """The handle of a ticket for `who`."""
        if not self._key:
            self._key = (await self._secrets.get_or_create("task handles")).encode()
        seal = hmac.new(self._key, f"{who.name}\0{ticket}".encode(), hashlib.sha256).digest()[:16]
        return f"{ticket}~{urlsafe_b64encode(seal).decode().rstrip('=')}"

    async def opened(self, who: Principal, handle: str) -> str:
        """The ticket in a handle.

        Raises:
            NotFound: the handle was not made for `who`.
        """
        ticket = handle.rpartition("~")[0]
        sealed = await self.sealed(who, ticket)
        if not ticket or not hmac.compare_digest(sealed.encode(), handle.encode()):
            raise NotFound(f"{who.name} has no such task.", fix="Pass what tools/call gave to this very client.")
        return ticket
