"""Values with fields that no `repr` shows, so that secrets reach no log line and no traceback."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

__all__ = ["HidesFields"]


class HidesFields(Struct, frozen=True):
    """A value whose `repr` leaves out the fields that `HIDDEN` names."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        names = [name for name in self.__struct_fields__ if name not in self.HIDDEN]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"
