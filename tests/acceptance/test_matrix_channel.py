"""A channel that is a package of its own: installed by pip, held to the public suite, named by a config."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.parts import Home

TOKEN = "planted-matrix-token"
PACKAGE = Path(__file__).parents[2] / "examples" / "matrix_channel"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed package."""
    target = tmp_path_factory.mktemp("site")
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(PACKAGE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.shows("chats.contract")
def test_it_passes_the_public_suite(site: Path) -> None:
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "anyio", "-p", "no:cacheprovider", "-p", "no:simcord",
         "-c", os.devnull, "-W", "error", "tests/test_contract.py"],
        cwd=PACKAGE, env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "14 passed" in done.stdout


@pytest.mark.shows("chats.plug")
def test_check_and_status_name_the_package(site: Path, home: Home) -> None:
    section = 'homeserver = "http://127.0.0.1:9"\nuser = "@b:x"\ntoken_env = "MATRIX"\n'
    home.write(f'[channels.home]\ntype = "matrix"\n{section}')
    path = str(site)
    assert "matrix, by bridge-matrix 0.1.0" in home.run("check", "--no-ask", PYTHONPATH=path, MATRIX=TOKEN)
    assert "matrix (bridge-matrix 0.1.0)" in home.run("status", PYTHONPATH=path, MATRIX=TOKEN)
    told = home.run("check", "--no-ask", code=1)
    assert "there is no type 'matrix'" in told
