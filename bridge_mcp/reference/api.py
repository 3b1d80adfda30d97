"""The part of the reference about the package's public names, for programs that embed the bridge or test theirs."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import bridge_mcp
from bridge_mcp.reference.sentences import first_sentence, name_sentences
from bridge_mcp.service import Bridge

__all__ = ["api", "public_packages"]

HEAD = """\
`bridge_mcp.assembly.open_bridge(load_config())` opens a bridge, and its `bridge` is a `Bridge`: what the MCP tools and
the commands work with too. What stands in brackets may be left out. Below it are the public names of each package.
"""


def api() -> str:
    """Package by package, name by name."""
    return "\n".join([HEAD, bridge(), *(package(module) for module in public_packages())])


def bridge() -> str:
    """The methods of the one class that programs work with."""
    methods = sorted(inspect.getmembers(Bridge, inspect.isroutine))
    lines = [
        f"- `{name}({taken(method)})`: {first_sentence(method.__doc__ or '')}"
        for name, method in methods
        if not name.startswith("_")
    ]
    return "\n".join(["### `Bridge`", "", first_sentence(Bridge.__doc__ or ""), "", *lines, ""])


def taken(method: Callable[..., object]) -> str:
    """The names of what a method takes: those in brackets may be left out."""
    _, *parameters = inspect.signature(method).parameters.values()
    return ", ".join(one.name if one.default is one.empty else f"[{one.name}]" for one in parameters)


def public_packages() -> Iterator[ModuleType]:
    """The packages that say which of their names are public."""
    for info in pkgutil.walk_packages(bridge_mcp.__path__, "bridge_mcp."):
        if info.ispkg and hasattr(module := importlib.import_module(info.name), "__all__"):
            yield module


def package(module: ModuleType) -> str:
    names = [
        f"- `{name}`: {text}" if (text := sentence(module, name)) else f"- `{name}`" for name in sorted(module.__all__)
    ]
    return "\n".join([f"### `{module.__name__}`", "", first_sentence(module.__doc__ or ""), "", *names, ""])


def sentence(package: ModuleType, name: str) -> str:
    """The first sentence on a public name, from where it is defined; of a value without one, the value."""
    value = getattr(package, name)
    if inspect.isclass(value) or inspect.isroutine(value):
        return first_sentence(value.__doc__ or "")
    for module in [package, *(each for key, each in sys.modules.items() if key.startswith("bridge_mcp."))]:
        if vars(module).get(name) is value and (docstring := name_sentences(module).get(name)):
            return first_sentence(docstring)
    return f"`{value!r}`." if isinstance(value, str | int | float) else ""
