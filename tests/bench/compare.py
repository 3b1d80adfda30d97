"""Two checkouts side by side: python -m tests.bench.compare BEFORE AFTER [FIGURE…] [--pairs N]

A figure is the CPU time of one turn, call or page, measured in a fresh process of each tree in turn. The median of the
pairs' ratios is what a change costs: the machine's drift falls out. BEFORE beside itself tells how far to trust it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

from tests.bench.figures import median, of_pairs
from tests.bench.one_figure import FIGURES
from tests.bench.table import micro

__all__ = ["main"]

CHILD = Path(__file__).with_name("one_figure.py")
PAIRS = 20
MAX_S = 120.0
"""How long one process may take."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.compare", description=__doc__)
    parser.add_argument("before", type=Path, metavar="BEFORE", help="a checkout, with a .venv if it needs its own")
    parser.add_argument("after", type=Path, metavar="AFTER", help="another one, or the same")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"only these of {', '.join(FIGURES)}")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--share", type=float, default=1.0, help="of what a process does; less is quicker and rougher")
    options = parser.parse_args(argv)
    unknown = [name for name in options.figures if name not in FIGURES]
    if unknown:
        parser.error(f"there is no figure '{unknown[0]}'; there are {', '.join(FIGURES)}")
    for tree in (options.before, options.after):
        if not (tree / "tests" / "bench" / "turns.py").exists():
            parser.error(f"{tree} is no checkout of this project")
    for name in options.figures or FIGURES:
        before: list[float] = []
        after: list[float] = []
        for number in range(options.pairs):
            order = ((options.before, before), (options.after, after))
            for tree, into in order if number % 2 else reversed(order):
                into.append(measured(tree, name, options.share))
        sys.stdout.write(line(name, before, after) + "\n")
        sys.stdout.flush()
    return 0


def measured(tree: Path, name: str, share: float) -> float:
    """CPU seconds, by a fresh process that imports what stands in this tree.

    Raises:
        RuntimeError: it could not be measured.
    """
    own = tree.absolute() / ".venv/bin/python"
    command = (str(own) if own.exists() else sys.executable, "-P", str(CHILD), name, str(share))
    environment = os.environ | {"PYTHONPATH": str(tree.absolute())}
    done = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=MAX_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{tree}: '{name}' could not be measured: {done.stderr.strip() or done.returncode}")
    return float(done.stdout)


def line(name: str, before: Sequence[float], after: Sequence[float]) -> str:
    """Both medians, the median of the ratios, and between what half of the ratios lie."""
    ratios = [new / old for old, new in zip(before, after, strict=True)]
    low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else (ratios * 3)
    return (
        f"{name:8}  before {micro(median(before))}  after {micro(median(after))}  "
        f"ratio {of_pairs(after, before):.3f}  half of them {low:.3f} to {high:.3f}, of {len(ratios)}"
    )


if __name__ == "__main__":
    sys.exit(main())
