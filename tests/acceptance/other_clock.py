"""`bridge-mcp` on a machine whose clock is off: python -m tests.acceptance.other_clock SECONDS ARGUMENT...

This process's clock of the wall is ahead by so many seconds (behind where they are below zero).
"""

from __future__ import annotations

import sys
import time

from bridge_mcp.cli import main

if __name__ == "__main__":
    plain, by = time.time, float(sys.argv[1])
    time.time = lambda: plain() + by
    sys.exit(main(sys.argv[2:]))
