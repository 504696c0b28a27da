"""Weights: what a call may cost, in picoseconds of reference time, as integers.

How they were measured: each call a few thousand times in blocks on one core of the reference machine (2 vCPU Xeon of
the Sapphire Rapids kind, Python 3.11), with its share of state root and store, then rounded up to two digits. The base
of an extrinsic holds decoding, signature check, nonce, fee and its events. A weight need not be exact: it bounds a
block and prices a call.

Source: Substrate's convention, 10^12 of reference time are one second.
"""

from __future__ import annotations

PER_MICROSECOND = 1_000_000
BASE_BLOCK = 5_000 * PER_MICROSECOND  # of it 0.1 to 3 ms to learn from the parent's pool strike
BASE_EXTRINSIC = 75 * PER_MICROSECOND
TRANSFER = 50 * PER_MICROSECOND
TRANSFER_ALL = 55 * PER_MICROSECOND
REMARK = 2 * PER_MICROSECOND
REMARK_PER_BYTE = 1_000
TIMESTAMP_SET = 5 * PER_MICROSECOND
SOLUTION = 30_000 * PER_MICROSECOND  # the largest problem is read and its energy computed
POST_BASE = 1_000 * PER_MICROSECOND
POST_PER_TERM = 1 * PER_MICROSECOND  # a term is a field or a coupling; decoding and checks
SCHEDULE_PER_TERM = 4 * PER_MICROSECOND  # for each layer of the circuit; 1.5 to 3.5 us were measured
ORDER_PER_TERM = 3 * PER_MICROSECOND  # for each term that a problem of so many spins may have
COMMIT = 200 * PER_MICROSECOND  # the commits of a problem
REVEAL = SOLUTION + 500 * PER_MICROSECOND
CANCEL = 200 * PER_MICROSECOND
VOTE = 150 * PER_MICROSECOND  # a signature, the sets and the ballot
REPORT = 500 * PER_MICROSECOND  # two signatures, the sets and a ledger
STAKE = 600 * PER_MICROSECOND  # a ledger and the list of candidates
COMMIT_BATCH = 600 * PER_MICROSECOND  # a header, a solver, a problem's record and a slot
