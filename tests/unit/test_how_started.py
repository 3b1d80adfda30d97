"""What a process tells of how it was started: what its owner has to paste to start it again."""

from __future__ import annotations

import pytest

from bridge_mcp.how_started import started_by
from bridge_mcp.operations.engine_settings import Settings, started_again

SERVE = ["/opt/bridge/bin/bridge-mcp", "serve", "--http", "127.0.0.1:8765", "--config", "/home/ann/my bridge.toml"]
TYPED = "bridge-mcp serve --http 127.0.0.1:8765 --config '/home/ann/my bridge.toml'"
SYSTEMD = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/bridge-mcp.service\n"
TERMINAL = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-u42.scope\n"


@pytest.mark.parametrize(
    ("argv", "env", "cgroup", "service", "typed"),
    [
        (SERVE, {}, SYSTEMD, "systemctl --user restart bridge-mcp.service", TYPED),
        (SERVE, {}, TERMINAL, "", TYPED),
        (SERVE, {"XPC_SERVICE_NAME": "bridge-mcp.serve"}, "", "launchctl kickstart -k gui/501/bridge-mcp.serve", TYPED),
        (SERVE, {"XPC_SERVICE_NAME": "com.apple.Terminal"}, "", "", TYPED),
        (["/opt/bridge/bin/bridge-mcp", "--config", "x.toml"], {}, TERMINAL, "", ""),
        (["/usr/bin/an-embedding-program"], {}, TERMINAL, "", ""),
    ],
    ids=["systemd", "terminal", "launchd", "mac-terminal", "host", "embedded"],
)
def test_it_is_told_by_the_service_manager_and_the_command_line(
    argv: list[str], env: dict[str, str], cgroup: str, service: str, typed: str
) -> None:
    assert started_by(argv, env, cgroup, user_id=501) == (service, typed)


def test_who_ends_it_is_told_how_it_is_started_again() -> None:
    by_service = started_again(Settings(service="systemctl --user restart bridge-mcp.service", command=TYPED), 42)
    assert by_service == ("Restart its service.", "systemctl --user restart bridge-mcp.service")
    words, paste = started_again(Settings(command=TYPED), 42)
    assert "process 42" in words
    assert paste == TYPED
    assert started_again(Settings(), 42) == ("Restart what started it, such as an MCP host: it is process 42.", "")
