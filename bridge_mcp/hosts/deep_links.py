"""Links that a host opens to add the bridge by itself, after asking its user."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from bridge_mcp.core.json_reader import JSON
from bridge_mcp.hosts.launch import Launch
from bridge_mcp.hosts.table import HOSTS

__all__ = ["LINKED", "deep_link"]

LINKED = ("cursor", "vscode", "lmstudio")
"""The hosts that have such links."""


def deep_link(host: str, launch: Launch, *, name: str) -> str:
    """The link for one of these hosts.

    Cursor (https://cursor.com/docs/mcp/install-links) and LM Studio (https://lmstudio.ai/docs/app/mcp/deeplink) take
    the entry as Base64 of JSON; VS Code (https://code.visualstudio.com/api/extension-guides/ai/mcp) takes JSON with the
    name in it.
    """
    entry = HOSTS[host].entry(launch)
    match host:
        case "cursor":
            return f"cursor://anysphere.cursor-deeplink/mcp/install?{named(name, entry)}"
        case "lmstudio":
            return f"lmstudio://add_mcp?{named(name, entry)}"
        case _:
            return f"vscode:mcp/install?{quote(compact({'name': name, **entry}), safe='')}"


def named(name: str, entry: Mapping[str, JSON]) -> str:
    return urlencode({"name": name, "config": base64.b64encode(compact(entry).encode()).decode()})


def compact(value: Mapping[str, JSON]) -> str:
    return json.dumps(value, separators=(",", ":"))
