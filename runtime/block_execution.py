"""One block in execution, with Substrate's phases.

Initialisation (system, then each pallet's `on_initialize`, in pallet order), inherents, signed extrinsics, then each
pallet's `on_finalize`. The parent's header is an input, because its seal takes effect here.

Terms:
    weight: picoseconds; signed extrinsics may use their class's share of a block, inherents are always taken.
    operational: signed extrinsics with a share that ordinary ones cannot take; those that could only fail are refused.

Invariants: an extrinsic that is refused changes nothing; a call that fails changes nothing but nonce and fee.

Source: frame_executive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from chain.extrinsic import Extrinsic, Signature, decode_extrinsic
from chain.hashing import blake2b_256
from chain.params import Params
from chain.scale import CodecError
from chain.substrate_types import DispatchClass, DispatchInfo, Weight
from runtime.diagnosis import diagnose_signature
from runtime.dispatch import DispatchFailure
from runtime.environment import FINALIZATION, BlockFacts, Environment
from runtime.event_bytes import encode_events
from runtime.limits import PerClassWeight, compute_bytes_max, compute_weight_max
from runtime.outcomes import ApplyOutcome, BlockOutcome
from runtime.pallets.finality import STATUS
from runtime.pallets.system import BLOCK_WEIGHT, EVENT_COUNT, EVENTS, EXTRINSIC_COUNT, ExtrinsicFailed, ExtrinsicSuccess
from runtime.pallets.transaction_payment import NEXT_FEE_MULTIPLIER, charge, compute_fee, settle
from runtime.runtime import PALLETS, CallEntry, get_calls, make_dispatch_error
from runtime.signed import SigningFacts, check_payable, compute_signature_key, get_payer, is_well_signed
from runtime.storage import Overlay
from runtime.validity import (
    BadMandatory,
    CallCrashed,
    CallNotAllowed,
    ExhaustsResources,
    InherentAfterSigned,
    Malformed,
    MandatoryValidation,
)
from runtime.weights import BASE_BLOCK, BASE_EXTRINSIC

IsSignatureChecked = Callable[[bytes], bool]
SIGNED_CLASSES = (DispatchClass.Normal, DispatchClass.Operational)

# What a mistake in a call raises, the same on every node. What a node's disk or memory raises is not among them: that
# says nothing about the extrinsic, and has to end the node.
MISTAKES = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


class BlockExecution:
    """A block that takes extrinsics; `finish` ends it."""

    def __init__(
        self, state: Overlay, params: Params, facts: BlockFacts, is_signature_checked: IsSignatureChecked
    ) -> None:
        self.params = params
        self.env = Environment(state, params, facts)
        self._is_signature_checked = is_signature_checked
        self._results: list[ApplyOutcome] = []
        self._bytes_used = dict.fromkeys(SIGNED_CLASSES, 0)
        self._weight_used = dict.fromkeys(SIGNED_CLASSES, 0)
        self._weight_mandatory = BASE_BLOCK
        self._weight_max = {kind: compute_weight_max(params, kind) for kind in SIGNED_CLASSES}
        self._bytes_max = {kind: compute_bytes_max(params, kind) for kind in SIGNED_CLASSES}
        self._has_signed = False
        for pallet in PALLETS:
            if pallet.on_initialize is not None:
                pallet.on_initialize(self.env)
        self._multiplier = NEXT_FEE_MULTIPLIER.get(state)
        self._signing = SigningFacts(state, params, number=facts.number, genesis_hash=facts.genesis_hash)
        self._fees: dict[tuple[int, int], int] = {}
        self._successes: dict[tuple[int, DispatchClass], ExtrinsicSuccess] = {}

    def apply_extrinsic(self, raw: bytes, *, signature_checked: bool = False) -> ApplyOutcome:
        """Add one extrinsic to the block and return what it did; a failed call is in the outcome.

        Args:
            signature_checked: The caller vouches for the signature in this block's context.

        Raises:
            InvalidTransaction: the extrinsic may not be in this block; nothing was changed.
        """
        # SPEC RUN-05: An extrinsic that is refused MUST change nothing.
        extrinsic, entry, arguments = decode_call(raw)
        self.env.phase = len(self._results)
        if extrinsic.signed is None:
            outcome = self._apply_inherent(entry, arguments)
        else:
            outcome = self._apply_signed(extrinsic, extrinsic.signed, (entry, arguments), signature_checked)
        self._results.append(outcome)
        return outcome

    def finish(self) -> BlockOutcome:
        """End the block and return what it did.

        Raises:
            NotSet: no inherent set the block's time.
        """
        env, state = self.env, self.env.state
        env.phase = FINALIZATION
        EXTRINSIC_COUNT.set(state, len(self._results))
        weight = PerClassWeight(
            normal=Weight(ref_time=self._weight_used[DispatchClass.Normal]),
            operational=Weight(ref_time=self._weight_used[DispatchClass.Operational]),
            mandatory=Weight(ref_time=self._weight_mandatory),
        )
        BLOCK_WEIGHT.set(state, weight)
        for pallet in PALLETS:
            if pallet.on_finalize is not None:
                pallet.on_finalize(env)
        events = encode_events(env.events)
        # SPEC RUN-21: System.Events MUST hold the blake2b-256 hash of the block's encoded event records.
        EVENTS.set(state, blake2b_256(events))
        EVENT_COUNT.set(state, len(env.events))
        return BlockOutcome(
            changes=state.changes(),
            events=events,
            event_rows=tuple(env.events),
            extrinsic_results=tuple(self._results),
            weight=sum(self._weight_used.values()) + self._weight_mandatory,
            finality=STATUS.get(state),
        )

    def _apply_inherent(self, entry: CallEntry, arguments: tuple[object, ...]) -> ApplyOutcome:
        call, env = entry.call, self.env
        # SPEC RUN-10: A bare extrinsic MUST be an inherent.
        if not call.is_inherent:
            raise CallNotAllowed(f"{entry.pallet}.{call.name} needs a signature")
        # SPEC RUN-19: Inherents MUST come before every signed extrinsic.
        if self._has_signed:
            raise InherentAfterSigned(f"the inherent {entry.pallet}.{call.name} follows a signed extrinsic")
        mark = env.make_mark()
        try:
            self._make_call(entry, mark, *arguments)
        # SPEC RUN-17: An inherent that fails MUST make its block invalid.
        except DispatchFailure as failure:
            env.roll_back(mark)
            name = type(failure).__name__
            raise BadMandatory(f"the inherent {entry.pallet}.{call.name} failed: {name}: {failure}") from failure
        weight = call.compute_weight(arguments)
        self._weight_mandatory += weight + BASE_EXTRINSIC
        env.deposit_event(self._get_success(weight, call.dispatch_class))
        return ApplyOutcome(weight=weight)

    def _apply_signed(
        self,
        extrinsic: Extrinsic,
        signed: Signature,
        called: tuple[CallEntry, tuple[object, ...]],
        signature_checked: bool,
    ) -> ApplyOutcome:
        entry, arguments = called
        env, call, signer = self.env, entry.call, signed.signer
        weight = self._check_signed(extrinsic, signed, called, signature_checked)
        info = get_payer(env.state, signed)
        length = len(extrinsic.raw)
        kind = call.dispatch_class
        self._check_room(kind, weight, length)
        fee = self._compute_base_fee(weight, length) + signed.tip
        check_payable(self.params, info, fee)
        begin = env.make_mark()
        charge(env, signer, info, fee)
        mark = env.make_mark()
        try:
            self._make_call(entry, begin, signer, *arguments)
        # SPEC RUN-02: A call that fails MUST change nothing but the signer's nonce and fee.
        except DispatchFailure as failure:
            env.roll_back(mark)
            outcome = ApplyOutcome(
                error=make_dispatch_error(failure), failure=_describe(entry, failure), fee=fee, weight=weight
            )
        else:
            outcome = ApplyOutcome(fee=fee, weight=weight)
        self._has_signed = True
        self._weight_used[kind] += weight + BASE_EXTRINSIC
        self._bytes_used[kind] += length
        settle(env, signer, fee, signed.tip)
        success = self._get_success(weight, kind)
        if outcome.error is None:
            env.deposit_event(success)
        else:
            env.deposit_event(ExtrinsicFailed(dispatch_error=outcome.error, dispatch_info=success.dispatch_info))
        return outcome

    def _make_call(self, entry: CallEntry, begin: tuple[int, int], *arguments: object) -> None:
        """Make a call; one that crashes leaves nothing since `begin`."""
        try:
            entry.call.function(self.env, *arguments)
        # SPEC RUN-30: An extrinsic whose call ends in an arithmetic, assertion, attribute, lookup, type or value error
        # MUST be refused.
        except MISTAKES as error:
            self.env.roll_back(begin)
            what = f"{entry.pallet}.{entry.call.name} raised {type(error).__name__}: {error}"
            raise CallCrashed(f"{what}; this is a bug, please report it") from error

    def _check_signed(
        self,
        extrinsic: Extrinsic,
        signed: Signature,
        called: tuple[CallEntry, tuple[object, ...]],
        signature_checked: bool,
    ) -> int:
        """Refuse what the signature or the kind of call rules out, and return the call's weight."""
        entry, arguments = called
        check_signable(entry)
        suffix = self._signing.get_suffix(signed.era)
        is_checked = signature_checked or self._is_signature_checked(compute_signature_key(extrinsic.raw, suffix))
        # SPEC RUN-14: A signed extrinsic MUST carry its signer's signature over call, extensions and chain values.
        if not is_checked and not is_well_signed(extrinsic, signed, suffix):
            raise diagnose_signature(extrinsic, signed, self._signing, self.params)
        check_due(self.env.state, self.params, self.env.number, called)
        return entry.call.compute_weight(arguments)

    def _check_room(self, kind: DispatchClass, weight: int, length: int) -> None:
        # SPEC RUN-16: Signed extrinsics of a block MUST NOT exceed their class's share of its weight and bytes.
        if self._weight_used[kind] + weight + BASE_EXTRINSIC > self._weight_max[kind]:
            raise ExhaustsResources("the block has no weight left for this extrinsic")
        if self._bytes_used[kind] + length > self._bytes_max[kind]:
            raise ExhaustsResources("the block has no bytes left for this extrinsic")

    def _compute_base_fee(self, weight: int, length: int) -> int:
        fee = self._fees.get((weight, length))
        if fee is None:
            details = compute_fee(self.params, self._multiplier, weight=weight, length=length, tip=0)
            fee = self._fees[weight, length] = details.total
        return fee

    def _get_success(self, weight: int, dispatch_class: DispatchClass) -> ExtrinsicSuccess:
        event = self._successes.get((weight, dispatch_class))
        if event is None:
            total = Weight(ref_time=weight + BASE_EXTRINSIC)
            info = DispatchInfo(weight=total, dispatch_class=dispatch_class)
            event = self._successes[weight, dispatch_class] = ExtrinsicSuccess(dispatch_info=info)
        return event


def decode_call(raw: bytes) -> tuple[Extrinsic, CallEntry, tuple[object, ...]]:
    """Return an extrinsic with its call and the call's arguments.

    Raises:
        Malformed: the bytes are not canonical, or name no call.
    """
    try:
        extrinsic = decode_extrinsic(raw)
    except CodecError as error:
        raise Malformed(f"the extrinsic does not decode: {error}") from error
    entry, arguments = resolve_call(extrinsic)
    return extrinsic, entry, arguments


def resolve_call(extrinsic: Extrinsic) -> tuple[CallEntry, tuple[object, ...]]:
    """Return the call of a decoded extrinsic and its arguments.

    Raises:
        Malformed: the bytes are not canonical, or name no call.
    """
    # SPEC RUN-09: An extrinsic MUST be canonical SCALE of the version 4 and name a call of this runtime.
    entry = get_calls().get(extrinsic.call[:2])
    if entry is None:
        raise Malformed(f"no call has the index 0x{extrinsic.call[:2].hex()}")
    try:
        arguments, end = entry.call.codec.decode_prefix(extrinsic.call, 2)
    except CodecError as error:
        raise Malformed(f"the arguments of {entry.pallet}.{entry.call.name} do not decode: {error}") from error
    if end != len(extrinsic.call):
        raise Malformed(f"{len(extrinsic.call) - end} bytes follow the call {entry.pallet}.{entry.call.name}")
    return entry, cast("tuple[object, ...]", arguments)


def check_signable(entry: CallEntry) -> None:
    """Refuse an inherent that somebody signed.

    Raises:
        MandatoryValidation
    """
    # SPEC RUN-18: An inherent MUST NOT be signed.
    if entry.call.is_inherent:
        raise MandatoryValidation(f"{entry.pallet}.{entry.call.name} is set by the block's author, nobody signs it")


def check_due(state: Overlay, params: Params, number: int, called: tuple[CallEntry, tuple[object, ...]]) -> None:
    """Refuse an operational call that could only fail in the block of this height.

    Raises:
        CallNotAllowed
    """
    entry, arguments = called
    if entry.call.check_due is None:
        return
    try:
        entry.call.check_due(state, params, number, arguments)
    # SPEC RUN-29: An operational extrinsic whose call could only fail MUST be refused.
    except DispatchFailure as failure:
        raise CallNotAllowed(_describe(entry, failure)) from failure


def _describe(entry: CallEntry, failure: DispatchFailure) -> str:
    return f"{entry.pallet}.{entry.call.name} failed: {type(failure).__name__}: {failure}"
