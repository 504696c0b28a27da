"""How much the node does for its peers, waits for them and keeps of what they say."""

from __future__ import annotations

import msgspec

PROTOCOL_VERSION = 1


class DeskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the peer desk; `_ms` are milliseconds, `_gas` units of vm.gas.

    Attributes:
        status_ms: Least time between two statuses of ours; without news one goes out every `status_repeat_ms`.
        status_wait_ms: A peer that said no status for so long after it connected is disconnected.
        settle_ms: A claim that is a few blocks ahead is left to gossip for so long.
        gas_per_second: Gas of tickets run for gossip, in all; a twentieth of it is about a millisecond in a second.
        gas_share: One part in so many of it is the most for peers not known to be good, together; and for each peer.
        slot_ms: A header waits for its parent or for gas at most so long.
        tip_patience_ms: When the body of a proven header is asked of another peer; a slow line may need longer, so
            the first request stands until `tip_timeout_ms`, and `tip_asks_max` at a time.
        fetches_max: Proven headers whose body is awaited.
        headers_ahead_max: Unproven headers kept before import, with `headers_bytes_max`.
        bodies_ahead_max: Blocks before the next import whose bodies are asked for, with `bodies_bytes_max` kept.
        stall_ms: A row without progress for so long is left when another peer can be followed; `stall_far_ms` is the
            most for a peer whose answers take long.
        failures_max: A peer that failed so often in a row is disconnected.
        hedge_ms: When the body that import waits for is asked of a second peer; later if the first one is far.
        step_blocks_max: Blocks imported in one call, with `step_gas_max`.
        step_extrinsics_max: Extrinsics validated in one call.
        served_bytes_per_second: Answers to one peer.
    """

    status_ms: int = 500
    status_repeat_ms: int = 5_000
    status_wait_ms: int = 30_000
    settle_ms: int = 1_500
    settle_blocks: int = 2
    gas_per_second: int = 5_000_000_000
    gas_share: int = 4
    slot_ms: int = 3_000
    fetches_max: int = 64
    tip_timeout_ms: int = 10_000
    tip_patience_ms: int = 2_000
    tip_asks_max: int = 4
    tip_hedge_ms: int = 500
    tip_retry_ms: int = 250
    tip_rounds_max: int = 6
    headers_timeout_ms: int = 10_000
    headers_ahead_max: int = 1_536
    headers_bytes_max: int = 8 * 1024 * 1024
    bodies_timeout_ms: int = 10_000
    bodies_ahead_max: int = 512
    bodies_bytes_max: int = 48 * 1024 * 1024
    body_asks_max: int = 8
    body_asks_peer_max: int = 2
    hedge_ms: int = 2_000
    stall_ms: int = 6_000
    stall_far_ms: int = 15_000
    rest_ms: int = 5_000
    catch_up_ms: int = 2_000
    failures_max: int = 12
    step_blocks_max: int = 16
    step_gas_max: int = 200_000_000
    step_extrinsics_max: int = 32
    extrinsics_timeout_ms: int = 10_000
    extrinsics_ask_max: int = 128
    extrinsic_asks_max: int = 8
    extrinsics_wanted_max: int = 8_192
    extrinsics_known_max: int = 20_000
    served_bytes_per_second: int = 16 * 1024 * 1024
    parked_max: int = 64
    parked_peer_max: int = 4
    parked_ms: int = 800
