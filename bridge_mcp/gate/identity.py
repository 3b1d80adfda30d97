"""Which server a gate stands before: its name, and a digest of how and where it is started."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import PurePath

from msgspec import Struct

from bridge_mcp.core.tools import canonical

__all__ = ["DOOR", "GuardedServer", "name_for"]

DOOR = "gate"
NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
LAUNCHERS = frozenset(
    {"npx", "bunx", "uvx", "pipx", "uv", "pnpm", "yarn", "python", "python3", "node", "deno", "docker"}
)
"""Commands that say nothing of what they start."""
WORDS = frozenset({"run", "exec", "dlx", "tool", "-m"})
"""What may stand between such a command and the name of what it starts."""


class GuardedServer(Struct, frozen=True):
    """One server behind a gate. Of its command, arguments and folder nothing but a digest leaves this value."""

    name: str
    command: tuple[str, ...]
    folder: str

    @property
    def principal(self) -> str:
        """As whom the gate asks."""
        return f"{DOOR}:{self.name}"

    @property
    def id(self) -> str:
        """The name under which pins, grants and digests know it: another command or folder is another server."""
        return f"{DOOR}:{self.name}@{digest((self.name, *self.command, self.folder))}"


@cache
def digest(words: tuple[str, ...]) -> str:
    """A short digest of these texts."""
    text = canonical(list(words)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:16]


def name_for(command: Sequence[str]) -> str:
    """A name for what a command starts, as people would call it: `npx -y @scope/server-files@2` is `server-files`."""
    words = [PurePath(command[0]).name, *command[1:]]
    if words[0].removesuffix(".exe") in LAUNCHERS:
        telling = [word for word in words[1:] if word not in WORDS and not word.startswith("-")]
        words = telling or words
    last = re.sub(r"[\\/]+$", "", words[0]).replace("\\", "/").rpartition("/")[2]
    plain = re.sub(r"(?<=.)@.*$|\.(?:exe|py|js|mjs|cjs|ts|sh)$", "", last)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-")[:32]
    return name if NAME.fullmatch(name) else "server"
