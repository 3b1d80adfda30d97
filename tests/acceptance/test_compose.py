"""`examples/compose`: what it says is run as processes, against a real Postgres. The image itself is not built here."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from tests.acceptance.parts import COMMAND, Home
from tests.acceptance.test_many_machines import ERAS, called, connected
from tests.acceptance.test_serving import until
from tests.servers.postgres import Database
from tests.servers.round_robin import behind_one_address

EXAMPLES = Path(__file__).parents[2] / "examples"
TOKEN = "planted-supervisor-token-0123456789"
TEXT = (EXAMPLES / "compose" / "compose.yaml").read_text("utf-8")
HEAD = TEXT.partition("services:")[0]
COMPOSE = cast("dict[str, Any]", yaml.safe_load(TEXT))
OURS = {name: each for name, each in COMPOSE["services"].items() if each["image"] == "bridge-mcp"}


def containerfile() -> list[str]:
    return (EXAMPLES / "container" / "Containerfile").read_text("utf-8").splitlines()


def test_no_process_is_root_and_each_has_a_healthcheck() -> None:
    lines = containerfile()
    uid = next(line.split("--uid ")[1].split()[0] for line in lines if "useradd" in line)
    assert uid != "0"
    assert "USER bridge" in lines
    assert {each["user"] for each in OURS.values()} == {uid}
    assert all(each["healthcheck"]["test"][0] == "CMD" for each in OURS.values())
    assert [name for name, each in OURS.items() if each["command"][0] == "worker"] == ["worker-1", "worker-2"]
    assert [name for name, each in OURS.items() if each["command"][0] == "serve"] == ["face-1", "face-2"]
    assert any("[postgres]" in line for line in lines), "the driver is in the image"


def test_no_secret_stands_in_it() -> None:
    for name in ("compose.yaml", "bridge.toml"):
        text = (EXAMPLES / "compose" / name).read_text("utf-8")
        assert "password@" not in text
    secrets = set(COMPOSE["secrets"])
    assert {each for service in COMPOSE["services"].values() for each in service.get("secrets", ())} == secrets
    assert {Path(each["file"]).parent for each in COMPOSE["secrets"].values()} == {Path("secrets")}
    assert (EXAMPLES / "compose" / ".gitignore").read_text("utf-8").split() == ["secrets/"]
    assert "examples/compose/secrets" in (EXAMPLES.parent / ".dockerignore").read_text("utf-8").split()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on this machine")
def test_its_secrets_are_made_so_that_the_user_in_a_container_reads_them_and_nobody_else_here(tmp_path: Path) -> None:
    """A file of a secret is mounted as it is, whoever it belongs to; what keeps others out is the folder around it."""
    shutil.copytree(EXAMPLES / "compose", tmp_path / "examples" / "compose")
    steps = [line[1:].partition("(the")[0].strip() for line in HEAD.splitlines() if line.startswith("#   ")]
    assert steps[-1].startswith("podman-compose up")
    script = "\n".join(["umask 077", *steps[:-1]])
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, check=True)
    folder = tmp_path / "examples" / "compose" / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    for each in COMPOSE["secrets"].values():
        file = folder.parent / each["file"]
        assert file.stat().st_mode & 0o777 == 0o644
        assert file.read_text("utf-8").strip()
    assert f":{(folder / 'database_password').read_text('utf-8')}@" in (folder / "store_url").read_text("utf-8")


def test_it_says_nothing_that_a_compose_program_passes_over() -> None:
    """`podman-compose` does not know configs, and images of podman's own format hold no health check."""
    assert set(COMPOSE) == {"services", "volumes", "secrets"}
    mounted = [each.split(":")[0] for service in COMPOSE["services"].values() for each in service.get("volumes", ())]
    assert {each for each in mounted if each.startswith("./")} == {"./bridge.toml", "./Caddyfile"}
    assert all((EXAMPLES / "compose" / each).is_file() for each in mounted if each.startswith("./"))
    assert all(each["init"] for each in OURS.values())
    builds = [line for line in containerfile() if " build " in line]
    assert builds
    assert all("--format docker" in line for line in builds)


class Machines:
    """The containers as processes: each with a state folder of its own, and the same secrets."""

    def __init__(self, home: Home, database: Database, stack: ExitStack) -> None:
        self._home = home
        self._stack = stack
        run = home.root / "secrets"
        run.mkdir()
        (run / "store_url").write_text(database.tcp_url, "utf-8")
        (run / "supervisor_token").write_text(TOKEN, "utf-8")
        text = (EXAMPLES / "compose" / "bridge.toml").read_text("utf-8")
        self._config = home.root / "bridge.toml"
        self._config.write_text(text.replace("/run/secrets", str(run)), "utf-8")

    def environment(self, name: str) -> dict[str, str]:
        given: Mapping[str, str] = OURS[name]["environment"]
        assert set(given) == {"BRIDGE_MCP_CONFIG", "BRIDGE_MCP_STATE_DIR"}
        own = {"BRIDGE_MCP_CONFIG": str(self._config), "BRIDGE_MCP_STATE_DIR": str(self._home.root / name)}
        return self._home.environment() | own

    def start(self, name: str) -> subprocess.Popen[str]:
        arguments = [word.replace("0.0.0.0:8765", "127.0.0.1:0") for word in OURS[name]["command"]]
        process = self._stack.enter_context(
            subprocess.Popen(
                [COMMAND, *arguments],
                stderr=subprocess.PIPE,
                text=True,
                cwd=self._home.work,
                env=self.environment(name),
            )
        )
        self._stack.callback(process.kill)
        return process

    def healthy(self, name: str, port: str = "") -> subprocess.CompletedProcess[str]:
        """Its healthcheck, as it stands there."""
        _, *command = cast("Sequence[str]", OURS[name]["healthcheck"]["test"])
        text = shlex.join(command).replace("127.0.0.1:8765", f"127.0.0.1:{port}")
        text = text.replace("bridge-mcp ", f"{COMMAND} ", 1)
        return subprocess.run(
            shlex.split(text), capture_output=True, text=True, env=self.environment(name), timeout=60, check=False
        )


@pytest.mark.shows("store.many-machines")
async def test_its_processes_are_one_bridge(home: Home, database: Database) -> None:
    with ExitStack() as stack:
        machines = Machines(home, database, stack)
        for name in ("worker-1", "worker-2"):
            machines.start(name)
        urls = [until(machines.start(name).stderr, r"http://127\.0\.0\.1:\d+/mcp")[0] for name in ("face-1", "face-2")]
        for name, url in zip(("face-1", "face-2"), urls, strict=True):
            found = machines.healthy(name, url.split(":")[2].split("/")[0])
            assert found.returncode == 0, found.stderr
        found = machines.healthy("worker-1")
        assert found.returncode == 0, found.stderr
        assert database.server.password not in found.stdout + found.stderr
        async with behind_one_address(*urls) as address, connected(ERAS[1], address, TOKEN) as client:
            sent = await called(client, "send_message", conversation="desk/main", text="hello")
            assert sent["message"]
            status = await called(client, "get_status")
            assert status["role"] == "face"
