"""Recognizes values that look like secrets, so that they are never written in clear. In doubt a value is one."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from bridge_mcp.core.secrets import MIN_SECRET

__all__ = ["holds_secret", "looks_secret"]

NAME = re.compile(r"(?i)key|token|secret|pass|pwd|credential|auth|cookie|private|bearer|signature|session")
SURE_NAME = re.compile(r"(?i)(key|token|secret|password|passwd|passphrase|pwd|credentials?|bearer)$")
"""Names whose values are secrets however short they are."""
VALUE = re.compile(
    r"(?i)^(bearer|basic|token|apikey)\s+\S+"
    r"|(?<![A-Za-z0-9])(sk|pk|rk|ghp|gho|ghu|ghs|ghr|github_pat|glpat|xox[abeprs]|AKIA|ASIA|AIza|eyJ|npm|hf|pat|lin_api|ntn|secret|key)"
    r"[-_A-Za-z0-9]{12,}"
)
RANDOM = re.compile(r"^(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+=_-]{24,}$")
"""Long, without a space, a slash or a dot, letters and digits mixed: made by a machine."""
PLAIN = re.compile(r"(?i)^(true|false|yes|no|on|off|none|null|[0-9]{1,9}(\.[0-9]+)?)$")
"""Values that are settings and no secrets, whatever their name."""
PAIR = re.compile(r"^-{0,2}([\w.-]+)\s*[=:]\s*(.+)$", re.DOTALL)
"""`--api-key=…`, `NAME=…`, `Header: …`."""


def looks_secret(name: str, value: str) -> bool:
    """Whether a value should not stand in a file in clear, by what it is called and how it looks."""
    if not value or PLAIN.match(value):
        return False
    if SURE_NAME.search(name) and not value.startswith(("/", "./", "~")):
        return True
    if len(value) < MIN_SECRET:
        return False
    return bool(NAME.search(name) or VALUE.search(value) or RANDOM.match(value) or in_address(value))


def holds_secret(before: str, argument: str) -> bool:
    """Whether an argument of a command is a secret or holds one; `before` is the argument in front of it."""
    option = before if before.startswith("-") and "=" not in before else ""
    if looks_secret(option.lstrip("-"), argument) and not argument.startswith("-"):
        return True
    pair = PAIR.match(argument)
    if pair and "://" not in pair[0][: pair.end(1) + 3]:
        return looks_secret(pair[1], pair[2]) or holds_secret("", pair[2])
    return looks_secret("", argument)


def in_address(text: str) -> bool:
    """Whether a text is an address that holds a password, or a secret in its query or path."""
    if "://" not in text:
        return False
    try:
        parts = urlsplit(text)
        query = parse_qsl(f"{parts.query}&{parts.fragment}", keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        return True  # nobody can tell what is in it
    if "@" in parts.netloc and parts.username not in (None, "git"):
        return True
    pieces = [("", unquote(piece)) for piece in parts.path.split("/")]
    return any(looks_secret(name, value) for name, value in [*query, *pieces, ("", parts.fragment)])
