"""What an answer to a request means for the message: gone out, surely not, or nobody knows."""

from __future__ import annotations

from bridge_mcp.channels.slack.web import SlackFault
from bridge_mcp.core.errors import SendFailed, SendUncertain

__all__ = ["failure"]

BAD_TOKEN_S = 60.0
"""Seconds until a message is tried again whose bot Slack does not know any more."""

TOKENS = ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired")

FIXES: dict[str, tuple[str, str]] = {
    "channel_not_found": ("the chat is not there, or the app is not in it", "Invite the app to the channel."),
    "not_in_channel": ("the app is not in the channel", "Invite the app to the channel."),
    "user_not_found": ("the user is not there", "Name the chat that /whoami says there."),
    "is_archived": ("the channel is archived", "Take it out of the archive, or write elsewhere."),
    "restricted_action": ("the workspace lets the app not post there", "Ask an admin of the workspace."),
    "messages_tab_disabled": ("people cannot write to the app", "Allow messages in the app's App Home."),
    "cannot_dm_bot": ("it is another app, and takes no messages", "Write to a person, or in a channel."),
    "msg_too_long": ("the message is too long", "Send a shorter one, or a file."),
    "msg_blocks_too_long": ("the message is too long", "Send a shorter one, or a file."),
    "invalid_blocks": ("Slack refuses its form", "Send it with less formatting, or as a file."),
    "no_text": ("there is nothing to see in it", "Send a text."),
    "message_not_found": ("the message is gone", "Send a new one."),
    "cant_update_message": ("the message is not ours to edit", "Send a new one."),
    "edit_window_closed": ("the workspace lets nobody edit it any more", "Send a new one."),
    "invalid_name": ("Slack knows no such emoji", "Use another one."),
    "too_many_emoji": ("the message has too many reactions", "Answer it with a message."),
    "too_many_reactions": ("the message has too many reactions", "Answer it with a message."),
    "missing_scope": ("the app lacks a scope", "Paste the manifest of bridge-mcp init slack, and install it again."),
    "file_uploads_disabled": ("the workspace takes no files", "Ask an admin of the workspace."),
}

UNKNOWN = "Look the error up at https://docs.slack.dev/reference/methods, mend what it names, then send it again."


def failure(fault: SlackFault, where: str, *, harmless: bool) -> SendFailed:
    """The error to raise.

    Args:
        fault: what came of the request.
        where: the conversation, for people.
        harmless: repeating the request changes nothing more, as with an edit.
    """
    if fault.retry_after_s is not None:
        wait = fault.retry_after_s
        message = f"Slack asks to wait {wait:g} s before more is sent to '{where}'."
        return SendFailed(message, fix="It is sent then.", retry_after_s=wait)
    if fault.error in TOKENS:
        return SendFailed(
            f"Slack does not accept the bot's token ({fault.error}); nothing can be sent to '{where}'.",
            fix="Install the app again, and put its token where the config's bot_token_env points.",
            retry_after_s=BAD_TOKEN_S,
        )
    if fault.begun and not harmless:
        return SendUncertain(
            f"{fault.told}, so it may have gone out to '{where}' or not.",
            fix="Look into the chat before sending it again.",
        )
    if fault.begun or not fault.error:
        message = f"{fault.told}; nothing is known to have gone out to '{where}'."
        return SendFailed(message, fix="It is tried again; mind the network.", retry_after_s=0.0)
    meaning, fix = FIXES.get(fault.error, ("", UNKNOWN))
    message = f"{meaning} ({fault.error})" if meaning else fault.told
    return SendFailed(f"Slack did not take it for '{where}': {message}.", fix=fix)
