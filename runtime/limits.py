"""The limits of a block in the records that Substrate's clients read from constants and state.

Source: frame_system::limits, frame_support::dispatch::PerDispatchClass.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from chain.params import Params
from chain.scale_shapes import U32, U64
from chain.substrate_types import DispatchClass, Weight
from runtime.weights import BASE_BLOCK, BASE_EXTRINSIC

BILLION = 1_000_000_000


class PerClassWeight(msgspec.Struct, frozen=True, kw_only=True):
    """A weight for each dispatch class."""

    scale_path: ClassVar[tuple[str, ...]] = ("frame_support", "dispatch", "PerDispatchClass")
    normal: Weight = Weight(ref_time=0)
    operational: Weight = Weight(ref_time=0)
    mandatory: Weight = Weight(ref_time=0)


class WeightsPerClass(msgspec.Struct, frozen=True, kw_only=True):
    """What one dispatch class may use."""

    scale_path: ClassVar[tuple[str, ...]] = ("frame_system", "limits", "WeightsPerClass")
    base_extrinsic: Weight
    max_extrinsic: Weight | None
    max_total: Weight | None
    reserved: Weight | None


class PerClassLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits for each dispatch class."""

    scale_path: ClassVar[tuple[str, ...]] = ("frame_support", "dispatch", "PerDispatchClass")
    normal: WeightsPerClass
    operational: WeightsPerClass
    mandatory: WeightsPerClass


class BlockWeights(msgspec.Struct, frozen=True, kw_only=True):
    """The weight limits of a block."""

    scale_path: ClassVar[tuple[str, ...]] = ("frame_system", "limits", "BlockWeights")
    base_block: Weight
    max_block: Weight
    per_class: PerClassLimits


class PerClassLength(msgspec.Struct, frozen=True, kw_only=True):
    """A length for each dispatch class."""

    scale_path: ClassVar[tuple[str, ...]] = ("frame_support", "dispatch", "PerDispatchClass")
    normal: U32
    operational: U32
    mandatory: U32


class BlockLength(msgspec.Struct, frozen=True, kw_only=True):
    """The length limits of a block."""

    scale_path: ClassVar[tuple[str, ...]] = ("frame_system", "limits", "BlockLength")
    max: PerClassLength


class RuntimeDbWeight(msgspec.Struct, frozen=True, kw_only=True):
    """What one read and one write weigh."""

    scale_path: ClassVar[tuple[str, ...]] = ("sp_weights", "RuntimeDbWeight")
    read: U64
    write: U64


def compute_normal_weight_max(params: Params) -> int:
    """Return the weight that signed extrinsics of one block may use together."""
    return params.block.weight_max * params.block.normal_share_ppb // BILLION


def compute_normal_bytes_max(params: Params) -> int:
    """Return the bytes that signed extrinsics of one block may use together."""
    return params.block.bytes_max * params.block.normal_share_ppb // BILLION


def compute_audit_weight_max(params: Params) -> int:
    """Return the weight that operational extrinsics, the answers to audits, of one block may use together."""
    return params.block.weight_max * params.block.audit_share_ppb // BILLION


def compute_audit_bytes_max(params: Params) -> int:
    """Return the bytes that operational extrinsics of one block may use together."""
    return params.block.bytes_max * params.block.audit_share_ppb // BILLION


def compute_weight_max(params: Params, kind: DispatchClass) -> int:
    """Return the weight that signed extrinsics of a class may use together."""
    is_audit = kind is DispatchClass.Operational
    return compute_audit_weight_max(params) if is_audit else compute_normal_weight_max(params)


def compute_bytes_max(params: Params, kind: DispatchClass) -> int:
    """Return the bytes that signed extrinsics of a class may use together."""
    is_audit = kind is DispatchClass.Operational
    return compute_audit_bytes_max(params) if is_audit else compute_normal_bytes_max(params)


def make_block_weights(params: Params) -> BlockWeights:
    """Return the weight limits that the params say."""
    total = Weight(ref_time=params.block.weight_max)
    normal = Weight(ref_time=compute_normal_weight_max(params))
    base = Weight(ref_time=BASE_EXTRINSIC)
    largest = Weight(ref_time=normal.ref_time - BASE_EXTRINSIC)
    audits = Weight(ref_time=compute_audit_weight_max(params))
    return BlockWeights(
        base_block=Weight(ref_time=BASE_BLOCK),
        max_block=total,
        per_class=PerClassLimits(
            normal=WeightsPerClass(base_extrinsic=base, max_extrinsic=largest, max_total=normal, reserved=None),
            operational=WeightsPerClass(base_extrinsic=base, max_extrinsic=None, max_total=audits, reserved=audits),
            mandatory=WeightsPerClass(base_extrinsic=base, max_extrinsic=None, max_total=None, reserved=None),
        ),
    )


def make_block_length(params: Params) -> BlockLength:
    """Return the length limits that the params say."""
    normal, audits = compute_normal_bytes_max(params), compute_audit_bytes_max(params)
    return BlockLength(max=PerClassLength(normal=normal, operational=audits, mandatory=params.block.bytes_max))
