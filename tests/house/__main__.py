"""Draws anew what is drawn from the code: the list of modules, the schemas of the tools, the reference."""

from __future__ import annotations

from bridge_mcp.reference import drawn as reference
from tests.house import modules
from tests.house.reference import REFERENCE
from tests.house.tool_schemas import SCHEMAS
from tests.house.tool_schemas import drawn as schemas

if __name__ == "__main__":
    modules.main()
    SCHEMAS.write_text(schemas(), "utf-8")
    REFERENCE.write_text(reference(), "utf-8")
