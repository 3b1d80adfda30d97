"""The environment of a nested server's process: the machine's variables, and those the owner names; no secret of ours.

A server gets no variable of the bridge's own. But `npx`, `uvx` and their children need the machine's proxies,
certificates and package registries, so those are passed by name, unless they hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["child_environment", "withheld"]

MACHINE = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TMPDIR|XDG_(?:CACHE|CONFIG|DATA|STATE|RUNTIME)_[A-Z]+"
)
"""Variables that a program needs to run at all."""

NETWORK = re.compile(
    r"(?i:HTTP_PROXY|HTTPS_PROXY|ALL_PROXY|NO_PROXY)"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|NIX_SSL_CERT_FILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NODE_EXTRA_CA_CERTS|GIT_SSL_CAINFO"
    r"|PIP_CERT|PIP_CONFIG_FILE|PIP_INDEX_URL|PIP_EXTRA_INDEX_URL|PIP_FIND_LINKS|PIP_CACHE_DIR"
    r"|UV_INDEX|UV_DEFAULT_INDEX|UV_INDEX_URL|UV_EXTRA_INDEX_URL|UV_NATIVE_TLS|UV_CACHE_DIR|UV_PYTHON_INSTALL_DIR"
    r"|(?i:NPM_CONFIG_(?:REGISTRY|CAFILE|CACHE|PREFIX|PROXY|HTTPS_PROXY|NOPROXY|USERCONFIG))"
)
"""Variables for networks and package registries; none of them is for a token."""


def child_environment(server: ToolServer, ours: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: a part of ours, and what the owner set for it."""
    passed = {name: value for name, value in ours.items() if name in server.env_pass or is_passed(name, value)}
    return passed | dict(server.env)


def withheld(server: ToolServer, ours: Mapping[str, str]) -> list[str]:
    """The names of network variables that a child does not get because they hold a password."""
    passed = child_environment(server, ours)
    return sorted(name for name in ours if NETWORK.fullmatch(name) and name not in passed)


def is_passed(name: str, value: str) -> bool:
    """Whether every child gets this variable."""
    return bool(MACHINE.fullmatch(name)) or (bool(NETWORK.fullmatch(name)) and not holds_password(value))


def holds_password(value: str) -> bool:
    """Whether one of the URLs in a variable's value holds a user or a password."""
    try:
        return any("@" in urlsplit(word).netloc for word in re.split(r"[\s,]+", value))
    except ValueError:
        return True
