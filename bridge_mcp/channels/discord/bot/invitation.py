"""How a bot is made and invited: what `bridge-mcp init discord` prints. Knows nothing of discord.py."""

from __future__ import annotations

__all__ = ["NEEDED", "invitation", "steps"]

NEEDED = (
    ("view_channel", "View Channels"),
    ("send_messages", "Send Messages"),
    ("send_messages_in_threads", "Send Messages in Threads"),
    ("read_message_history", "Read Message History"),
    ("attach_files", "Attach Files"),
    ("add_reactions", "Add Reactions"),
)
"""Permissions by their names in discord.py, and as Discord shows them."""
BITS = (1 << 10) | (1 << 11) | (1 << 38) | (1 << 16) | (1 << 15) | (1 << 6)
"""The same, as a number: https://docs.discord.com/developers/topics/permissions."""


def invitation(application: str) -> str:
    """The address by which an application's bot is invited to a server."""
    scopes = "bot%20applications.commands"
    return f"https://discord.com/oauth2/authorize?client_id={application}&scope={scopes}&permissions={BITS}"


def steps() -> str:
    """What to do at Discord."""
    permissions = ", ".join(label for _, label in NEEDED)
    return f"""\
1. Open https://discord.com/developers/applications, New Application, and give it the name that people will see.
2. Bot, Reset Token: copy the token into DISCORD_BOT_TOKEN. The privileged intents may stay off; only groups = "always"
   or "observe" takes the Message Content Intent.
3. Copy the Application ID (General Information) into this address, open it, and choose the server:

{invitation("APPLICATION_ID")}

   It asks for: {permissions}.
   For topics that an agent makes (create_topic) give its role Create Public Threads and Manage Threads, too.
4. Write into bridge.toml, unless it names no channel at all (then the variable suffices):

[channels.discord]
type = "discord"
token_env = "DISCORD_BOT_TOKEN"

5. Run bridge-mcp check, start the bridge, write to the bot, and let yourself in with the code that it answers.
"""
