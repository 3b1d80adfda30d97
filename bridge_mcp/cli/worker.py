"""The command `worker`: one of the processes that share the work on a Postgres store."""

from __future__ import annotations

import gc
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.text import Text

from bridge_mcp.cli.common import USUAL, Common
from bridge_mcp.cli.output import console
from bridge_mcp.cli.run import located, loop
from bridge_mcp.cli.texts import worker as texts
from bridge_mcp.config import Config
from bridge_mcp.core.errors import BadInput, ConfigError

if TYPE_CHECKING:
    from bridge_mcp.worker_assembly import WorkerOptions

__all__ = ["worker"]

NOBODY = "none"
"""`--channels none`: hold no channel."""


def worker(
    *,
    concurrency: Annotated[int, Parameter(validator=Number(gte=1, lte=1000))] = 8,
    channels: list[str] | None = None,
    grace_s: Annotated[float, Parameter(validator=Number(gte=0, lte=3600))] = 10.0,
    common: Common = USUAL,
) -> int:
    """Work on conversations beside other workers, on a Postgres store. SIGTERM and Ctrl-C end it.

    Start it as often as you want, on any machine, with the same bridge.toml. Each conversation is worked on by one
    worker at a time, and each channel is held by one; what a worker leaves behind the others take over within seconds.

    Parameters
    ----------
    concurrency
        How many conversations it works on at once.
    channels
        The channels that it may hold (receive from and send to), with commas between; `none` for none. Else all.
    grace_s
        Seconds that a stop waits for what is under way, before it is handed over to other workers.
    """
    config = common.prepare("info")
    located(config)
    if not config.store.is_postgres:
        raise ConfigError(
            f"Workers share a store on Postgres, and this one is a file: {config.store.where}.",
            fix="Start the bridge with: bridge-mcp serve. For several machines, see [store] url in the README.",
        )
    from bridge_mcp.worker_assembly import WorkerOptions

    options = WorkerOptions(concurrency=concurrency, channels=held(config, channels), grace_s=grace_s)
    loop(run, config, options, serving=True)
    return 0


def held(config: Config, options: list[str] | None) -> frozenset[str]:
    """The channels that the worker may hold.

    Raises:
        BadInput: there is none of that name.
    """
    names = [name for option in options or () for name in option.split(",") if name]
    if options is None:
        return frozenset(config.channels)
    if names == [NOBODY]:
        return frozenset()
    if not names:
        raise BadInput("--channels names none.", fix=f"Write {NOBODY} for none; leave it out for all.")
    for name in names:
        if name not in config.channels:
            listed = ", ".join(sorted(config.channels)) or "none"
            raise BadInput(f"--channels: there is no channel '{name}' in {config.where}.", fix=f"There are: {listed}.")
    return frozenset(names)


async def run(config: Config, options: WorkerOptions) -> None:
    """Work until a signal comes."""
    from asyncio import Event

    from bridge_mcp.server.stdio.lifetime import stop_on_signals
    from bridge_mcp.worker_assembly import StoppedWaiting, open_worker

    out, stopped = console(stderr=True), Event()

    def ready() -> None:
        gc.freeze()
        out.print(Text(texts.up(config.where, options.concurrency)))

    def waits(why: str) -> None:
        out.print(Text(texts.waits(why), "yellow"))

    unfinished: tuple[str, ...] = ()
    with stop_on_signals(stopped), suppress(StoppedWaiting):
        async with open_worker(config, options, waits, stopped) as at_work:
            unfinished = await at_work.run(stopped, ready)
    out.print(Text(texts.ended(unfinished)))
