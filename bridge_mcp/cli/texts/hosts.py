"""What the commands say that set up other programs: install, uninstall, hook, service; and what `check` finds there."""

from __future__ import annotations

from collections.abc import Sequence

# -- an entry among a host's servers, a hook of an agent -----------------------------------------------------

NO_HOST = "No host's settings are here."
NOT_YET = "not yet"


def printed_for(file: object) -> str:
    return f"For {file}:"


def as_before(copy: object | None) -> str:
    return f" Before it was as in {copy}." if copy else ""


def has_it_already(host: str, name: str, file: object) -> str:
    return f"{host} has it already, as '{name}' in {file}."


def has_it_now(host: str, name: str, *, file: object, copy: object | None, advice: str) -> str:
    return f"{host} has it as '{name}' now: {file}.{as_before(copy)} {advice}"


def second_time(names: Sequence[str]) -> str:
    return f"It is there a second time, as {', '.join(names)}."


def secrets_missing(host: str, variables: Sequence[str]) -> str:
    return f"{host} may start it without {', '.join(variables)}: {WRITE_SECRETS}"


MEND_OR_REMOVE = "Mend it, or take the entry out by hand."
MEND_OR_ADD_HOOK = "Mend it, or add the hook by hand."


def left_alone(file: object, why: str) -> str:
    return f"{file} was left alone. {why}"


def mend_or_add(host: str) -> str:
    return f"Mend it, or add by hand what this shows: bridge-mcp install {host} --print"


def not_there(host: str, file: object) -> str:
    return f"It is not among the servers of {host} ({file})."


def would_go(file: object, names: Sequence[str]) -> str:
    return f"Would go from {file}: {', '.join(names)}."


def gone(host: str, copy: object) -> str:
    return f"{host} has it no more.{as_before(copy)}"


def called(names: Sequence[str]) -> str:
    return f"as {', '.join(names)}"


def command_gone(commands: Sequence[str]) -> str:
    return f"its command is gone: {', '.join(commands)}"


def hosts(names: Sequence[str]) -> str:
    return f"bridge-mcp install HOST, with one of: {', '.join(names)}"


def says_so_already(file: object) -> str:
    return f"{file} says so already."


def changed(file: object, copy: object | None) -> str:
    return f"{file} is changed.{as_before(copy)}"


WRITE_SECRETS = (
    "write each value into a file that only you can read, and name that file in bridge.toml "
    "(…_file in the place of …_env)."
)

# -- what `check` finds in hosts' settings -------------------------------------------------------------------


def unreadable(file: object, reason: str) -> str:
    return f"{file} cannot be looked at: {reason}"


def starts_nothing(file: object, *, commands: Sequence[str], host: str) -> str:
    return f"{file} starts {', '.join(commands)}, which is not there. Run: bridge-mcp install {host}"


def starts_often(file: object, names: Sequence[str]) -> str:
    return f"{file} starts it {len(names)} times, as {', '.join(names)}: one is enough."


def starts_it(name: str, file: object) -> str:
    return f"starts it as '{name}' ({file})"


# -- the hook, to its agent ----------------------------------------------------------------------------------

HOOK_INTERRUPTED = "bridge-mcp was interrupted."
AGENT_GONE = "The agent was gone before its hook could answer: not delivered."


def hook_unread(reason: object) -> str:
    return f"bridge-mcp could not read what the hook was told: {reason}."


def hook_broken(kind: str, reason: object) -> str:
    return f"bridge-mcp failed: {kind}: {reason}"


def hook_failed(reason: object) -> str:
    return f"bridge-mcp: {reason}"


# -- the service ---------------------------------------------------------------------------------------------

NO_MANAGER = "There is neither systemd nor launchd here. Have this started at each login:"
NO_SERVICE = "There is no service of this user."
INSTALL_SERVICE = f"{NO_SERVICE} Install it: bridge-mcp service install"
RUNS = "It runs."
NO_COMMAND = "none stands in that file"
RUNS_NOT = "It does not run."
WHY_NOT = "Why: journalctl --user -u bridge-mcp -n 50"


def service_lacks(variables: Sequence[str]) -> str:
    return f"! It runs without {', '.join(variables)}: {WRITE_SECRETS}"


def written(file: object) -> str:
    return f"{file} is written."


def not_started(reason: str, commands: str) -> str:
    return f"It is not started. {reason} In a session of yours, run: {commands}"


def started(manager: str) -> str:
    return f"It runs, and {manager} starts it again after a crash and at each login."


def service_command_gone(command: str) -> str:
    return f"Its command is gone: {command}. Run: bridge-mcp service install"


def removed(file: object, reason: str) -> str:
    return f"{file} is removed." + (f" {reason}" if reason else "")


def cannot_run(program: str, kind: str) -> str:
    return f"{program} cannot be run ({kind})."


def command_failed(command: str, reason: object) -> str:
    return f"{command} failed: {reason}."


def ends_at_logout(user: str) -> str:
    return f"It ends when you log out. To have it stay: loginctl enable-linger {user}"
