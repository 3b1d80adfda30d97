"""Secrets by the name of a variable or a file: read once, remembered under a name that may be shown in their place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bridge_mcp.config.problems import Problems
from bridge_mcp.core.secrets import MIN_SECRET
from bridge_mcp.toolservers.settings import OF_THE_MACHINE

__all__ = ["Secrets"]

MARKS = ("_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
"""How variables are called whose values libraries read by themselves, and that logs must not show either."""


class Secrets:
    """The secrets of one configuration."""

    def __init__(self, env: Mapping[str, str], folder: Path, problems: Problems) -> None:
        self._env = env
        self._folder = folder
        self._problems = problems
        self.lacking: dict[str, str] = {}
        """By key: a secret that is not there, and how to bring it. It stops what needs it, and nothing else."""
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
        """Have logs not show a variable that a nested server is given, unless it says how the machine is set up."""
        if not OF_THE_MACHINE.fullmatch(name):
            self.remember(name, self._env.get(name, ""))

    def lack(self, section: str) -> str:
        """What a section needs and does not have, with the fix; "" if it has all."""
        return " ".join(told for key, told in self.lacking.items() if key.startswith(f"{section}."))

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
            why = exc.strerror if isinstance(exc, OSError) else "it is not text"
            self.lacking[f"{key}_file"] = f"{path} cannot be read: {why}. Write the secret into that file."
            return ""
        if not value:
            self.lacking[f"{key}_file"] = f"{path} is empty. Write the secret into that file."
        return self.remember(key, value)


def last(key: str) -> str:
    return key.rpartition(".")[2]
