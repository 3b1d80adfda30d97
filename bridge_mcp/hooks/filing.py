"""A hook's call on its way into the log: its name, its words for people, and the request as the store keeps it.

It loads next to nothing (see `events`): the log has the call before an agent's user has noticed the hook.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping

from bridge_mcp.core.errors import StoreError
from bridge_mcp.hooks.events import BrokenInput, Permission, fields_of, items_of
from bridge_mcp.hooks.hosts import Host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "CLAIM_S",
    "asks",
    "body_of",
    "canonical",
    "conversations_of",
    "prefix_of",
    "principal_of",
    "request",
    "rule_text",
]

MAX_ARGUMENTS = 1_000_000
"""Characters of a call's arguments as JSON, as `core.tools` has it."""
CLAIM_S = 60.0
"""How long an approved call waits for its hook, which looks all the time."""
REPORT_S = 24 * 3600.0
"""How long the hook after a call may tell what became of it: some run for hours."""
MAX_RULE = 300
"""Characters of a standing permission of the host's that a person can still be shown word for word."""
MAX_SAME_CALLS = 1000
"""How often one session can ask for the very same call."""


def principal_of(host: Host) -> str:
    """As whom the hooks of a host ask, and the door before the names of their tools."""
    return f"hook:{host.name}"


def prefix_of(host: Host, session: str) -> str:
    """The common start of the names of a session's logs."""
    principal = principal_of(host)
    plain = principal.replace(":", "_")
    return f"calls/{plain}~{hashed(principal, 16)}.{hashed(session, 12)}"


def conversations_of(host: Host, call: Permission, arguments: str) -> Iterator[str]:
    """The logs of a call for each time that its session asks for it: the first that has not begun is the call's.

    Raises:
        BrokenInput: at the end of them.
    """
    prefix = prefix_of(host, call.session)
    for number in range(MAX_SAME_CALLS):
        yield f"{prefix}{hashed(chr(0).join((call.tool, arguments, str(number))), 16)}"
    raise BrokenInput("this session has asked for the very same call too often")


def hashed(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


def canonical(arguments: Mapping[str, Any]) -> str:
    """The text of arguments, as `core.tools.arguments_text` writes it.

    Raises:
        BrokenInput: they cannot be kept.
    """
    try:
        text = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError) as exc:
        raise BrokenInput(f"the arguments cannot be kept ({exc})") from None
    if len(text) > MAX_ARGUMENTS:
        raise BrokenInput(f"the arguments have {len(text):,} characters as JSON; at most {MAX_ARGUMENTS:,} are taken")
    return text


def body_of(host: Host, call: Permission, arguments: str, caller: str) -> str:
    """The entry that asks for a call, as `core.codec` writes it."""
    principal, rules_shown = principal_of(host), tuple(rule_text(rule) for rule in call.rules)
    place = f"in {shortened(call.folder)}" if call.folder else ""
    session = f"session {call.session[:8]}" if call.session else ""
    external = {
        "server": principal,
        "tool": call.tool,
        "about": ", ".join(part for part in (place, session) if part),
        "asks": asks(host, call),
        "offers": rules_shown if all(len(offer) <= MAX_RULE for offer in rules_shown) else (),
        "fixed": not host.takes_edits(call),
        "caller": caller,
        "lapses": True,
        "claim_s": CLAIM_S,
        "report_s": REPORT_S,
    }
    fields = {name: value for name, value in external.items() if value not in ("", (), False)}
    entry = {
        "kind": "Requested",
        "calls": [{"id": "0.0", "tool": f"{principal}__{call.tool}", "arguments": arguments}],
        "by": principal,
        "external": fields,
    }
    return '{"v":1,' + json.dumps(entry, separators=(",", ":"), ensure_ascii=False)[1:]


def asks(host: Host, call: Permission) -> str:
    """Who asks for what, from where; for people."""
    agent = f" (its agent {call.agent})" if call.agent else ""
    place = f" in {shortened(call.folder)}" if call.folder else ""
    server = f" of {call.server}" if call.server else ""
    return f"{host.label}{agent}{place} asks to run {call.tool}{server}"


def shortened(folder: str) -> str:
    """A folder as people know it: below their home with a tilde."""
    home = os.path.expanduser("~")
    inside = folder == home or folder.startswith(home.rstrip(os.sep) + os.sep)
    return f"~{folder[len(home.rstrip(os.sep)) :]}" if inside and home not in ("", os.sep) else folder


def rule_text(rule: Mapping[str, Any]) -> str:
    """A standing permission of the host's, word for word as it would stand in its settings, and in which of them."""
    texts = [named(fields_of(item)) or json.dumps(item, ensure_ascii=False) for item in items_of(rule.get("rules"))]
    return f"{', '.join(texts)} ({rule.get('destination', '')})"


def named(rule: Mapping[str, Any]) -> str:
    """A rule in the host's own notation: `Tool(content)`; "" where it has other parts too."""
    if not rule or set(rule) - {"toolName", "ruleContent"}:
        return ""
    content = rule.get("ruleContent")
    return f"{rule.get('toolName')}({content})" if content else str(rule.get("toolName"))


def request(path: str, host: Host, call: Permission, caller: str) -> str:
    """Write a call down; its log, or "" where the store itself has to do it.

    Raises:
        BrokenInput: its arguments cannot be kept, or its session has asked for it too often.
    """
    from bridge_mcp.stores import quick_request

    arguments = canonical(call.arguments)
    body = body_of(host, call, arguments, caller)
    try:
        return quick_request.request(path, conversations_of(host, call, arguments), body, time.time())
    except StoreError:
        return ""  # it is not there yet, or of another version, or broken: whoever loads the store says which
