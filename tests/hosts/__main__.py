"""Run hosts and clients from PyPI and npm against the installed command: `python -m tests.hosts [NAME...]`.

Each gets an environment of its own, connects over stdio, relays a message, takes a turn through an approval and looks
at a picture. Those with `-hook` behind their names are agents whose hook asks before they run something, those with
`-gate` have a gate before somebody's server, and those with `-installed` were given the bridge by `bridge-mcp install`.
A host whose packages cannot be had is told as skipped, with the reason.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.hosts.agents import AGENTS
from tests.hosts.clients import CLIENTS
from tests.hosts.gates import GATES
from tests.hosts.gateways import GATEWAYS
from tests.hosts.hooks import HOOKS
from tests.hosts.installed import INSTALLED
from tests.hosts.installing import Skipped
from tests.hosts.loop import SAW
from tests.hosts.stage import set_up


class Host(Protocol):
    """Whatever can be tried."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What is installed, with its version."""
        ...

    @property
    def blind(self) -> bool:
        """Whether it shows no picture of any server."""
        ...

    def run(self, folder: Path, environment: Mapping[str, str]) -> dict[str, bool]:
        """Which checks hold, in a folder of its own, with the variables that the bridge needs."""
        ...


HOSTS: dict[str, Host] = {**CLIENTS, **GATEWAYS, **AGENTS, **HOOKS, **GATES, **INSTALLED}


def main(names: Sequence[str]) -> int:
    """0 where every check of every host that could be tried holds."""
    failed = 0
    for name in names or HOSTS:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            environment = set_up(folder / "bridge") | {"PATH": os.environ.get("PATH", os.defpath), "HOME": place}
            try:
                found = HOSTS[name].run(folder, environment)
                wanted = [check for check in found if check != SAW or not HOSTS[name].blind]
                told = ", ".join(f"{check}: {answer(found[check], check in wanted)}" for check in found)
                failed += not all(found[check] for check in wanted)
            except Skipped as exc:
                told = f"skipped, {exc}"
            except (RuntimeError, subprocess.TimeoutExpired, ValueError, KeyError, AssertionError) as exc:
                told = f"FAILED: {exc}"
                failed += 1
            sys.stdout.write(f"{name} ({', '.join(HOSTS[name].packages)}): {told}\n")
            sys.stdout.flush()
    return 1 if failed else 0


def answer(holds: bool, wanted: bool) -> str:
    return "yes" if holds else "NO" if wanted else "no, from no server"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
