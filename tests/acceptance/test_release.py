"""What a release hands out: the bundle, looked at by its own tool from npm, and the registry's `server.json`."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.release.__main__ import main
from tests.release.bundle import project, write_bundle
from tests.release.registry import complaints
from tests.servers.npm import packages

MCPB = "@anthropic-ai/mcpb@2.1.2"
OWNER = ("--owner", "ann", "--repository", "https://github.com/ann/bridge")
URL = "https://github.com/ann/bridge/releases/download/v0.1.0/bridge-mcp.mcpb"
AS_A_HOST = """\
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb/node";
import { readFileSync } from "node:fs";
const manifest = JSON.parse(readFileSync(process.argv[2], "utf8"));
const config = await getMcpConfigForManifest({
  manifest, extensionPath: "/bundle", systemDirs: {}, userConfig: {}, pathSeparator: "/",
});
console.log(JSON.stringify(config));
"""
"""The bundle's own library makes of a manifest what a host starts, where its user left everything empty."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command makes."""
    folder = tmp_path_factory.mktemp("release")
    assert main([str(folder), *OWNER, "--bundle-url", URL]) == 0
    return folder


@pytest.mark.shows("release.bundle")
def test_the_bundle_is_one_to_its_own_tool_and_starts_with_nothing_filled_in(made: Path, tmp_path: Path) -> None:
    modules = packages("mcpb", MCPB)
    (bundle,) = made.glob("*.mcpb")
    tool = [str(modules / ".bin" / "mcpb")]
    subprocess.run([*tool, "unpack", str(bundle), str(tmp_path / "bundle")], check=True, capture_output=True)
    manifest = tmp_path / "bundle" / "manifest.json"
    told = subprocess.run([*tool, "validate", str(manifest)], check=True, capture_output=True, text=True).stdout
    assert "validation passes" in told
    host = modules / "host.mjs"
    host.write_text(AS_A_HOST)
    config = json.loads(subprocess.run(["node", host, manifest], check=True, capture_output=True, text=True).stdout)
    assert config["command"] == "uv"
    assert config["args"] == ["run", "--quiet", "--directory", "/bundle", "server.py"]
    assert set(config["env"].values()) == {""}


@pytest.mark.shows("release.bundle")
def test_the_bundle_carries_its_own_wheel_and_asks_no_index_for_it(made: Path) -> None:
    (bundle,), (wheel,) = made.glob("*.mcpb"), made.glob("*.whl")
    with zipfile.ZipFile(bundle) as archive:
        assert archive.read(f"wheels/{wheel.name}") == wheel.read_bytes()
        said: dict[str, Any] = tomllib.loads(archive.read("pyproject.toml").decode())
        manifest = archive.read("manifest.json").decode()
    name = project()["name"]
    assert said["project"]["dependencies"] == [name]
    assert said["tool"]["uv"]["sources"] == {name: {"path": f"wheels/{wheel.name}"}}
    assert name not in manifest
    secrets = [key for key, value in json.loads(manifest)["user_config"].items() if value.get("sensitive")]
    assert secrets == ["telegram_bot_token", "openai_api_key"]
    again = made / "again.zip"
    write_bundle(again, wheel)
    assert again.read_bytes() == bundle.read_bytes()


@pytest.mark.shows("release.registry")
def test_the_registry_is_told_what_its_schema_takes(made: Path) -> None:
    said = json.loads((made / "server.json").read_text())
    (bundle,) = made.glob("*.mcpb")
    assert complaints(said) == []
    assert said["version"] == project()["version"]
    assert [each["registryType"] for each in said["packages"]] == ["mcpb"], "no index is named before its name is ours"
    assert said["packages"][0]["fileSha256"] == hashlib.sha256(bundle.read_bytes()).hexdigest()
    for wrong in ({"name": "bridge"}, {"description": "x" * 101}, {"version": 1}, {"packages": [{"identifier": "x"}]}):
        assert complaints({**said, **wrong})


@pytest.mark.shows("release.registry")
def test_a_package_of_an_index_is_named_once_its_name_is_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = [str(tmp_path), *OWNER]
    assert main(base) == 1
    assert "nothing to install" in capsys.readouterr().err
    assert not (tmp_path / "server.json").exists()
    for wheel in tmp_path.glob("*.whl"):
        wheel.unlink()
    assert main([*base, "--index-name", "our-name"]) == 0
    (package,) = json.loads((tmp_path / "server.json").read_text())["packages"]
    assert (package["registryType"], package["identifier"]) == ("pypi", "our-name")
    assert "<!-- mcp-name: io.github.ann/bridge-mcp -->" in capsys.readouterr().out
