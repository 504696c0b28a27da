"""Tests use compiled kernels of the VM's present sources, as every program of the house does."""

from workers.process_setup import set_up_process

set_up_process()  # before any test imports numpy or numba
