"""What a call would cost and do, asked of the node before anything is sent.

Terms:
    draft: an extrinsic with zeros for its signature. It has the length of the real one, and nobody can submit it.
    rehearsal: the node runs the signed extrinsic on its best state and throws the result away (`system_dryRun`).

The fee comes from `payment_queryInfo`, which every node answers. A rehearsal is an unsafe method, so a node behind a
proxy may refuse it; then only what the balances say is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from chain.metadata_v14 import Variants
from rpc.api import Json
from rpc.errors import METHOD_NOT_FOUND, RpcError
from wallet.chain_client import ChainClient, UnexpectedAnswer, read_hex, read_int, read_object

_PAYMENT, _FUTURE, _STALE = 1, 2, 3
_INVALID = {
    0: "no block may hold this call",
    _PAYMENT: "the account cannot pay the fee",
    _STALE: "the nonce was used by another extrinsic meanwhile; try again",
    4: "the signature does not fit",
    5: "the signature is too old; try again",
    6: "no block has room for it",
}


class Funds(msgspec.Struct, frozen=True, kw_only=True):
    """An account's money, in planck."""

    free_planck: int
    reserved_planck: int


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a call would cost its signer now.

    Attributes:
        fee_planck: What the block takes, without the tip.
        existential_planck: What must stay free.
    """

    fee_planck: int
    tip_planck: int
    existential_planck: int
    funds: Funds

    @property
    def total_fee_planck(self) -> int:
        """Fee and tip."""
        return self.fee_planck + self.tip_planck


async def preview_call(chain: ChainClient, call: bytes, signer: bytes, *, tip: int) -> Preview:
    """Return what a call would cost, without a secret and without leaving a trace."""
    draft = await chain.draft(call, signer, tip=tip)
    quote = read_object(await chain.rpc.call("payment_queryInfo", "0x" + draft.hex()))
    return Preview(
        fee_planck=read_int(quote.get("partialFee")),
        tip_planck=tip,
        existential_planck=read_int(cast("Json", chain.metadata.constant("Balances", "ExistentialDeposit"))),
        funds=await get_funds(chain, signer),
    )


async def get_funds(chain: ChainClient, account: bytes) -> Funds:
    """Return an account's money in the best block's state; an account that does not exist has none."""
    data = read_object(read_object(await chain.query("System", "Account", account)).get("data"))
    return Funds(free_planck=read_int(data.get("free")), reserved_planck=read_int(data.get("reserved")))


async def rehearse(chain: ChainClient, raw: bytes) -> str | None:
    """Return why a signed extrinsic would fail in the next block; None if it would not, or nobody can tell yet.

    Nobody can tell where the node does not rehearse for strangers, and where other extrinsics of the signer are still
    on their way.
    """
    try:
        answer = read_hex(await chain.rpc.call("system_dryRun", "0x" + raw.hex()))
    except RpcError as error:
        if error.code == METHOD_NOT_FOUND:
            return None
        raise
    return read_result(chain, answer)


def read_result(chain: ChainClient, answer: bytes) -> str | None:
    """Return the failure in an ApplyExtrinsicResult, None if there is none.

    Raises:
        UnexpectedAnswer: the bytes are none.
    """
    match answer[:2]:
        case b"\x00\x00" if len(answer) == 2:
            return None
        case b"\x00\x01":
            error = chain.metadata.decode_type(_find_error_type(chain), answer[2:], style=chain.style)
            return chain.metadata.describe_dispatch_error(error)
        case b"\x01\x00" if len(answer) >= 3:
            return None if answer[2] == _FUTURE else _INVALID.get(answer[2], "the node says that it is invalid")
    raise UnexpectedAnswer(f"the node answered 0x{answer[:40].hex()} where the outcome of a dry run was expected")


def compute_size(chain: ChainClient, pallet: str, item: str, value: Mapping[str, object]) -> int:
    """Return the bytes that a storage value takes."""
    _, entry = chain.metadata.find_storage(pallet, item)
    return len(chain.metadata.encode_type(entry.kind.value, value))


def _find_error_type(chain: ChainClient) -> int:
    """Return the type of a DispatchError: that of the field of System.ExtrinsicFailed."""
    events = chain.metadata.find_pallet("System").event
    definition = None if events is None else chain.metadata.types[events].definition
    if isinstance(definition, Variants):
        for variant in definition.variants:
            for field in variant.fields:
                if (variant.name, field.name) == ("ExtrinsicFailed", "dispatch_error"):
                    return field.type
    raise UnexpectedAnswer("the node's metadata have no System.ExtrinsicFailed with a dispatch_error")
