"""What the commands say that keep a store, move it, mend it and forget: backup, restore, migrate, rebuild, forget."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_mcp.cli.texts import counted

# -- an engine that works with the store (`place.owner_of`) --------------------------------------------------

ENGINE_RUNS = "The engine, {}, works with this store."
END_IT = "End that process (or the MCP host that started it), then run this again."
END_IT_UNCHANGED = f"{END_IT} Nothing was changed."

# -- what is under way, as the bar's name --------------------------------------------------------------------

COPYING = "Copying the store"
PACKING = "Packing"
CHECKING_BACKUP = "Checking the backup"
BRINGING_TO_REST = "Bringing it to rest"
MIGRATING = "Migrating"
REBUILDING = "Rebuilding"
CHECKING = "Checking"
FORGETTING = "Forgetting"


def forgetting(what: str) -> str:
    return f"Forgetting {what}"


# -- backup and restore --------------------------------------------------------------------------------------

OUTSIDE = (
    "bridge.toml and the secrets that it names, logins to tool servers, your outbox folders, "
    "and files that only a platform holds."
)
NOT_IN_IT = f"Not in it: {OUTSIDE}"
CURSORS = f"Older cursors of the feed get a gap. Not restored: {OUTSIDE}"
HELD_BACK = (
    "Clients, grants and pairings of the backup are off: bridge-mcp restore --confirm lists them and turns them on."
)
NO_REPLACE = "--replace is for a store in a file: a restore overwrites no database."
ANOTHER_DATABASE = "Create an empty one (createdb), name it in [store] url, and restore into that. Nothing was changed."
NOTHING_HELD_BACK = "Nothing is held back."
LET_IN = "They hold from now on. End what you do not want: clients revoke, approvals revoke, pair remove."
EVERYWHERE = "everywhere"

UNCERTAIN = "on its way: `uncertain`, and not sent again"
UNKNOWN = "that had begun: `unknown`, and not run again"
EXPIRED = "that waited: expired"
STOPPED = "under way: stopped"
LAPSED = "set for later: lapsed"


def wrote(file: object, megabytes: float) -> str:
    return f"Wrote {file} ({megabytes:,.1f} MB)."


def inside(files: int, rest: str) -> str:
    return (
        "In it: every conversation with its log, who was let in, clients, grants, and "
        f"{counted(files, 'kept file')} ({rest})."
    )


def contents(conversations: int, entries: int) -> str:
    return f"{counted(conversations, 'conversation')}, entries: {entries:,}"


def restored(when: str, contents: str) -> str:
    return f"Restored the bridge as it was on {when} ({contents})."


def ended(number: int, noun: str, what: str) -> str:
    return f"  {counted(number, noun)} {what}."


def pairing(channel: str, subject: str, *, name: str, role: str) -> str:
    return f"pairing {channel}/{subject}{f' ({name})' if name else ''}: {role}"


def client(name: str, scopes: str, where: str) -> str:
    return f"client {name}: {scopes} ({where})"


def grant(tool: str, *, where: str, by: str, limits: Sequence[str]) -> str:
    return f"grant of {tool} in {where}, by {by}" + (f", where {', '.join(limits)}" if limits else "")


def like(name: str, pattern: str) -> str:
    return f"{name} like {pattern}"


# -- migrate and rebuild -------------------------------------------------------------------------------------

LOGS_ARE_WHOLE = "the logs are whole, and all that is computed from them agrees"


def migrated(store: object, before: int | None, after: int) -> str:
    if before is None:
        return f"The store {store} is new, at schema version {after}."
    if before == after:
        return f"The store {store} is at schema version {after}."
    return f"The store {store} was at schema version {before}, and is at {after} now."


def rebuilt(conversations: int, *, entries: int, seconds: float) -> str:
    return f"Rebuilt {counted(conversations, 'conversation')} (entries: {entries:,}) in {seconds:.1f} s."


def left_alone(reason: str) -> str:
    return f"left as it was: {reason}"


# -- forget --------------------------------------------------------------------------------------------------

STILL_THERE = "Free pages of the store hold some of it still: other processes read from it."
GO_ON = "The engine goes on with that; or end them, and run: bridge-mcp forget"
WHAT_WAS_BEGUN = "what was begun"


def forgotten(subject: str) -> str:
    return (
        f"Forgotten: {subject}.\n"
        "Kept: the address of each conversation, in which the platform's id of its chat or person stands (every link "
        "of the log's chain covers it), how many entries it had and when, tokens and cost, and a digest of each. "
        "Not in reach: what models, tools, platforms and earlier backups hold."
    )


# -- a move to another store ---------------------------------------------------------------------------------

NOT_MOVED = "Not all has arrived as it was. The target is no store; remove it and begin anew. The source is unchanged."
AFTER_A_MOVE = (
    "Set [store] url (or url_env) to the new store for every process of the bridge. The old store is as it was: do not "
    "start a bridge on it again. Logins to tool servers (the folder oauth) and bridge.toml are not in a store."
)
STAGES = {"words": "Indexing words", "files": "Copying files", "check": "Checking every hash chain"}


def copying(stage: str) -> str:
    return STAGES.get(stage, f"Copying {stage}")


def moving(stage: str) -> str:
    return STAGES.get(stage, f"Moving {stage}")


def moved(contents: str, rows: int, *, files: int, seconds: float) -> str:
    return f"Moved {contents}: {rows:,} rows and {counted(files, 'kept file')} in {seconds:,.1f} s."
