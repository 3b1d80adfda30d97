"""Jobs that are ended together (`workers.work.Endings`)."""

from __future__ import annotations

from typing import Any

import anyio

from bridge_mcp.workers.work import Endings, Work


class Asked:
    """Notes which jobs are ended together, and ends those of the first time once `go` is set."""

    def __init__(self) -> None:
        self.jobs: list[list[int]] = []
        self.go = anyio.Event()

    async def __call__(self, statement: str, *, jobs: list[int], **others: list[Any]) -> list[dict[str, Any]]:
        self.jobs.append(jobs)
        await self.go.wait()
        return [{"job": job, "done": True} for job in jobs]


async def test_a_job_that_was_given_up_meanwhile_is_not_ended_with_the_others() -> None:
    """It is handed back, and another worker may have begun it by then."""
    asked = Asked()
    endings = Endings(asked)
    given_up = anyio.CancelScope()

    async def end_and_give_up() -> None:
        with given_up:
            await endings.end(Work(2, "local/b", 1))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(endings.end, Work(1, "local/a", 1))
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(end_and_give_up)
            tasks.start_soon(endings.end, Work(3, "local/c", 1))
            await anyio.wait_all_tasks_blocked()
            given_up.cancel()
            await anyio.wait_all_tasks_blocked()
            asked.go.set()
    assert asked.jobs == [[1], [3]]
