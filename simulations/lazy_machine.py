"""A node that makes its template when its ticket wins, and not before.

In the model lottery the time to a winning ticket depends on power and target alone, and a new template changes nothing
about it. So a template that wins nothing need not be made; of twenty nodes with a head each, nineteen templates are
for nothing. What remains is the node's own code: the template is made as it always is, only later, and its block is as
young as it can be.
"""

from __future__ import annotations

from node.core.effects import Effect
from node.core.machine import Machine
from simulations.honest import Site, make_node


class LazyMachine(Machine):
    """The honest core; `wanted` is the head on which it would mine now, None if it would not."""

    wanted: bytes | None = None

    def refresh(self, now_ms: int) -> list[Effect]:
        """Say that a template is wanted, where the machine would make the first one on a head."""
        if self.desk.template is not None or not self.is_refresh_long(now_ms):
            self.wanted = None
            return super().refresh(now_ms)
        self.wanted = self.importer.head.hash
        return []

    def make_template_now(self, now_ms: int) -> list[Effect]:
        """Make the template that is wanted."""
        self.wanted = None
        return super().refresh(now_ms)


def make_lazy_node(site: Site) -> LazyMachine:
    """Return a lazy node without its author's key."""
    machine = make_node(site, None, LazyMachine)
    assert isinstance(machine, LazyMachine)
    return machine
