"""Why a signature does not fit: the usual mistakes are tried one by one, and the one that was made is named.

Only a refused extrinsic costs this; each try is one signature check.
"""

from __future__ import annotations

from collections.abc import Iterator

from chain.era import compute_birth
from chain.extrinsic import Extrinsic, Signature, encode_extra
from chain.params import Params
from runtime.pallets.system import ACCOUNT, BLOCK_HASH
from runtime.signed import SigningFacts, is_well_signed
from runtime.validity import AncientBirthBlock, BadProof, InvalidTransaction

_VERSIONS_TRIED = 3
_PERIODS_TRIED = 2


def diagnose_signature(
    extrinsic: Extrinsic, signed: Signature, facts: SigningFacts, params: Params
) -> InvalidTransaction:
    """Return the error for a signature that does not fit, with the mistake in its diagnosis."""
    for suffix, mistake, error in _make_guesses(signed, facts, params):
        if is_well_signed(extrinsic, signed, suffix):
            return error(mistake)
    return _diagnose_nonce(extrinsic, signed, facts) or BadProof(
        "the signature fits neither this call nor one of the usual mistakes (genesis hash, versions, era, nonce);"
        " is it an ed25519 signature of this account, over call, extensions and the chain's values?"
    )


def _make_guesses(
    signed: Signature, facts: SigningFacts, params: Params
) -> Iterator[tuple[bytes, str, type[InvalidTransaction]]]:
    """Yield suffixes that somebody could have signed by mistake."""
    birth_hash = facts.get_birth_hash(signed.era)
    spec, tx, genesis = params.spec_version, params.transaction_version, facts.genesis_hash
    for birth, old_hash in _find_earlier_births(signed, facts):
        death = birth + signed.era.period
        yield (
            _suffix(spec, tx, genesis, old_hash),
            f"it is expired: signed for the blocks {birth} to {death - 1}, this is block {facts.number}",
            AncientBirthBlock,
        )
    yield (
        _suffix(spec, tx, genesis, genesis),
        "it was signed with the genesis hash in place of the era's block",
        BadProof,
    )
    yield _suffix(spec, tx, birth_hash, birth_hash), "it was signed with another genesis hash", BadProof
    yield _suffix(spec, tx, bytes(32), bytes(32)), "it was signed with an empty genesis hash", BadProof
    for other in range(_VERSIONS_TRIED + 1):
        text = f"it was signed for the transaction version {other}, the chain has {tx}"
        yield _suffix(spec, other, genesis, birth_hash), text, BadProof
    for other in (*range(spec - _VERSIONS_TRIED, spec + _VERSIONS_TRIED + 1), 0, 1):
        if other >= 0:
            text = f"it was signed for the spec version {other}, the chain has {spec}"
            yield _suffix(other, tx, genesis, birth_hash), text, BadProof


def _find_earlier_births(signed: Signature, facts: SigningFacts) -> Iterator[tuple[int, bytes]]:
    if signed.era.is_immortal:
        return
    birth = compute_birth(signed.era, facts.number)
    for _ in range(_PERIODS_TRIED):
        birth -= signed.era.period
        if birth < 0:
            return
        old_hash = facts.genesis_hash if birth == 0 else BLOCK_HASH.find(facts.state, birth)
        if old_hash is not None:
            yield birth, old_hash


def _diagnose_nonce(extrinsic: Extrinsic, signed: Signature, facts: SigningFacts) -> BadProof | None:
    """Return the error if the signature covers another nonce than the extrinsic carries."""
    suffix = facts.get_suffix(signed.era)
    account = ACCOUNT.get(facts.state, signed.signer)
    for nonce in {0, account.nonce, signed.nonce + 1, max(signed.nonce - 1, 0)} - {signed.nonce}:
        extra = encode_extra(signed.era, nonce, signed.tip)
        guess = Extrinsic(signed=signed, call=extrinsic.call, raw=extrinsic.raw, extra=extra)
        if is_well_signed(guess, signed, suffix):
            return BadProof(f"it was signed for the nonce {nonce}, but carries the nonce {signed.nonce}")
    return None


def _suffix(spec_version: int, transaction_version: int, genesis: bytes, birth: bytes) -> bytes:
    return spec_version.to_bytes(4, "little") + transaction_version.to_bytes(4, "little") + genesis + birth
