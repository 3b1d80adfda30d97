"""Run the official conformance suite: `python -m tests.conformance`. Needs npm and its registry.

The suite comes from npm together with the Node.js that it wants. What is expected to fail stands in `expected.yml`; a
scenario that fails and is not there, or is there and passes, fails the run.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.hosts.serving import served

SUITE = "@modelcontextprotocol/conformance@0.1.16"
NODE = "node@22"
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXPECTED = HERE / "expected.yml"
CLIENT_SCENARIOS = ("initialize", "tools_call")
CONFIG = '[channels.local]\ntype = "local"\nresponder = "relay"\n'
INSTALL_S = 300
RUN_S = 300
MISSING = 77
"""The exit code where the suite cannot be had; test runners take it for skipped."""


def main() -> int:
    """0 where all is as expected, 1 where not, 77 where the suite cannot be installed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suite = installed(folder)
        if not suite:
            return MISSING
        config = folder / "bridge.toml"
        config.write_text(CONFIG, "utf-8")
        own = {"HOME": name, "BRIDGE_MCP_STATE_DIR": str(folder / "state"), "BRIDGE_MCP_CONFIG": str(config)}
        with served({"PATH": os.environ.get("PATH", os.defpath), **own}) as url:
            failed = run([*suite, "server", "--url", url, "-o", str(folder / "server")])
        client = shlex.join([sys.executable, "-m", "tests.conformance.client"])
        for scenario in CLIENT_SCENARIOS:
            failed |= run([*suite, "client", "--command", client, "--scenario", scenario, "-o", str(folder / "client")])
    sys.stdout.write(f"conformance: {'NOT as expected' if failed else 'as expected'}\n")
    return int(failed)


def installed(folder: Path) -> list[str]:
    """The command of the suite, installed below a folder; nothing where npm or its registry is out of reach."""
    npm = shutil.which("npm")
    if npm is None:
        sys.stderr.write("conformance: there is no npm\n")
        return []
    try:
        got = subprocess.run(
            [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), SUITE, NODE],
            timeout=INSTALL_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"conformance: npm did not install the suite within {INSTALL_S} s\n")
        return []
    if got.returncode:
        sys.stderr.write("conformance: npm cannot install the suite\n")
        return []
    modules = folder / "node_modules"
    return [
        str(modules / ".bin" / "node"),
        str(modules / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"),
    ]


def run(command: list[str]) -> bool:
    """Run one part of the suite; whether something was not as expected."""
    done = subprocess.run(
        [*command, "--expected-failures", str(EXPECTED)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip
    _, found, summary = done.stdout.partition("=== SUMMARY ===")
    sys.stdout.write(f"{summary.strip() if found else done.stdout[-3_000:].strip()}\n")
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
