"""System prompts and policies from files: read again when a file has changed, kept as they were where that fails."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bridge_mcp.ports import ChannelRules

__all__ = ["SystemPrompts"]


class CachedFile(Struct, frozen=True):
    """A file as it was read."""

    stamp: tuple[int, int]
    """Time of the last change, and size."""
    text: str


class SystemPrompts:
    """The prompt of each channel, and the policy of each reviewer, as its file says now. A look costs one `stat`."""

    def __init__(self) -> None:
        self._kept: dict[Path, CachedFile] = {}
        self._complaints: dict[str, str] = {}

    @property
    def complaints(self) -> Mapping[str, str]:
        """By channel, or reviewer: what is wrong with its file, and the fix."""
        return self._complaints

    def text(self, rules: ChannelRules) -> str:
        """The system prompt of a channel; the last good one where its file is gone or is no text."""
        path = rules.system_prompt_file
        if path is None:
            return rules.system_prompt
        return self._read(path, rules.name, "its system prompt", rules.system_prompt)

    def policy(self, path: Path) -> str:
        """What a reviewer is to go by; the last good one where its file is gone or is no text, "" if none was read."""
        return self._read(path, f"reviewer {path.name}", "its policy", "")

    def _read(self, path: Path, name: str, noun: str, before: str) -> str:
        cached = self._kept.get(path)
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if cached is None or cached.stamp != stamp:
                cached = self._kept[path] = CachedFile(stamp, path.read_text("utf-8").strip())
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
            self._complaints[name] = f"{noun} {path} cannot be read ({reason}); the last good one holds. Mend it there."
            return cached.text if cached else before
        self._complaints.pop(name, None)
        return cached.text
