"""Play input files against the bridge: `python -m tests.cases models|servers|import|telegram FILE...`.

Each kind has a module of its own with `play(path) -> str`: it runs one file and returns a transcript.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

PLAYERS = {
    "models": "tests.cases.play_models",
    "servers": "tests.cases.play_servers",
    "import": "tests.cases.play_import",
    "telegram": "tests.cases.play_telegram",
}


def main(arguments: list[str]) -> int:
    """Print the transcript of each file; 2 for a command line that cannot be read."""
    kind, *names = arguments or [""]
    missing = [name for name in names if not Path(name).is_file()]
    if kind not in PLAYERS or not names or missing:
        problem = f"no such file: {', '.join(missing)}\n" if missing else ""
        sys.stderr.write(f"{problem}usage: python -m tests.cases {'|'.join(PLAYERS)} FILE...\n")
        return 2
    player = import_module(PLAYERS[kind])
    for name in names:
        sys.stdout.write(f"== {name}\n{player.play(Path(name)).rstrip()}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
