"""The process behind `schema_process`: reads checks from stdin, one a line, and answers each with a line.

    {"schema": "…", "arguments": "…"}   →   {"complaint": "…"}  or  {"unusable": "why"}

A check that computes too long or takes too much memory ends the process; if the system has no such limits, the parent
ends it after a time-out.
"""

from __future__ import annotations

import json
import os
import sys

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import JSON, read_json
from bridge_mcp.toolservers.validation import Unusable, Validator, complaint, validator_of

__all__ = ["main"]

CPU_S = 0.5
"""Seconds of computing for one check."""
MEMORY = 2 * 1024**3
"""Bytes of address space."""
KEPT = 50
"""Validators in the cache."""


def main() -> None:
    """Answer until stdin ends."""
    limit_memory()
    out = os.dup(1)
    os.dup2(2, 1)
    validators: dict[str, Validator] = {}
    for line in sys.stdin.buffer:
        limit_time(CPU_S)
        answer = json.dumps(answer_to(line, validators)).encode() + b"\n"
        limit_time(0.0)
        while answer:
            answer = answer[os.write(out, answer) :]


def answer_to(line: bytes, validators: dict[str, Validator]) -> dict[str, str]:
    """The answer to one check."""
    try:
        check = read_json(line)
        if not isinstance(check, dict):
            return {"unusable": "nothing was asked"}
        schema, arguments = str(check["schema"]), read_json(str(check["arguments"]))
        if not isinstance(arguments, dict):
            return {"unusable": "the arguments are not an object"}
        if schema not in validators:
            if len(validators) >= KEPT:
                validators.clear()
            validators[schema] = either(read_json(schema))
        return {"complaint": complaint(validators[schema], arguments)}
    except (BadJSON, Unusable) as exc:
        return {"unusable": str(exc)}
    except Exception as exc:  # an error of the validator itself is reported, and costs no other check
        return {"unusable": f"the check failed: {type(exc).__name__}"}


def either(schema: JSON) -> Validator:
    """A validator with linear patterns, else with a backtracking engine for lookarounds.

    Raises:
        Unusable: neither can be made.
    """
    try:
        return validator_of(schema)
    except Unusable:
        return validator_of(schema, linear=False)


def limit_memory() -> None:
    """Limit the memory of this process (RLIMIT_AS), if the system can."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_time(seconds: float) -> None:
    """End this process after so much CPU time from now on, if the system can; 0: no limit."""
    if sys.platform == "win32":
        return
    import signal

    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)


if __name__ == "__main__":
    main()
