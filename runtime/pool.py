"""What a pool and RPC ask about one extrinsic: may the next block hold it, what does it cost, what would it do.

Terms:
    head: the header that the next block stands on; `view` is the state after it.
    priority: how much an extrinsic offers for the block space it takes; `(tip + 1) * how many of its kind fit a block`,
        and 2^63 more for operational ones, whose space is no other's.

Source: frame_system's CheckNonce, pallet_transaction_payment's priority.
"""

from __future__ import annotations

import msgspec

from chain.era import compute_birth, compute_death
from chain.extrinsic import Extrinsic, Signature
from chain.header import Header
from chain.params import Params
from chain.scale import codec_of_alias
from chain.state_view import StateView
from chain.substrate_types import DispatchClass, DispatchError
from runtime.block_execution import check_due, check_signable, decode_call, resolve_call
from runtime.diagnosis import diagnose_signature
from runtime.limits import compute_bytes_max, compute_weight_max
from runtime.outcomes import ApplyOutcome, ValidTransaction
from runtime.pallets.system import BLOCK_HASH
from runtime.pallets.transaction_payment import NEXT_FEE_MULTIPLIER, FeeDetails, compute_fee
from runtime.signed import (
    SigningFacts,
    check_not_stale,
    check_payable,
    compute_longevity,
    compute_signature_key,
    get_account,
    is_well_signed,
)
from runtime.storage import Overlay
from runtime.validity import CallNotAllowed, ExhaustsResources, InvalidTransaction
from runtime.weights import BASE_EXTRINSIC

_ERROR = codec_of_alias(DispatchError)
OPERATIONAL_PRIORITY = 2**63


class FeeQuote(msgspec.Struct, frozen=True, kw_only=True):
    """What an extrinsic would weigh and cost; `details.total` without the tip is Substrate's partial fee."""

    weight: int
    dispatch_class: str
    details: FeeDetails


def validate_transaction(
    view: StateView,
    extrinsic: Extrinsic,
    *,
    head: Header,
    facts: tuple[Params, bytes],
    signature_checked: bool = False,
) -> ValidTransaction:
    """Return under which conditions the next block may hold an extrinsic.

    Args:
        facts: The chain's params and its genesis hash.

    Raises:
        InvalidTransaction: it may not, and as things stand never will; a nonce to come is no error here.
    """
    params, genesis_hash = facts
    entry, arguments = resolve_call(extrinsic)
    check_signable(entry)
    signed = extrinsic.signed
    if signed is None:
        raise CallNotAllowed(f"{entry.pallet}.{entry.call.name} needs a signature")
    state = make_next_state(view, head)
    signing = SigningFacts(state, params, number=head.number + 1, genesis_hash=genesis_hash)
    suffix = signing.get_suffix(signed.era)
    if not signature_checked and not is_well_signed(extrinsic, signed, suffix):
        raise diagnose_signature(extrinsic, signed, signing, params)
    weight = entry.call.compute_weight(arguments)
    info = get_account(state, signed.signer)
    check_not_stale(info, signed.nonce)
    length = len(extrinsic.raw)
    kind = entry.call.dispatch_class
    if weight + BASE_EXTRINSIC > compute_weight_max(params, kind) or length > compute_bytes_max(params, kind):
        raise ExhaustsResources("no block has room for an extrinsic of this weight or length")
    check_due(state, params, signing.number, (entry, arguments))
    multiplier = NEXT_FEE_MULTIPLIER.get(state)
    fee = compute_fee(params, multiplier, weight=weight, length=length, tip=signed.tip).total
    check_payable(params, info, fee)
    return _make_verdict(
        signed,
        number=signing.number,
        next_nonce=info.nonce,
        sizes=(weight, length, fee),
        priority=compute_priority(params, weight=weight, length=length, tip=signed.tip, kind=kind),
        signature_key=compute_signature_key(extrinsic.raw, suffix),
    )


def make_next_state(view: StateView, head: Header) -> Overlay:
    """Return the state after `head` with what the next block's initialisation adds for mortal eras."""
    state = Overlay(view)
    BLOCK_HASH.set(state, head.number, head.hash)
    return state


def query_fee(view: StateView, raw: bytes, params: Params) -> FeeQuote:
    """Return what an extrinsic would cost now; its signature is not judged.

    Raises:
        Malformed: the bytes are no extrinsic of this runtime.
    """
    extrinsic, entry, arguments = decode_call(raw)
    weight = entry.call.compute_weight(arguments)
    dispatch_class = entry.call.dispatch_class.name.lower()
    if extrinsic.signed is None:
        details = FeeDetails(base_fee=0, length_fee=0, adjusted_weight_fee=0, tip=0)
    else:
        multiplier = NEXT_FEE_MULTIPLIER.get(Overlay(view))
        details = compute_fee(params, multiplier, weight=weight, length=len(raw), tip=extrinsic.signed.tip)
    return FeeQuote(weight=weight + BASE_EXTRINSIC, dispatch_class=dispatch_class, details=details)


def encode_apply_result(result: ApplyOutcome | InvalidTransaction) -> bytes:
    """Return Substrate's ApplyExtrinsicResult: Result<Result<(), DispatchError>, TransactionValidityError>."""
    if isinstance(result, InvalidTransaction):
        return bytes((1, 0, result.scale_index))
    return b"\x00\x00" if result.error is None else b"\x00\x01" + _ERROR.encode(result.error)


def make_nonce_tag(signer: bytes, nonce: int) -> bytes:
    """Return the tag that an extrinsic of this signer and nonce provides."""
    return signer + nonce.to_bytes(4, "little")


def compute_priority(
    params: Params, *, weight: int, length: int, tip: int, kind: DispatchClass = DispatchClass.Normal
) -> int:
    """Return the priority of a signed extrinsic, a u64; operational ones stand above all others."""
    by_weight = compute_weight_max(params, kind) // max(weight + BASE_EXTRINSIC, 1)
    by_length = compute_bytes_max(params, kind) // max(length, 1)
    priority = min((tip + 1) * max(min(by_weight, by_length), 1), OPERATIONAL_PRIORITY - 1)
    return priority + OPERATIONAL_PRIORITY if kind is DispatchClass.Operational else priority


def _make_verdict(
    signed: Signature,
    *,
    number: int,
    next_nonce: int,
    sizes: tuple[int, int, int],
    priority: int,
    signature_key: bytes,
) -> ValidTransaction:
    weight, _, fee = sizes
    is_ahead = signed.nonce > next_nonce
    return ValidTransaction(
        signer=signed.signer,
        nonce=signed.nonce,
        priority=priority,
        requires=(make_nonce_tag(signed.signer, signed.nonce - 1),) if is_ahead else (),
        provides=(make_nonce_tag(signed.signer, signed.nonce),),
        longevity_blocks=compute_longevity(signed.era, number),
        next_nonce=next_nonce,
        birth=compute_birth(signed.era, number),
        dies_at=compute_death(signed.era, number),
        fee_planck=fee,
        weight=weight,
        signature_key=signature_key,
    )
