"""`python -m bridge_mcp`: the command, for where scripts are not on the path."""

import sys

from bridge_mcp.cli import main

if __name__ == "__main__":
    sys.exit(main())
