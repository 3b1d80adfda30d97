"""What `check` and `status` say of a bridge. What is found in hosts' settings stands in `hosts`."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_mcp.cli.texts import counted

NONE = "none"
NOTHING = "nothing"
EVERYWHERE = "everywhere"

# -- settings, store and engine ------------------------------------------------------------------------------


def secrets_known(number: int) -> str:
    return f"{number or NONE} known; logs show none of them"


def store_opens(path: object, *, version: int, before: int | None) -> str:
    was = " (new)" if before is None else f" (was {before})" if before != version else ""
    return f"{path}, schema version {version}{was}"


def store_damaged(path: object, damage: str) -> str:
    return f"{path}: {damage}"


def store_was_empty(path: object) -> str:
    return f"{path} was an empty file: a new store begins in it. If there was one before, it is lost: see a backup."


NO_ENGINE = "none runs just now"
ENGINE_RUNS = "it runs"


def engine_seen(process: int, seconds: float) -> str:
    return f"process {process}, alive {seconds:.0f} s ago"


def engine_wrote(when: str) -> str:
    return f", last good write {when}"


def seconds_ago(seconds: float) -> str:
    return f"{seconds:.0f} s ago"


def quorum_too_large(key: str, wanted: int, named: int) -> str:
    return (
        f"{key} is {wanted}, and [people] names {named}: such calls wait until they expire. "
        "Name who approves under [people.NAME]: only people who are named there are counted as different ones."
    )


# -- channels, models, tool servers --------------------------------------------------------------------------

NO_MODELS = "none: MCP clients answer the chats"


def brought_by(type_: str, package: str) -> str:
    return f"{type_}, by {package}"


def named(name: str, type_: str) -> str:
    return f"{name} ({type_})"


def probe_failed(type_: str, *, kind: str, reason: object) -> str:
    return f"Its type, {type_}, could not ask the platform: {kind}: {reason}."


def not_asked(model: str) -> str:
    return f"{model}: not asked"


def answers(model: str) -> str:
    return f"{model} answers"


def connected(tools: int) -> str:
    return f"connected, {counted(tools, 'tool')}"


def still(state: str) -> str:
    return f"still {state}"


def pattern_matches_nothing(key: str, *, close: Sequence[str], names: Sequence[str]) -> str:
    hint = f"Did you mean '{close[0]}'?" if close else f"There are: {', '.join(names) or NONE}."
    return f"{key} matches no tool. {hint}"


# -- clients, and who could decide ---------------------------------------------------------------------------

PERSON_DECIDES = "; a person at its host decides in a form of it"
LET_SOMEBODY_DECIDE = "Pair an approver (bridge-mcp pair add CODE --role approver), or give a client the scope approve"
NOBODY_DECIDES = (
    "[approvals] cli is off, and nobody is let in who could decide: calls wait until they expire. "
    f"{LET_SOMEBODY_DECIDE}."
)
NOBODY_FOR_HOOKS = (
    "rules speak of hooks, and a hook finds nobody to ask: its agent asks by itself. "
    f"{LET_SOMEBODY_DECIDE}, or set [approvals] route."
)
NOTHING_PUSHED = 'Claude Code\'s channel is pushed nothing: no channel has responder = "relay".'


def may(scopes: str, where: str, *, person_decides: bool) -> str:
    return f"may {scopes}; {where}{PERSON_DECIDES if person_decides else ''}"


def shows_no_tool(client: str) -> str:
    return f"clients.{client}.expose shows it no tool: it lacks the scope tools."


def nobody_asked(route: str) -> str:
    return f"[approvals] route is {route}, and no client has the scope approve: nobody is asked. {LET_SOMEBODY_DECIDE}."


def frees_nothing(pattern: str) -> str:
    return (
        f'approvals.tools."{pattern}" frees nothing: Claude Code shortens what it relays, so people are always '
        "asked. For calls that a rule is to free, install its hook: bridge-mcp hook claude-code --install."
    )


def channel_lacks(scopes: Sequence[str]) -> str:
    return f"Claude Code's channel needs the scopes read and send: [clients.stdio] lacks {' and '.join(scopes)}."


def held_back(clients: int, *, grants: int, pairings: int) -> str:
    what = f"{counted(clients, 'client')}, {counted(grants, 'grant')} and {counted(pairings, 'pairing')}"
    return f"{what} are off since the store was restored. See them and turn them on: bridge-mcp restore --confirm"


# -- status --------------------------------------------------------------------------------------------------

ENGINE = "engine"
LAST_HEARD_OF = "last heard of"
SETTINGS = "settings"
STORE = "store"
WAITING = "waiting"
MODELS_TODAY = "models today"
EVENTS = "events"
CHANNELS = "Channels"
TOOL_SERVERS = "Tool servers"


def version(number: str) -> str:
    return f"bridge-mcp {number}"


def engine(process: int, since: str, *, silent: bool) -> str:
    return f"process {process}, since {since}{', SILENT' if silent else ''}"


def waiting(approvals: int, messages: int) -> str:
    return f"{counted(approvals, 'approval')}, {counted(messages, 'message')}"


def responder(name: str) -> str:
    return f"answers: {name}"


def restarts(count: int) -> str:
    return f"restarted {counted(count, 'time')}" if count else ""


def tools(count: int) -> str:
    return counted(count, "tool")
