"""One endpoint of OpenAI's format for audio: a POST, and its whole answer within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from msgspec.structs import replace

from bridge_mcp.core.errors import BadJSON, ModelFailed
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.tools import JSON
from bridge_mcp.models.endpoint import Endpoint, endpoint_of, session_at
from bridge_mcp.models.response_limits import TooMuch, whole_body
from bridge_mcp.models.settings import ModelSettings

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["AudioEndpoint", "message_of", "told_json"]


class AudioEndpoint:
    """The connections to it, made when they are first needed. `settings` say where it is, its key and time-out."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._connection: tuple[Endpoint, ClientSession] | None = None

    async def close(self) -> None:
        """Close the connections."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection[1].close()

    async def post(self, path: str, *, form: object = None, json: object = None, most: int) -> tuple[int, bytes]:
        """The status and the body of an answer, of at most so many bytes.

        Raises:
            ModelFailed: there is none, in time and of that size.
        """
        from aiohttp import ClientError

        endpoint, session = await self._connected()
        url = endpoint.url.removesuffix("/chat/completions") + path
        try:
            with anyio.fail_after(self._settings.timeout_s):
                # A redirect would take the voice, and headers beside the key, to a host that nobody configured.
                async with session.post(url, data=form, json=json, allow_redirects=False) as response:
                    if 300 <= response.status < 400:
                        raise ModelFailed("the endpoint redirects to another address, to which nothing was sent")
                    return response.status, await whole_body(response, most)
        except TimeoutError:
            raise ModelFailed(f"no answer within {self._settings.timeout_s:.0f} s") from None
        except TooMuch as exc:
            raise ModelFailed(str(exc)) from exc
        except (ClientError, OSError) as exc:
            raise ModelFailed(f"the endpoint cannot be reached ({type(exc).__name__})") from exc

    async def _connected(self) -> tuple[Endpoint, ClientSession]:
        if self._connection is None:
            found = await anyio.to_thread.run_sync(endpoint_of, self._settings, abandon_on_cancel=True)
            endpoint = replace(found, headers=without_type(found.headers))
            self._connection = endpoint, session_at(endpoint, self._settings.timeout_s)
        return self._connection


def without_type(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of the endpoint, but for the type of the body, which is another one for audio."""
    return {name: value for name, value in headers.items() if name != "Content-Type"}


def told_json(status: int, body: bytes) -> JSON:
    """What an answer says.

    Raises:
        ModelFailed: it is no JSON.
    """
    try:
        return read_json(body)
    except BadJSON as exc:
        raise ModelFailed(f"HTTP {status}, and no JSON") from exc


def message_of(told: JSON) -> str:
    """What an endpoint says of its refusal, in short."""
    error = told.get("error") if isinstance(told, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    return str(said)[:200] if said else "no reason given"
