"""The command `demo`."""

from __future__ import annotations

__all__ = ["demo"]


def demo() -> int:
    """See all of it work in under 20 seconds, without keys or network; nothing is left behind."""
    from bridge_mcp.demo.play import main

    return main()
