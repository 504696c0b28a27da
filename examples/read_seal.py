"""Reads the seal of a block's header with nothing but Python: which strike it claims, and what that measured.

    python3 examples/read_seal.py header.json                  what the header says
    python3 examples/read_seal.py header.json --seed           only the seed of the customer's strike
    python3 examples/read_seal.py header.json strike.json      compare its shots with those of a strike that you ran

header.json is the answer of `chain_getHeader`, strike.json the output of `matchstrike strike replay -o json`.
docs/replay.md shows it at work; the rules are in docs/spec/work.md.
"""

from __future__ import annotations

import json
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any

SHOTS = 32


def compute_hash(tag: str, *parts: bytes) -> bytes:
    """Return H(tag, parts) as docs/spec/work.md defines it."""
    return blake2b(f"matchstrike/{tag}/1".encode() + b"\0" + b"".join(parts), digest_size=32).digest()


def encode_compact(number: int) -> bytes:
    """Return SCALE's compact form."""
    for mode, length in enumerate((1, 2, 4)):
        if number < 2 ** (8 * length - 2):
            return (number << 2 | mode).to_bytes(length, "little")
    length = (number.bit_length() + 7) // 8
    return bytes([(length - 4) << 2 | 3]) + number.to_bytes(length, "little")


def split_compact(data: bytes) -> tuple[int, bytes]:
    """Return the compact integer at the beginning, and the rest."""
    length = (1, 2, 4)[data[0] & 3]  # no item of a header is longer than 2^30
    return int.from_bytes(data[:length], "little") >> 2, data[length:]


def read_item(log: str) -> bytes:
    """Return the data of a digest item: kind, four letters, and the data behind their length."""
    return split_compact(bytes.fromhex(log[2:])[5:])[1]


def compute_work_key(header: dict[str, Any]) -> bytes:
    """Return the hash that the header's tickets begin with: all of it but the seal (WRK-09)."""
    logs = [bytes.fromhex(log[2:]) for log in header["digest"]["logs"][:-1]]
    return compute_hash(
        "work-key",
        bytes.fromhex(header["parentHash"][2:]),
        encode_compact(int(header["number"], 16)),
        bytes.fromhex(header["stateRoot"][2:]),
        bytes.fromhex(header["extrinsicsRoot"][2:]),
        encode_compact(len(logs)),
        *logs,
    )


def unpack_shots(packed: bytes) -> list[str]:
    """Return each shot as text, qubit 0 first: bit i % 8 of byte i // 8. The bits behind the last qubit are padding."""
    width = len(packed) // SHOTS
    rows = [packed[start : start + width] for start in range(0, len(packed), width)]
    return ["".join(str(row[i // 8] >> i % 8 & 1) for i in range(8 * width)) for row in rows]


def main(path: str, *rest: str) -> str:
    """Return what is asked for."""
    header = json.loads(Path(path).read_text())
    _, work, seal = (read_item(log) for log in header["digest"]["logs"])
    if work[0] == 0:
        sys.exit("this block struck no customer's problem; take another one")
    index, core_hash, packed = seal[:8], seal[8:40], split_compact(seal[40:])[1]
    work_key = compute_work_key(header)
    seed = compute_hash("seed", work_key, index)  # WRK-10
    strike_seed = compute_hash("pool", seed).hex()  # WRK-12
    shots = unpack_shots(packed)
    if rest == ("--seed",):
        return strike_seed
    if rest:
        ran = json.loads(Path(rest[0]).read_text())
        claimed = [shot[: ran["n"]] for shot in shots]
        if ran["seed"] == strike_seed and ran["shots"] == claimed:
            return f"the same {len(claimed)} shots: block {int(header['number'], 16)} tells the truth about this strike"
        sys.exit(f"not the same: the seal claims {claimed}")
    lines = {
        "block": int(header["number"], 16),
        "problem": int.from_bytes(work[1:9], "little"),
        "work key": work_key.hex(),
        "index": int.from_bytes(index, "little"),
        "seed": seed.hex(),
        "core hash": core_hash.hex(),
        "strike seed": strike_seed,
    }
    return "\n".join(f"{name:<12} {value}" for name, value in lines.items())


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    print(main(*sys.argv[1:]))
