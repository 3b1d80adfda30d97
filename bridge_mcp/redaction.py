"""Logging for a process: to standard error alone, without a known secret in any line, and with nothing hidden in it.

What a chat, a model or a server wrote may stand in a line: characters that steer a terminal or turn others around are
shown as `<U+202E>`, and a message stays on its line.

The net is the factory of log records, because libraries bring handlers of their own: whatever handler prints a record,
its text, its traceback and its stack are clean. A formatter of ours is the second net. Knows nothing of where secrets
are from.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote

from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.secrets import MIN_SECRET

__all__ = ["LEVELS", "Redactor", "clean_message", "log_as_json", "quiet", "set_up_logging"]

LEVELS = ("debug", "info", "warning", "error")
NOISY = ("httpx", "httpx2", "httpcore", "httpcore2", "LiteLLM", "openai", "aiosqlite", "asyncio", "urllib3")
"""Loggers that tell of every request at INFO or DEBUG, with addresses that may hold a token; types of channels name
those of their own libraries."""


class Redactor:
    """Replaces every known secret in a text by `***name***`."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        self._names: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self.learn(secrets or {})

    def learn(self, secrets: Mapping[str, str]) -> None:
        """Know these too: values by the name that stands in their place; also as they look in an address."""
        for name, value in secrets.items():
            for form in (value, quote(value, safe=""), repr(value)[1:-1]):
                if len(form) >= MIN_SECRET:
                    self._names.setdefault(form, name)
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """The text with `***NAME***` in the place of each known secret."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: f"***{self._names[found[0]]}***", text)


class CleanFormatter(logging.Formatter):
    """A formatter whose lines hold no secret, and nothing that hides; the lines of tracebacks stay lines."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return visible(self._redactor(super().format(record)), lines=True)


class JsonFormatter(CleanFormatter):
    """One JSON object a line, in ASCII: `time` (RFC 3339, UTC), `level`, `logger`, `message`; `error` of tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._redactor(record.getMessage()),
        }
        if record.exc_text or record.stack_info:
            fields["error"] = self._redactor("\n".join(filter(None, (record.exc_text, record.stack_info))))
        return json.dumps(fields)


def log_as_json(redactor: Redactor) -> None:
    """From now on, write log lines as JSON objects."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter(redactor))


def set_up_logging(level: str, redactor: Redactor) -> None:
    """Log to standard error from `level` (one of `LEVELS`) on, for the whole process, whatever logged before.

    Uncaught exceptions, also of threads, become log lines, and so do warnings.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(CleanFormatter(redactor))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    quiet(NOISY)
    logging.setLogRecordFactory(clean_factory(redactor))
    logging.captureWarnings(True)
    sys.excepthook = log_uncaught
    threading.excepthook = log_uncaught_in_thread


def quiet(names: Iterable[str]) -> None:
    """Let these loggers tell of warnings and worse alone, whatever the level of the process."""
    for name in names:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


def clean_factory(redactor: Redactor) -> Callable[..., logging.LogRecord]:
    """Makes records that are clean whoever prints them."""
    tracebacks = logging.Formatter()

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)
        clean_message(record, redactor)
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = visible(redactor(tracebacks.formatException(record.exc_info)), lines=True)
            record.exc_info = None  # formatters print the text; some would print the exception's own words again
        if record.stack_info:
            record.stack_info = visible(redactor(record.stack_info), lines=True)
        return record

    return make


def clean_message(record: logging.LogRecord, redactor: Redactor) -> None:
    """Put the clean text in place of message and arguments, if they hold a secret, hide something or do not fit."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):
        record.msg, record.args = visible(redactor(f"{record.msg!s} {record.args!r}")), ()
        return
    clean = visible(redactor(message).rstrip())
    if clean != message:
        record.msg, record.args = clean, ()


def log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What Python calls when nobody caught an exception."""
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("bridge_mcp").critical("uncaught exception", exc_info=(kind, error, trace))


def log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    """What Python calls when a thread dies of an exception."""
    if args.exc_value is not None:
        log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
