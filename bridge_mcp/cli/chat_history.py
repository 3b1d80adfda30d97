"""The lines that were typed into `chat`, kept for the arrow keys: in a file for the owner alone, and never a secret."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from prompt_toolkit.history import History

from bridge_mcp.config.secret_looks import holds_secret
from bridge_mcp.core.errors import StoreError

__all__ = ["ChatHistory", "clear_chat_history"]

FILE = "chat_history"
"""Its name in the state folder."""

MAX_LINES = 1000
"""Lines that are kept."""
MAX_CHARS = 10_000
"""Characters of a line that is kept."""
VERDICTS = ("y", "n", "yes", "no")
"""What nobody wants to have back by an arrow key: it would decide the next call."""


class ChatHistory(History):
    """A JSON string a line, the oldest first. What cannot be read or written is left out, and chatting goes on.

    Args:
        folder: the state folder.
        clean: replaces known secrets in a text; a line that it changes is not kept.
    """

    def __init__(self, folder: Path, clean: Callable[[str], str] = lambda text: text) -> None:
        super().__init__()
        self._path = folder / FILE
        self._clean = clean

    def load_history_strings(self) -> Iterable[str]:
        """What was typed before, the newest first."""
        newest: deque[str] = deque(maxlen=MAX_LINES)
        with suppress(OSError), self._path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                with suppress(ValueError):
                    text = json.loads(line)
                    if isinstance(text, str):
                        newest.append(text)
        return reversed(newest)

    def store_string(self, string: str) -> None:
        """Keep a line, unless it is a verdict, is or holds a secret, or begins with a blank, as shells have it."""
        if string[:1].isspace() or len(string) > MAX_CHARS or string.lower() in VERDICTS or self._is_secret(string):
            return
        older = [*self.load_history_strings()][: MAX_LINES - 1]
        lines = [json.dumps(line) for line in (*reversed(older), string)]
        new = self._path.with_name(f"{self._path.name}.new")
        with suppress(OSError):
            opened = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(opened, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
            os.replace(new, self._path)

    def _is_secret(self, text: str) -> bool:
        words = text.split()
        looks = any(holds_secret(before, word) for before, word in zip(["", *words], words, strict=False))
        return looks or self._clean(text) != text


def clear_chat_history(folder: Path) -> None:
    """Remove all typed lines of a state folder; a `chat` that runs meanwhile writes none of them again.

    Raises:
        StoreError: a file cannot be removed.
    """
    try:
        for name in (FILE, f"{FILE}.new"):
            (folder / name).unlink(missing_ok=True)
    except OSError as exc:
        raise StoreError(f"{exc.filename} cannot be removed: {exc.strerror}.", fix="Remove it yourself.") from exc
