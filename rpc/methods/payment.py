"""payment_*: what an extrinsic would cost."""

from __future__ import annotations

from rpc.api import Json, NodeApi
from rpc.methods.encoding import resolve
from rpc.schema import Hash, HexBytes, Method


def query_info(api: NodeApi, extrinsic: HexBytes, at: Hash | None = None) -> Json:
    """Return weight, class and fee of an extrinsic."""
    info = api.query_fee(extrinsic, resolve(api, at))
    return {
        "weight": {"ref_time": info.ref_time, "proof_size": info.proof_size},
        "class": info.dispatch_class,
        "partialFee": str(info.fee_planck),
    }


def query_fee_details(api: NodeApi, extrinsic: HexBytes, at: Hash | None = None) -> Json:
    """Return the parts of an extrinsic's fee, null for an inherent."""
    info = api.query_fee(extrinsic, resolve(api, at))
    if info.fee_planck == 0 and info.base_planck == 0:
        return {"inclusionFee": None}
    return {
        "inclusionFee": {
            "baseFee": hex(info.base_planck),
            "lenFee": hex(info.length_planck),
            "adjustedWeightFee": hex(info.weight_planck),
        }
    }


METHODS = (
    Method(name="payment_queryInfo", function=query_info),
    Method(name="payment_queryFeeDetails", function=query_fee_details),
)
