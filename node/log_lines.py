"""The sentences of the log, in Substrate's words, so that its tools and users find what they look for.

Source: polkadot-sdk, client/informant and client/cli/src/runner.rs.
"""

from __future__ import annotations


def shorten(block_hash: bytes) -> str:
    """Return `0x1234…cdef`."""
    text = block_hash.hex()
    return f"0x{text[:4]}…{text[-4:]}"


def say_banner(version: str, author: str) -> list[str]:
    """Return the first lines."""
    return ["Matchstrike Node", f"✌️  version {version}", f"❤️  by {author}, 2026"]


def say_start(*, chain: str, name: str, role: str, database: str) -> list[str]:
    """Return what the node is and where its data lie."""
    return [
        f"📋 Chain specification: {chain}",
        f"🏷  Node name: {name}",
        f"👤 Role: {role}",
        f"💾 Database: LevelDB at {database}",
    ]


def say_genesis(state_root: bytes, header_hash: bytes) -> str:
    """Return the line of a store's first start."""
    return f"🔨 Initializing Genesis block/state (state: {shorten(state_root)}, header-hash: {shorten(header_hash)})"


def say_imported(number: int, parent_hash: bytes, block_hash: bytes, *, is_best: bool) -> str:
    """Return the line of an imported block."""
    mark = "🏆" if is_best else "🆕"
    return f"{mark} Imported #{number} ({shorten(parent_hash)} → {shorten(block_hash)})"


def say_reorg(old: tuple[int, bytes], new: tuple[int, bytes], ancestor: tuple[int, bytes]) -> str:
    """Return the line of a change of branch; each argument is number and hash."""
    return (
        f"♻️  Reorg on #{old[0]},{shorten(old[1])} to #{new[0]},{shorten(new[1])}, "
        f"common ancestor #{ancestor[0]},{shorten(ancestor[1])}"
    )


def say_mined(parent_hash: bytes) -> str:
    """Return the line of an own block."""
    return f"✅ Successfully mined block on top of: 0x{parent_hash.hex()}"


def say_prepared(number: int, parent_hash: bytes, extrinsics: int, *, work: str) -> str:
    """Return the line of a new template."""
    return (
        f"🎁 Prepared block for proposing at {number} "
        f"[parent_hash: {shorten(parent_hash)}; extrinsics ({extrinsics}); work: {work}]"
    )


def say_voted(number: int, block_hash: bytes, key: bytes) -> str:
    """Return the line of an own vote."""
    return f"🗳  Voted for checkpoint #{number} ({shorten(block_hash)}) with {shorten(key)}"


def say_foreign_vote(key: bytes, number: int) -> str:
    """Return the line of a vote with an own key that this node has no record of; the number is the target's height."""
    return (
        f"⚠️  There is a vote for #{number} with the vote key 0x{key.hex()} that this node has no record of. It votes "
        "above that. If another machine uses the key, stop one of the two, or the stake will be slashed"
    )


def say_conflict(key: bytes, one: int, two: int) -> str:
    """Return the line of two votes that no honest validator signs both; the numbers are the targets' heights."""
    return f"⚖️  The validator with the vote key 0x{key.hex()} signed conflicting votes for #{one} and #{two}"


def say_offence_kept(key: bytes) -> str:
    """Return the line of evidence that was on disk when the node started."""
    return f"⚖️  The evidence against the vote key 0x{key.hex()} was kept from before; it is not settled yet"


def say_idle(*, peers: int, best: tuple[int, bytes], finalized: tuple[int, bytes], rates: tuple[float, float]) -> str:
    """Return the informant's line, every 5 seconds."""
    return (
        f"💤 Idle ({peers} peers), best: #{best[0]} ({shorten(best[1])}), "
        f"finalized #{finalized[0]} ({shorten(finalized[1])}), ⬇ {format_rate(rates[0])} ⬆ {format_rate(rates[1])}"
    )


def format_rate(bytes_per_second: float) -> str:
    """Return a transfer rate."""
    if bytes_per_second == 0:
        return "0"
    if bytes_per_second < 100:
        return f"{bytes_per_second:.0f} B/s"
    if bytes_per_second < 1024 * 1024:
        return f"{bytes_per_second / 1024:.1f}kiB/s"
    return f"{bytes_per_second / 1024 / 1024:.1f}MiB/s"
