"""Reads secrets from environment variables or files, and remembers the name that logs show instead of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bridge_mcp.config.problems import Problems
from bridge_mcp.core.secrets import MIN_SECRET
from bridge_mcp.toolservers.settings import OF_THE_MACHINE

__all__ = ["Secrets"]

MARKS = ("_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
"""Parts of names of variables that libraries read themselves, and whose values logs must not show either."""


class Secrets:
    """The secrets of one configuration."""

    def __init__(self, env: Mapping[str, str], folder: Path, problems: Problems) -> None:
        self._env = env
        self._folder = folder
        self._problems = problems
        self.lacking: dict[str, str] = {}
        """Missing secrets by key, with the fix. A missing secret stops what needs it, and nothing else."""
        self.known = {
            name: value for name, value in env.items() if name.upper().endswith(MARKS) and len(value) >= MIN_SECRET
        }

    def read(self, key: str, variable: str | None, file: str | None) -> str:
        """The secret that `key`_env or `key`_file names; "" when neither is given, or something is wrong with it."""
        if variable and file:
            self._problems.add(f"{key}_file", f"{last(key)}_env is there too.", "Keep one of the two.")
        elif variable:
            return self.variable(f"{key}_env", variable)
        elif file:
            return self._file(key, file)
        return ""

    def variable(self, key: str, name: str) -> str:
        """The secret in the environment variable `name`, which `key` wants."""
        value = self._env.get(name, "").strip()
        if not value:
            self.lacking[key] = f"The environment variable {name} is not set. Set {name} and start again."
        return self.remember(name, value)

    def passed(self, name: str) -> None:
        """Hide the value of a variable passed to a nested server from logs, unless it describes the machine."""
        if not OF_THE_MACHINE.fullmatch(name):
            self.remember(name, self._env.get(name, ""))

    def lack(self, section: str) -> str:
        """Return which secret a section lacks, with the fix; "" if none."""
        return " ".join(problem for key, problem in self.lacking.items() if key.startswith(f"{section}."))

    def remember(self, name: str, value: str) -> str:
        """Have logs show `name` instead of `value`."""
        if len(value) >= MIN_SECRET:
            self.known[name] = value
        return value

    def _file(self, key: str, file: str) -> str:
        path = self._folder / Path(file).expanduser()
        try:
            value = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
            self.lacking[f"{key}_file"] = f"{path} cannot be read: {reason}. Write the secret into that file."
            return ""
        if not value:
            self.lacking[f"{key}_file"] = f"{path} is empty. Write the secret into that file."
        return self.remember(key, value)


def last(key: str) -> str:
    return key.rpartition(".")[2]
