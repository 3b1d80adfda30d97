"""What the commands say and ask that set the bridge up: init, completion, clients, pair, servers."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_mcp.cli.texts import counted

# -- init: the questions -------------------------------------------------------------------------------------

WHO_ANSWERS = "Who answers in the chats?"
BY_NOBODY = "The model of an MCP host (Claude Code, Cursor, …), or nobody"
BY_PROVIDER = "A model of a provider (OpenAI, Anthropic, Google, …)"
BY_OWN_MODEL = "A model at an endpoint of my own (Ollama, LM Studio, llama.cpp, vLLM, …)"
WHICH_MODEL = "Which, as litellm names it"
ITS_KEY = "Its key (nothing: none is needed)"
ENDPOINT = "The endpoint's address"
MODEL_THERE = "The model's name there"

WHERE = "Where do people write?"
WHERE_ELSE = "Where else do people write?"
NOWHERE_ELSE = "Nowhere else than in a terminal (bridge-mcp chat)"
OWN_BOT_API = "Telegram, by a Bot API server of your own"
SERVER_ADDRESS = "The server's address"
TELEGRAM_TOKEN = "The bot's token, from @BotFather (/newbot)"
DISCORD_TOKEN = "The bot's token, from the Developer Portal (Bot, Reset Token)"
SLACK_BOT_TOKEN = "The bot token (xoxb-…), from OAuth & Permissions"
SLACK_APP_TOKEN = "The app-level token (xapp-…) with connections:write, from Basic Information"

WHICH_HOST = "Which MCP host shall start it?"
NO_HOST = "None, or later (bridge-mcp install HOST)"

TRYING = "Trying it …"
WORKS_NOT = "That does not work yet."
AGAIN = "Say it again"
KEEP = "Keep it"
LEAVE_OUT = "Leave it out"
NUMBER = "Number [1]"


def key_is_set(variable: str) -> str:
    return f"Its key (nothing: {variable} is set, and is read)"


def no_answer(seconds: float) -> str:
    return f"No answer within {seconds:g} s."


def one_of(last: int) -> str:
    return f"One of 1 to {last}."


# -- init: what there is to do then --------------------------------------------------------------------------

NOTHING_WRITTEN = "\nNothing was written."
HOST_ANSWERS = "Have a host's model answer: its prompt `answer_chat`, for local/main (bridge-mcp chat)."
STEPS = {
    "telegram": "Ask @BotFather (https://t.me/BotFather) for a bot: /newbot. It gives you a token.\n"
    "Then: bridge-mcp init, and choose Telegram; or put the token into TELEGRAM_BOT_TOKEN, and into bridge.toml:\n\n"
    '[channels.family]\ntype = "telegram"\ntoken_env = "TELEGRAM_BOT_TOKEN"\n\n'
    "Check: bridge-mcp check. Then write to the bot, and let yourself in by the code that it shows you:\n"
    "bridge-mcp pair add CODE --role approver"
}
"""What there is to do at a platform whose type of channel tells no steps of its own."""
NAME_A_FILE = "Name a file such as bridge.toml, a folder that is there, or nothing, for your own."


def meant(platform: str) -> str:
    return f"Did you mean '{platform}'? Else: {NAME_A_FILE}"


def meant_host(host: str) -> str:
    return f"To add the bridge to a host: bridge-mcp install {host}. {NAME_A_FILE}"


CONNECT_A_HOST = "Connect a host: bridge-mcp install HOST (bridge-mcp install lists them)."
WRITE_TO_THE_BOT = "Write to the bot: it shows you a code, and bridge-mcp pair add CODE --role approver lets you in."
KEEP_RUNNING = "Keep it running without a host: bridge-mcp serve, or bridge-mcp service install."
READ_BY_VARIABLE = "Every host and command with this BRIDGE_MCP_CONFIG reads it."
READ_BY_ALL = "Every host and command of this user reads it."


def read_by_hosts(named: str) -> str:
    return f"Every host of this user reads it, where BRIDGE_MCP_CONFIG does not say otherwise ({named})."


def read_by_nobody(option: str) -> str:
    return f"No host reads it by itself: give the host {option}or set BRIDGE_MCP_CONFIG."


def wrote(file: object) -> str:
    return f"Wrote {file}."


def edit_it(option: str) -> str:
    return f"Edit it, then run: bridge-mcp {option}check"


# -- completion ----------------------------------------------------------------------------------------------


def completes(file: object) -> str:
    return f"Wrote {file}. New shells complete bridge-mcp."


# -- clients -------------------------------------------------------------------------------------------------

NO_CLIENT = "No client may come over HTTP: bridge-mcp clients add NAME"
EVERYWHERE = "everywhere"


def client_added(name: str, scopes: Sequence[str]) -> str:
    return f"{name} may: {', '.join(scopes)}. Its token, shown only now:"


def made_by(name: str, when: str) -> str:
    return f"by {name} {when}"


def client_revoked(name: str) -> str:
    return f"{name} is let in no longer."


# -- pair ----------------------------------------------------------------------------------------------------

LET_IN = "Let in"
ASKING = "Asking (bridge-mcp pair add CODE)"
NOBODY = "Nobody was let in, and nobody asks. (A local channel needs no pairing.)"


def paired(name: str, *, channel: str, role: str) -> str:
    return f"{name} is let in on {channel} as {role}."


def unpaired(chat: str, channel: str) -> str:
    return f"{chat} is let in on {channel} no longer."


# -- servers -------------------------------------------------------------------------------------------------

NO_SERVERS = "No tool servers. Add [tool_servers.NAME] to bridge.toml, or: bridge-mcp servers import FILE"
OF_THE_ENGINE = "in the settings of the engine"
INSTRUCTIONS = {
    "not used": "It gives instructions, which the assistant is not told: instructions = true in its section.",
    "changed": "It gives other instructions than before, which the assistant is not told: bridge-mcp servers trust",
}
"""What to do about a server's instructions."""
CHANGES_BY_ITSELF = "Where a tool changes by itself (a date in its text): pinned = false under [tool_servers.NAME]."
SAYS = "says"
TAKES = "takes"


def server(name: str, *, state: str, tools: int, where: str) -> str:
    return f"{name}: {state}, {counted(tools, 'tool')}, {where}"


def was(what: str, text: str) -> str:
    return f"    {what}, was: {text}"


def now(what: str, text: str) -> str:
    return f"    {what}, now: {text}"


def accept_it(tool: str, digest: str) -> str:
    return f"    bridge-mcp servers accept {tool} --digest {digest}"


def tools_changed(number: int) -> str:
    if not number:
        return "No tool has changed."
    return f"{counted(number, 'tool')} {'has' if number == 1 else 'have'} changed."


def accepted(tool: str) -> str:
    return f"{tool} is accepted as it is now. The engine takes it up within seconds."


def imported(number: int, *, total: int, target: object) -> str:
    return f"{number} of {total} servers added to {target}." + (" Check: bridge-mcp check" if number else "")


def would_import(number: int, *, total: int, target: object) -> str:
    return f"{number} of {total} servers would be added to {target}." + (" Check: bridge-mcp check" if number else "")


def log_in_at(address: str) -> str:
    return f"Log in here: {address}"


def logged_in(server: str) -> str:
    return f"Logged in to {server}. The engine tries again within 30 seconds."
