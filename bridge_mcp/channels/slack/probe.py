"""What `bridge-mcp check` asks Slack about an app, without touching a bridge that runs: no connection is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bridge_mcp.channels.plug import Found
from bridge_mcp.channels.slack.manifest import SCOPES
from bridge_mcp.channels.slack.settings import Patience, SlackSettings
from bridge_mcp.channels.slack.web import SlackFault, SlackWeb

__all__ = ["probe"]

PASTE = "Paste the manifest of bridge-mcp init slack, and install the app again."


async def probe(settings: SlackSettings) -> AsyncIterator[Found]:
    """All checks of the app, in order; ends early if it cannot be reached."""
    web = SlackWeb(settings, Patience())
    async with web.open():
        try:
            me, granted = await web.scopes()
        except SlackFault as fault:
            yield Found(False, f"{fault}. Copy the bot's token (xoxb-…) again, and check the network.")
            return
        yield Found(True, f"@{me.get('user')} in {me.get('team')}")
        if granted and (missing := sorted(set(SCOPES) - granted)):
            yield Found(False, f"The app lacks scopes: {', '.join(missing)}. {PASTE}")
        if settings.app_token:
            try:
                await web.call(web.client.apps_connections_open, app_token=settings.app_token)
            except SlackFault as fault:
                yield Found(False, f"Socket Mode: {fault}. The app's token (xapp-…) needs connections:write.")
