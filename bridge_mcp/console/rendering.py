"""Templates: every text that a template prints is made visible and escaped, unless the template says otherwise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from bridge_mcp.console.call_view import anchor
from bridge_mcp.console.visits import BASE, path_of
from bridge_mcp.core.safe_text import segments, visible

__all__ = ["STATIC", "compile_templates", "environment", "static_url"]

STATIC = Path(__file__).parent / "static"
SCRIPTS = ("htmx.min.js", "hx-sse.min.js", "console.js")
"""The scripts of a page, in their order: each file on its own would delay the first paint."""


COMPILED_EVERY_S = 0.02
"""Compiling all templates takes 0.2 s of CPU, and whoever is served meanwhile should not notice."""


async def compile_templates() -> None:
    """Compile all templates, one at a time, beside the event loop: else a page's first visit would wait for its own."""
    templates = environment()
    for name in templates.list_templates():
        await asyncio.to_thread(templates.get_template, name)
        await asyncio.sleep(COMPILED_EVERY_S)


@cache
def environment() -> Environment:
    """The templates. Each is compiled once: when it is first used, if `compile_templates` has not been there."""
    templates = Environment(
        loader=PackageLoader("bridge_mcp.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        auto_reload=False,
    )
    templates.filters |= {
        "exact": exact,
        "lines": in_lines,
        "ago": ago,
        "moment": moment,
        "iso": iso,
        "path": path_of,
        "number": number,
    }
    names: dict[str, Any] = {"BASE": BASE, "static": static_url, "anchors": anchor, "icon": icon()}
    templates.globals.update(names)
    return templates


def shown(value: object) -> object:
    """What a template prints: nothing in a text can hide or disguise what stands around it."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return ""
    return visible(value) if isinstance(value, str) else value


def exact(text: str) -> Markup:
    """A text as it is, for the value of a field that is sent back."""
    return Markup(str(escape(text)).replace("\r", "&#13;").replace("\n", "&#10;"))


def in_lines(text: str) -> Markup:
    """A text of several lines, what hides in it marked."""
    return Markup("").join(
        Markup('<mark class="hides">{}</mark>').format(part) if hides else part
        for part, hides in segments(text, lines=True)
    )


def moment(at: float) -> Markup:
    """A point in time as a `<time>` element: how long ago, with the full time as its tooltip."""
    if not at:
        return Markup("")
    # None of it is others' text, and `Markup.format` would take a third of the time of a page of events.
    return Markup(f'<time datetime="{iso(at)}" title="{iso(at, words=True)}">{ago(at)}</time>')


def iso(at: float, *, words: bool = False) -> str:
    """A point in time in UTC."""
    when = datetime.fromtimestamp(at, UTC)
    return when.strftime("%Y-%m-%d %H:%M:%S UTC") if words else when.isoformat(timespec="seconds")


def ago(at: float) -> str:
    """How long ago a point in time is, or in how long it will be."""
    if not at:
        return "never"
    distance = time.time() - at
    size = abs(distance)
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h"), (float("inf"), 86_400, "d")):
        if size < limit:
            words = f"{round(size / unit)} {name}"
            break
    else:
        words = ""
    if size < 5:
        return "just now"
    return f"{words} ago" if distance > 0 else f"in {words}"


def number(value: float) -> str:
    """A number with separators."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def icon() -> Markup:
    """The icon as a part of a page: as an image it would be a document of its own, which the first paint waits for."""
    return Markup(static_files()["icon.svg"][0].decode().replace("<svg ", '<svg aria-hidden="true" ', 1))


@cache
def static_files() -> Mapping[str, tuple[bytes, str]]:
    """The files of `static/`, and the scripts of a page as one, each with the beginning of its hash."""
    files = {path.name: path.read_bytes() for path in STATIC.iterdir() if path.suffix in (".css", ".js", ".svg")}
    files["page.js"] = b";\n".join(files[name] for name in SCRIPTS)
    return {name: (data, sha256(data).hexdigest()[:12]) for name, data in files.items()}


def static_url(name: str) -> str:
    """Where a file of `static/` is; with its hash, so that browsers may keep it for ever."""
    return f"{BASE}/static/{static_files()[name][1]}/{name}"
