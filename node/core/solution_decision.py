"""What to do next for a solution: commit, wait, reveal, or nothing more. A pure function of what the chain says.

Terms:
    side: what one block says, the best one or the last final one.
    hidden: above the target and the problem open; shown now, anybody could improve it by one flip.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Act = Literal["commit", "reveal", "wait", "over"]
OPEN = "open"


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """The problem in one block's state; `is_waiting` says whether our commit waits there."""

    height: int
    status: str
    is_waiting: bool


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides.

    Attributes:
        has_pending: An extrinsic of the account is in the pool.
        reveals_until: The last block that takes reveals, None while commits are taken.
        patience_blocks: So close to that block a reveal is sent though its commit is not final.
    """

    best: Side
    final: Side
    deadline: int
    reveals_until: int | None
    reaches_target: bool
    has_pending: bool
    patience_blocks: int


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, and in words why."""

    act: Act
    reason: str


def decide(view: View) -> Decision:
    """Return the next step."""
    if view.has_pending:
        return Decision(act="wait", reason="an extrinsic of the account is on its way")
    if not view.best.is_waiting:
        return _decide_without_commit(view)
    is_open = view.best.status == OPEN
    if is_open and not view.reaches_target:
        return Decision(act="wait", reason=f"above the target, it stays hidden until block {view.deadline} is past")
    if view.reveals_until is not None and view.best.height >= view.reveals_until - view.patience_blocks:
        return Decision(act="reveal", reason="the time for reveals ends soon")
    if not view.final.is_waiting:
        return Decision(act="wait", reason="the commit is not final yet")
    if not view.reaches_target and view.final.status == OPEN:
        return Decision(act="wait", reason="the end of the commits is not final yet")
    return Decision(act="reveal", reason="the commit is final")


def _decide_without_commit(view: View) -> Decision:
    if view.best.status == OPEN and view.best.height < view.deadline:
        return Decision(act="commit", reason="nothing is committed yet")
    if view.final.is_waiting or view.final.status == OPEN:
        return Decision(act="wait", reason="what became of the commit is not final yet")
    return Decision(act="over", reason=f"the problem is {view.best.status}")
