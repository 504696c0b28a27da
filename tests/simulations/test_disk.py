"""A disk that fails as disks do."""

from __future__ import annotations

import pytest

from simulations.disk import Disk, DiskFull, PowerCut


def test_a_full_disk_refuses_a_batch_whole() -> None:
    """And takes it when there is space again."""
    disk = Disk()
    disk.is_full = True
    with pytest.raises(DiskFull):
        disk.write([(b"a", b"1")])
    assert disk.get(b"a") is None
    disk.is_full = False
    disk.write([(b"a", b"1")])
    assert disk.get(b"a") == b"1"


@pytest.mark.parametrize("is_written", [True, False])
def test_a_cut_comes_before_or_after_the_batch_never_within(is_written: bool) -> None:
    """At the write that was planned, and once."""
    disk = Disk()
    disk.plan_cut(2, is_written=is_written)
    disk.write([(b"a", b"1")])
    with pytest.raises(PowerCut):
        disk.write([(b"b", b"2"), (b"c", b"3")])
    found = {b"b": b"2", b"c": b"3"} if is_written else {}
    assert dict(disk.iterate(b"")) == {b"a": b"1"} | found
    disk.write([(b"d", b"4")])


def test_what_was_not_synced_is_lost_and_only_that() -> None:
    """The last synced batch keeps those before it."""
    disk = Disk()
    disk.write([(b"a", b"1")], sync=False)
    disk.write([(b"b", b"1")])
    disk.write([(b"a", b"2"), (b"c", b"1")], sync=False)
    disk.write([(b"b", None)], sync=False)
    disk.lose_tail()
    assert dict(disk.iterate(b"")) == {b"a": b"1", b"b": b"1"}
