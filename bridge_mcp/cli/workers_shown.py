"""Workers and their queue as lines for people, in `status` and in `check`."""

from __future__ import annotations

from bridge_mcp.cli.texts import databases as texts
from bridge_mcp.core.results import Queue, Worker
from bridge_mcp.core.safe_text import visible
from bridge_mcp.ports import WorkerInfo

__all__ = ["queue_line", "worker_line"]


def worker_line(worker: Worker | WorkerInfo) -> str:
    """One worker."""
    return texts.worker(
        f"{visible(worker.host)}:{worker.pid}",
        worker.version,
        schema=worker.schema_version,
        clock_off_s=worker.clock_off_s,
        busy=worker.under_way,
        total=worker.concurrency,
        holds=[visible(hold) for hold in worker.holds],
        refuses=visible(worker.refuses),
    )


def queue_line(queue: Queue) -> str:
    """The work that waits."""
    return texts.queue(queue.waiting, under_way=queue.under_way, oldest_s=queue.oldest_s)
