"""A program for the test of `tests.prefork`: tells what it was given, and ends with the code of its last argument."""

from __future__ import annotations

import json
import os
import sys

if __name__ == "__main__":
    given = {
        "arguments": sys.argv[1:],
        "folder": os.getcwd(),
        "environment": {key: value for key, value in os.environ.items() if key != "LC_CTYPE"},
        "input": sys.stdin.read(),
        "parent": os.getppid(),
        "forked": "pydantic" in sys.modules,
        "open": [number for number in range(64) if os.path.exists(f"/proc/self/fd/{number}")],
    }
    sys.stdout.write(json.dumps(given))
    sys.stderr.write("said on standard error\n")
    sys.exit(int(sys.argv[-1]))
