"""What the console ships of others is what their package has."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bridge_mcp.console.rendering import STATIC

NOTED: dict[str, Any] = tomllib.loads((STATIC / "vendored.toml").read_text("utf-8"))


@pytest.mark.shows("console.vendored")
def test_each_file_has_the_hash_that_is_noted() -> None:
    for package in NOTED.values():
        for name, noted in package["files"].items():
            assert hashlib.sha512((STATIC / name).read_bytes()).hexdigest() == noted["sha512"], name
        assert package["license_file"] in package["files"]


@pytest.mark.slow
@pytest.mark.shows("console.vendored")
def test_the_package_has_these_very_files(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    for package in NOTED.values():
        wanted = f"{package['package']}@{package['version']}"
        packed = npm and subprocess.run(
            [npm, "pack", "--silent", wanted], cwd=tmp_path, capture_output=True, timeout=120, check=False
        )
        if not packed or packed.returncode:
            if os.environ.get("CI") == "true":
                pytest.fail("npm cannot give the package, and CI has to have it.")
            pytest.skip("needs npm and its registry")
        data = (tmp_path / packed.stdout.decode().split()[-1]).read_bytes()
        assert f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}" == package["integrity"]
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for name, noted in package["files"].items():
                member = archive.extractfile(noted["from"])
                assert member is not None
                assert member.read() == (STATIC / name).read_bytes(), name
