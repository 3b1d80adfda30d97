"""What a program built on bridge_mcp, and its own tests, can be tested with: shipped fakes for the ports.

    ManualClock   a `Clock` that moves when told to
    FakeModel     a `Model` that gives the replies it was given, in order, or by a function
    FakeToolbox   a `Toolbox` of async functions that can be held, fail, or leave their outcome unknown
    FakeCallers   `Callers` that live as long as a test says so
    FakeChannel   a `Channel` that is told what it hears, and remembers what it sent

`bridge_mcp.testing.channel_contract` has the tests that every channel passes, for channels of other packages too.

They keep the contracts of `bridge_mcp.ports` and run in the same suites as the real adapters. Servers that speak the
protocols of platforms and model providers are not part of the package: they stand in `tests/servers` of the repository.
"""

from __future__ import annotations

from bridge_mcp.testing.callers import FakeCallers
from bridge_mcp.testing.channel import FakeChannel
from bridge_mcp.testing.clock import ManualClock
from bridge_mcp.testing.model import FakeModel, calls, says
from bridge_mcp.testing.toolbox import FakeToolbox, Hold

__all__ = ["FakeCallers", "FakeChannel", "FakeModel", "FakeToolbox", "Hold", "ManualClock", "calls", "says"]
