"""Make what a release hands out: `python -m tests.release FOLDER [--owner O --repository URL --bundle-url URL]`.

Writes the wheel and `bridge-mcp-VERSION.mcpb`; with an owner also `server.json`, which names the bundle, and a package
of an index only once `--index-name` says that the name there is ours.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.release.bundle import build_wheel, project, write_bundle
from tests.release.registry import Release, mcp_name, server_json
from tests.release.trying import tools_of

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where all was made."""
    parser = argparse.ArgumentParser(prog="python -m tests.release", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--owner", default="")
    parser.add_argument("--repository", default="")
    parser.add_argument("--bundle-url", default="")
    parser.add_argument("--index-name", default="")
    parser.add_argument("--try", dest="start", action="store_true", help="start the bundle by uv, as its host does")
    given = parser.parse_args(arguments)
    folder: Path = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    wheel = build_wheel(folder)
    bundle = folder / f"bridge-mcp-{project()['version']}.mcpb"
    write_bundle(bundle, wheel)
    told = [str(wheel), str(bundle)]
    if given.start:
        told.append(f"It starts, with {len(tools_of(bundle))} tools.")
    if given.owner:
        release = Release(
            given.owner,
            given.repository,
            bundle=bundle if given.bundle_url else None,
            bundle_url=given.bundle_url,
            index_name=given.index_name,
        )
        try:
            made = server_json(release)
        except ValueError as exc:
            sys.stderr.write(f"error: {exc}\n")
            return 1
        (folder / "server.json").write_text(json.dumps(made, indent=2) + "\n", "utf-8")
        told.append(str(folder / "server.json"))
        if given.index_name:
            told.append(f"The README on the index has to hold: <!-- mcp-name: {mcp_name(release)} -->")
    sys.stdout.write("\n".join(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
