"""One scope of Python code: what it binds, and where a name is looked for. Knows no syntax.

Follows the Python reference, chapter 4.2 (naming and binding).
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field

# What every module, class body and method has without saying so.
GIVEN = {"__name__", "__file__", "__doc__", "__package__", "__spec__", "__loader__", "__path__", "__annotations__"}
GIVEN |= {"__builtins__", "__cached__", "__class__", "__module__", "__qualname__", "__dict__", "__debug__"}
BUILTINS = frozenset(dir(builtins)) | GIVEN | {"WindowsError", "__conditional_annotations__"}


@dataclass
class Scope:
    """One scope: what it binds, and which of its names are another scope's."""

    kind: str  # module, function, class, comprehension
    parent: Scope | None = None
    bound: set[str] = field(default_factory=set)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)
    used: list[tuple[str, int]] = field(default_factory=list)

    @property
    def module(self) -> Scope:
        """The outermost scope."""
        scope = self
        while scope.parent:
            scope = scope.parent
        return scope

    def bind(self, name: str) -> None:
        """Makes the name one of this scope, or of the module's where it is declared global."""
        (self.module if name in self.globals else self).bound.add(name)

    def finds(self, name: str) -> bool:
        """Whether the name is bound where this scope looks for it."""
        if name in BUILTINS or name in self.module.bound:
            return True
        if name in self.globals:
            return False
        if name in self.bound and name not in self.nonlocals:
            return True
        scope = self.parent
        while scope and scope.parent:
            if scope.kind != "class" and name in scope.bound:
                return True
            scope = scope.parent
        return False
