"""The manifest of the Slack app: what `bridge-mcp init slack` prints for pasting. Knows nothing of slack-sdk.

https://docs.slack.dev/reference/app-manifest.
"""

from __future__ import annotations

import json

__all__ = ["COMMAND", "EVENTS", "SCOPES", "manifest", "steps"]

COMMAND = "/bridge"
"""The slash command: Slack's apps send no other message that begins with a slash."""

SCOPES = (
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "mpim:read",
    "reactions:read",
    "reactions:write",
    "users:read",
)
EVENTS = (
    "app_mention",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "reaction_added",
    "reaction_removed",
)

NAME = "Bridge"


def manifest() -> dict[str, object]:
    """An app with Socket Mode; for posts, switch that off and add the request URLs."""
    return {
        "display_information": {"name": NAME, "description": "Chats with your assistant, and asks you before it acts."},
        "features": {
            "app_home": {"messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
            "bot_user": {"display_name": NAME, "always_online": True},
            "slash_commands": [
                {
                    "command": COMMAND,
                    "description": "Commands of the bridge, such as: status, stop, approve ID",
                    "usage_hint": "help",
                    "should_escape": True,
                }
            ],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": {"bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": True},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            "token_rotation_enabled": False,
        },
    }


def steps() -> str:
    """What to do at Slack, with the manifest to paste."""
    return f"""\
1. Open https://api.slack.com/apps, Create New App, From a manifest, choose the workspace, and paste this as JSON:

{json.dumps(manifest(), indent=2)}

2. Install it to the workspace (OAuth & Permissions) and copy the Bot User OAuth Token (xoxb-…) into SLACK_BOT_TOKEN.
3. Basic Information, App-Level Tokens: make one with the scope connections:write (xapp-…) and set SLACK_APP_TOKEN.
4. Write into bridge.toml, unless it names no channel at all (then the two variables suffice):

[channels.slack]
type = "slack"
bot_token_env = "SLACK_BOT_TOKEN"
app_token_env = "SLACK_APP_TOKEN"

5. Run bridge-mcp check, start the bridge, write to the app in Slack, and let yourself in with the code that it answers.
"""
