"""One endpoint of OpenAI's format for audio: a POST, and its whole answer within bounds."""

from __future__ import annotations

import anyio

from bridge_mcp.core.errors import BadJSON, ModelFailed
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.tools import JSON
from bridge_mcp.models.endpoint import EndpointConnection
from bridge_mcp.models.openai_responses import reported
from bridge_mcp.models.response_limits import ResponseTooLarge, whole_body
from bridge_mcp.models.settings import ModelSettings

__all__ = ["AudioEndpoint", "json_body"]


class AudioEndpoint:
    """The connections to it, made when they are first needed. `settings` say where it is, its key and time-out."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._connection = EndpointConnection(settings)
        self.close = self._connection.close

    async def post(self, path: str, *, form: object = None, json: object = None, most: int) -> bytes:
        """The body of an answer, of at most so many bytes.

        Raises:
            ModelFailed: there is none, in time and of that size; or it is a refusal.
        """
        from aiohttp import ClientError

        endpoint, session = await self._connection.open()
        url = endpoint.url.removesuffix("/chat/completions") + path
        try:
            with anyio.fail_after(self._settings.timeout_s):
                # A redirect would take the voice, and headers beside the key, to a host that nobody configured.
                async with session.post(url, data=form, json=json, allow_redirects=False) as response:
                    if 300 <= response.status < 400:
                        raise ModelFailed("the endpoint redirects to another address, to which nothing was sent")
                    status, body = response.status, await whole_body(response, most)
        except TimeoutError:
            raise ModelFailed(f"no answer within {self._settings.timeout_s:.0f} s") from None
        except ResponseTooLarge as exc:
            raise ModelFailed(str(exc)) from exc
        except (ClientError, OSError) as exc:
            raise ModelFailed(f"the endpoint cannot be reached ({type(exc).__name__})") from exc
        if status != 200:
            message = reported(json_body(body, status)).message[:200]
            raise ModelFailed(f"HTTP {status}: {message or 'no reason given'}")
        return body


def json_body(body: bytes, status: int = 200) -> JSON:
    """What an answer says.

    Raises:
        ModelFailed: it is no JSON.
    """
    try:
        return read_json(body)
    except BadJSON as exc:
        raise ModelFailed(f"HTTP {status}, and no JSON") from exc
