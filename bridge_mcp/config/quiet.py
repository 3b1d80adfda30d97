"""Quiet hours of a channel, as its section says them."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from bridge_mcp.config.problems import Problems
from bridge_mcp.core.errors import BadInput
from bridge_mcp.ports.quiet import QuietHours

__all__ = ["quiet_hours"]


def quiet_hours(key: str, hours: str | None, zone: str, problems: Problems) -> QuietHours | None:
    """The quiet hours of a section; None where it has none, or none that can be read."""
    try:
        return None if hours is None else QuietHours.of(hours, zone_of(zone))
    except BadInput as exc:
        problems.add(f"{key}.quiet", str(exc).removesuffix(exc.fix).strip(), exc.fix)
        return None


def zone_of(name: str) -> tzinfo:
    """A time zone; UTC for one that there is not, of which `timezone` tells."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return UTC
