"""The figures of this project, each beside its reference and its goal: python -m tests.bench [NAME…] [--quick]"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence

from tests.bench import (
    channels,
    console,
    gate,
    hook,
    memory,
    models,
    offers,
    postgres,
    reading,
    relayed,
    roundtrip,
    scale,
    startup,
    telegram,
    turns,
)
from tests.bench.table import Table

PARTS: dict[str, Callable[[bool], list[Table]]] = {
    "startup": startup.run,
    "roundtrip": roundtrip.run,
    "turns": turns.run,
    "memory": memory.run,
    "reading": reading.run,
    "postgres": postgres.run,
    "gate": lambda quick: [*gate.run(quick), *relayed.run(quick)],
    "hook": hook.run,
    "offers": offers.run,
    "telegram": telegram.run,
    "console": console.run,
    "channels": channels.run,
    "models": models.run,
    "scale": scale.run,
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: whether it runs, not how fast")
    options = parser.parse_args(argv)
    unknown = [name for name in options.names if name not in PARTS]
    if unknown:
        parser.error(f"there is no figure '{unknown[0]}'; there are {', '.join(PARTS)}")
    say(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    say(f"load average {load()}{', a quick run: its figures are rough' if options.quick else ''}")
    begun = time.monotonic()
    for name in options.names or PARTS:
        for table in PARTS[name](options.quick):
            say("")
            for line in table.lines():
                say(line)
    say(f"\n{time.monotonic() - begun:.0f} s, load average {load()}")
    return 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def load() -> str:
    return " ".join(f"{each:.2f}" for each in os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
