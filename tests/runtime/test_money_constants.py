"""The money parameters of staking and finality that clients read from the metadata."""

from __future__ import annotations

from chain.params import Params
from chain.scale import codec_of_alias
from chain.scale_shapes import U32, U128
from runtime.pallets.finality import FINALITY
from runtime.pallets.staking import STAKING


def test_what_a_vote_key_costs_stands_in_the_metadata() -> None:
    """The base and 65 bytes of a record."""
    params = Params.tiny()
    assert STAKING.constants is not None
    constants = {row.name: row for row in STAKING.constants(params)}
    price = params.money.deposit_base_planck + 65 * params.money.deposit_per_byte_planck
    assert constants["VoteKeyPrice"].value == codec_of_alias(U128).encode(price)


def test_the_shares_of_who_includes_votes_and_evidence_stand_in_the_metadata() -> None:
    """In billionths."""
    params = Params.tiny()
    assert FINALITY.constants is not None
    constants = {row.name: row for row in FINALITY.constants(params)}
    shares = {"IncluderShare": params.finality.includer_share_ppb, "FinderShare": params.finality.finder_share_ppb}
    for name, share in shares.items():
        assert constants[name].value == codec_of_alias(U32).encode(share)
