"""Checks arguments by a tool's JSON schema, with errors that a model can act on.

A schema is an untrusted program (see `schema_cost`). If its work for these very arguments is bounded, they are checked
in place; else in a process with limits for time and memory (see `schema_process`). If a schema cannot be used, that is
reported once, and the tool's server decides: a check saves a call that would fail, it protects nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

import anyio

from bridge_mcp.core.errors import BridgeError
from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.tools import JSON, ToolSpec, arguments_text, parse_arguments
from bridge_mcp.toolservers.schema_cost import Cost, cost_of
from bridge_mcp.toolservers.schema_process import SchemaProcess, Unchecked
from bridge_mcp.toolservers.validation import Unusable, Validator, complaint, validator_of

__all__ = ["Schemas"]

logger = logging.getLogger(__name__)

MAX_KEPT = 1_000
"""Schemas in the cache; reading one costs some sixty times as much as using it."""
MAX_IN_PLACE = 20_000
"""Characters of a schema that is checked in place."""
STEPS = 200_000
"""Evaluations in place: some milliseconds."""
PATTERN_STEPS = 5_000_000
MAX_LOOKED = 500
"""Tools of one list whose schemas are examined before they are called."""
MAX_ASKED = 20
"""How many of these schemas are tried in the process."""
LOOK_PAUSE_S = 0.002
MAX_DEATHS = 2
"""After so many checks by one schema that ended the process, it is not used again."""


@dataclass(slots=True)
class SchemaState:
    """A schema that was read. Without a validator every check is made in the process."""

    validator: Validator | None = None
    cost: Cost = Cost()
    deaths: int = 0
    hopeless: str = ""
    """Why it cannot be used at all."""

    def in_place(self, text: str) -> bool:
        """Whether arguments with this text can be checked here."""
        steps, pattern_steps = self.cost.steps(text)
        return steps <= STEPS and pattern_steps <= PATTERN_STEPS


class Schemas:
    """Checks arguments; caches each schema's validator. `on_unusable` is called when a schema cannot be used."""

    def __init__(self, on_unusable: Callable[[], None] = lambda: None) -> None:
        self.unchecked: dict[str, str] = {}
        """By a tool's name, why its calls are not checked."""
        self._known: dict[str, SchemaState] = {}
        self._process = SchemaProcess()
        self._on_unusable = on_unusable

    async def complaint(self, spec: ToolSpec, arguments: Mapping[str, JSON]) -> str:
        """The error of the arguments; "" for none, or if they cannot be checked.

        Raises:
            BadInput: they are no valid JSON.
        """
        text = arguments_text(arguments)
        state = self._known_schema(spec.schema)
        if state.hopeless:
            self._tell(spec, state.hopeless)
            return ""
        if state.validator is not None and state.in_place(text):
            try:
                return complaint(state.validator, arguments)
            except Unusable as exc:
                self._tell(spec, str(exc))
                return ""
        try:
            return await self._process.complaint(spec.schema, text)
        except Unchecked as exc:
            state.deaths += exc.died
            if not exc.again or state.deaths >= MAX_DEATHS:
                state.hopeless = str(exc)
            self._tell(spec, str(exc))
            return ""

    async def look(self, specs: Iterable[ToolSpec]) -> None:
        """Find out which of these tools' calls cannot be checked, before they are called.

        Yields to the event loop between schemas, and examines at most `MAX_LOOKED`.
        """
        tried = 0
        for spec in islice(specs, MAX_LOOKED):
            state = self._known_schema(spec.schema)
            reason = state.hopeless
            checked_here = state.validator is not None and state.in_place("{}")
            if not (reason or checked_here) and tried < MAX_ASKED:
                tried += 1
                reason = await self._tried(state, spec.schema)
            if reason:
                self._tell(spec, reason)
            await anyio.sleep(LOOK_PAUSE_S)

    async def _tried(self, state: SchemaState, schema: str) -> str:
        """Why the process cannot check even `{}` by a schema; "" if it can."""
        try:
            await self._process.complaint(schema, "{}")
        except Unchecked as exc:
            state.deaths += exc.died
            if not exc.again:
                state.hopeless = str(exc)
            return str(exc) if exc.died or not exc.again else ""
        return ""

    async def close(self) -> None:
        """End the process, if there is one."""
        await self._process.close()

    def _known_schema(self, schema: str) -> SchemaState:
        state = self._known.get(schema)
        if state is None:
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            state = self._known[schema] = read(schema)
        return state

    def _tell(self, spec: ToolSpec, reason: str) -> None:
        if self.unchecked.get(spec.name) == reason:
            return
        if len(self.unchecked) >= MAX_KEPT:
            self.unchecked.clear()
        self.unchecked[spec.name] = reason
        logger.warning(
            "The arguments of %s are not checked: %s. Its server is the judge.", visible(spec.name), visible(reason)
        )
        self._on_unusable()


def read(schema: str) -> SchemaState:
    """Read a schema: its validator and its cost, or why it is unusable."""
    if len(schema) > MAX_IN_PLACE:
        return SchemaState()
    try:
        parsed = parse_arguments(schema)
        cost = cost_of(parsed)
        return SchemaState() if cost is None else SchemaState(validator_of(parsed), cost)
    except Unusable:
        return SchemaState()  # the process has another engine for patterns; if that fails too, it says why
    except BridgeError as exc:
        return SchemaState(hopeless=str(exc))
