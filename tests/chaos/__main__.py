"""The whole run, as `python -m tests.chaos`: three workers, 500 chats, 5,000 messages, 30 kills; prints what came."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import anyio

from tests.chaos.run import Plan, Report
from tests.chaos.test_chaos import carried_out


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 1 where something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    for each in fields(Plan):
        if isinstance(each.default, int | float):
            parser.add_argument(f"--{each.name.replace('_', '-')}", type=type(each.default), default=each.default)
    given = vars(parser.parse_args(arguments))
    plan = replace(Plan(), **{**given, "seed": given["seed"] or random.randrange(1, 1_000_000)})
    sys.stdout.write(f"{plan}\n")
    sys.stdout.flush()
    report = Report()
    try:
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            anyio.run(carried_out, plan, Path(folder), report)
    finally:
        sys.stdout.write("\n".join([*report.story(), *report.lines(), ""]))
        sys.stdout.flush()
    return int(bool(report.wrong))


if __name__ == "__main__":
    sys.exit(main())
