"""Planted secrets: whatever a process logs, at any level and by any way, they do not come out."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bridge_mcp.core.safe_text import hidden
from bridge_mcp.redaction import LEVELS, Redactor

TOKEN = "123456:AAH-planted/token+value"
KEY = "sk-planted-key"

PROGRAM = f"""
import logging, sys, threading, warnings
from bridge_mcp.redaction import Redactor, set_up_logging

token, key = {TOKEN!r}, {KEY!r}
set_up_logging(sys.argv[1], Redactor({{"BOT": token, "KEY": key, "LONGER": key + "-and-more"}}))

own = logging.getLogger("LiteLLM")           # brings a handler of its own, and does not pass records on
own.propagate = False
own.addHandler(logging.StreamHandler())

for logger in (logging.getLogger("bridge_mcp.channels"), own, logging.getLogger("httpx")):
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        logger.log(level, "plain " + token)
        logger.log(level, "argument %s and %r", key, {{"token": token}})
        logger.log(level, "POST https://api.telegram.org/bot%s/sendMessage", token)
        logger.log(level, "quoted https://host/%s", token.replace("/", "%2F").replace("+", "%2B").replace(":", "%3A"))
        logger.log(level, "longer %s-and-more", key)
        logger.log(level, "does not fit %d %d", token)
        logger.log(level, "with a stack " + key, stack_info=True)
        try:
            try:
                raise ValueError("inner " + token)
            except ValueError as inner:
                raise RuntimeError("outer " + key) from inner
        except RuntimeError:
            logger.log(level, "failed", exc_info=True)

warnings.warn("warned of " + token)
thread = threading.Thread(target=lambda: (_ for _ in ()).throw(OSError("thread " + token)))
thread.start()
thread.join()
raise SystemError("uncaught " + key)
"""


@pytest.mark.shows("config.no-secrets")
@pytest.mark.parametrize("level", LEVELS)
def test_no_planted_secret_comes_out(level: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, level], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "", "standard output is the protocol's"
    assert "planted" not in done.stderr.replace(PROGRAM, "")
    assert done.stderr.count("***BOT***") > 20
    assert "/bot***BOT***/sendMessage" in done.stderr
    assert "longer ***LONGER***" in done.stderr
    for told in ("inner ***BOT***", "outer ***KEY***", "warned of", "thread ***BOT***", "uncaught ***KEY***"):
        assert (told in done.stderr) == (level != "error" or told != "warned of")
    assert "Traceback" in done.stderr
    assert "RuntimeError" in done.stderr


HIDING = r"""
import logging
from bridge_mcp.redaction import Redactor, set_up_logging

set_up_logging("info", Redactor({"BOT": "planted-token"}))
own = logging.getLogger("LiteLLM")           # brings a handler of its own, and does not pass records on
own.propagate = False
own.addHandler(logging.StreamHandler())
evil = "local/\x1b[2Ka\u202eb\x9b\u2066\n12:00:00 INFO bridge_mcp: approved by owner"
for logger in (logging.getLogger("bridge_mcp"), own):
    logger.warning("for %s", evil)
    logger.warning("for " + evil)
    logger.warning("does not fit %d", evil)
    try:
        raise ValueError(evil)
    except ValueError:
        logger.exception("failed")
raise SystemError(evil)
"""


def test_nothing_in_a_line_steers_the_terminal_or_hides() -> None:
    done = subprocess.run([sys.executable, "-c", HIDING], capture_output=True, timeout=60, check=False)
    text = done.stderr.decode("utf-8")
    assert hidden(text) == {"\n"}
    assert text.count("<U+001B>[2Ka<U+202E>b<U+009B><U+2066>") == 7
    assert text.count("does not fit %d") == 2
    assert "a<U+202E>b<U+009B><U+2066>⏎12:00:00" in text, "a message stays on its line"
    assert "\nTraceback (most recent call last):\n  File" in text, "a traceback keeps its lines"


def test_levels_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "warning"], capture_output=True, text=True, timeout=60, check=False
    )
    assert " INFO " not in done.stderr
    assert " DEBUG " not in done.stderr
    assert " WARNING " in done.stderr


def test_nothing_known_changes_nothing() -> None:
    assert Redactor()("bot 123") == "bot 123"


def test_what_is_learned_later_is_known() -> None:
    redactor = Redactor({"A": "first-secret"})
    redactor.learn({"B": "second-secret"})
    assert redactor("first-secret, second-secret") == "***A***, ***B***"


def test_a_value_too_short_for_a_secret_garbles_nothing() -> None:
    redactor = Redactor({"A": "ab", "B": "true", "C": "long-enough-to-hide"})
    assert redactor("a table is truely long-enough-to-hide") == "a table is truely ***C***"
