"""A transcript that several threads write to, and how long it has been silent."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable

__all__ = ["Transcript", "short"]

LOOK_S = 0.05
BASE64 = re.compile(r"data:([\w/+-]+);base64,[A-Za-z0-9+/=]{40,}")


def short(value: object, most: int = 1_500) -> str:
    """A value as one text of about `most` characters: its beginning, its length, and its end."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = BASE64.sub(r"data:\1;base64,…", text)
    return text if len(text) <= most else f"{text[: most * 2 // 3]} …[{len(text)} chars]… {text[-(most // 3) :]}"


class Transcript:
    """Lines, each with the seconds since the start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._started = self._last = time.monotonic()

    def __call__(self, text: str) -> None:
        """Add a line."""
        with self._lock:
            self._last = time.monotonic()
            self._lines.append(f"{self._last - self._started:6.2f} {text}")

    def wait_until_quiet(self, silence_s: float, most_s: float, breathe: Callable[[], bool]) -> None:
        """Wait until nothing was added for so long, while what could add something came to run.

        Wall time alone tells nothing on a busy machine, where everybody may have stood still meanwhile: a look counts
        for LOOK_S at most, and for nothing while there is work.

        Args:
            silence_s: how long.
            most_s: the most that is waited.
            breathe: returns once whoever adds lines came to run; False where work waits for it.
        """
        end, silent = time.monotonic() + most_s, 0.0
        while silent < silence_s and time.monotonic() < end:
            looked = time.monotonic()
            time.sleep(LOOK_S)
            idle = breathe()
            with self._lock:
                silent = silent + LOOK_S if idle and self._last < looked else 0.0

    def text(self) -> str:
        """All lines."""
        with self._lock:
            return "\n".join(self._lines)
