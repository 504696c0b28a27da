"""The frozen table and the golden strikes."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
import pytest

from vm import golden, trig_table
from vm.golden import GOLDEN_STRIKES, run_self_test
from vm.trig_table import VmDiffers, compute_trig_table, get_trig_table


def test_vm_05_the_table_is_correctly_rounded_and_symmetric():
    table = get_trig_table()
    k = np.arange(2**16)
    assert not table.flags.writeable
    assert (table[:, 0] == table[-k, 0]).all()
    assert (table[:, 1] == -table[-k, 1]).all()
    assert (table[:, 1] == table[k - 2**14, 0]).all()
    for index in (1, 77, 8191, 8192, 12345, 60000):
        assert table[index, 0] == pytest.approx(cos(2 * pi * index / 2**16), abs=4e-16)
        assert table[index, 1] == pytest.approx(sin(2 * pi * index / 2**16), abs=4e-16)
    assert tuple(table[0]) == (1.0, 0.0)
    assert tuple(table[8192]) == (0.5**0.5, 0.5**0.5)


def test_vm_05_a_table_with_one_changed_bit_is_refused(monkeypatch):
    changed = compute_trig_table()
    changed[12345, 0] = np.nextafter(changed[12345, 0], 2.0)
    monkeypatch.setattr(trig_table, "compute_trig_table", lambda: changed)
    with pytest.raises(VmDiffers, match="hashes to"):
        get_trig_table.__wrapped__()


def test_vm_13_the_golden_strikes_are_reproduced():
    run_self_test()


def test_vm_13_a_vm_that_counts_registers_otherwise_is_refused(monkeypatch):
    monkeypatch.setattr(golden, "count_registers", lambda shots, order: [1] * 13)
    with pytest.raises(VmDiffers, match="gas that strikes use"):
        run_self_test()


def test_vm_13_a_vm_that_differs_is_refused(monkeypatch):
    family, n, depth, seed_byte, _ = GOLDEN_STRIKES[0]
    monkeypatch.setattr(golden, "GOLDEN_STRIKES", ((family, n, depth, seed_byte, "00" * 16),))
    with pytest.raises(VmDiffers, match="golden strike dense n=12 p=1"):
        run_self_test()
