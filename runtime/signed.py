"""The checks of a signed extrinsic: what Substrate's seven signed extensions and its signature check do.

Terms:
    birth: the block at which a mortal era begins; its hash is part of what is signed.
    signature key: a hash over an extrinsic's bytes and the birth hash, by which "already checked" is remembered. The
        extrinsic's hash alone would not do: the same bytes can be well signed on one fork and not on another.
"""

from __future__ import annotations

from functools import lru_cache

from chain.ed25519 import is_valid_signature
from chain.era import Era, compute_birth, compute_death
from chain.extrinsic import Extrinsic, Signature
from chain.hashing import blake2b_256
from chain.params import Params
from chain.substrate_types import AccountInfo
from runtime.pallets.system import ACCOUNT, BLOCK_HASH
from runtime.storage import Overlay
from runtime.validity import AncientBirthBlock, Future, Payment, Stale

_PAYLOAD_BYTES_MAX = 256


class SigningFacts:
    """What signatures cover beside the extrinsic, at one height of one fork."""

    __slots__ = ("_suffixes", "fixed", "genesis_hash", "number", "state")

    def __init__(self, state: Overlay, params: Params, *, number: int, genesis_hash: bytes) -> None:
        self.state = state
        self.number = number
        self.genesis_hash = genesis_hash
        versions = params.spec_version.to_bytes(4, "little") + params.transaction_version.to_bytes(4, "little")
        self.fixed = versions + genesis_hash
        self._suffixes: dict[Era, bytes] = {}

    def get_birth_hash(self, era: Era) -> bytes:
        """Return the hash of the block at which an era begins.

        Raises:
            AncientBirthBlock: the hash is not known (any more, or yet).
        """
        if era.period == 0:
            return self.genesis_hash
        birth = compute_birth(era, self.number)
        if birth == 0:
            return self.genesis_hash
        birth_hash = BLOCK_HASH.find(self.state, birth)
        # SPEC RUN-15: The block at which a mortal era begins MUST be one whose hash the state keeps.
        if birth_hash is None:
            raise AncientBirthBlock(
                f"the era begins at block {birth}, whose hash is not known at block {self.number}; sign it again"
            )
        return birth_hash

    def get_suffix(self, era: Era) -> bytes:
        """Return what follows call and extensions in the signed payload.

        Raises:
            AncientBirthBlock: the era's birth hash is not known.
        """
        suffix = self._suffixes.get(era)
        if suffix is None:
            suffix = self._suffixes[era] = self.fixed + self.get_birth_hash(era)
        return suffix


def is_well_signed(extrinsic: Extrinsic, signed: Signature, suffix: bytes) -> bool:
    """Say whether the signer signed this extrinsic with this suffix."""
    payload = extrinsic.call + extrinsic.extra + suffix
    if len(payload) > _PAYLOAD_BYTES_MAX:
        payload = blake2b_256(payload)
    return is_valid_signature(signed.signer, payload, signed.signature)


def compute_signature_key(raw: bytes, suffix: bytes) -> bytes:
    """Return the hash under which a checked signature is remembered."""
    return blake2b_256(raw + suffix)


def get_payer(state: Overlay, signed: Signature) -> AccountInfo:
    """Return the signer's account, ready to pay and with the right nonce.

    Raises:
        Payment: the account does not exist; Stale: the nonce was used; Future: a nonce is missing before it.
    """
    info = get_account(state, signed.signer)
    # SPEC RUN-12: An extrinsic in a block MUST NOT have a nonce above its signer's.
    if signed.nonce > info.nonce:
        raise Future(f"the nonce is {signed.nonce}, the account's next one is {info.nonce}")
    check_not_stale(info, signed.nonce)
    return info


def get_account(state: Overlay, who: bytes) -> AccountInfo:
    """Return an account that exists.

    Raises:
        Payment: it has no balance.
    """
    info = ACCOUNT.get(state, who)
    if info.providers == 0:
        raise Payment("the signer's account has no balance")
    return info


def check_not_stale(info: AccountInfo, nonce: int) -> None:
    """Refuse a nonce that was used.

    Raises:
        Stale
    """
    # SPEC RUN-13: An extrinsic MUST NOT have a nonce below its signer's.
    if nonce < info.nonce:
        raise Stale(f"the nonce {nonce} was used, the account's next one is {info.nonce}")


def check_payable(params: Params, info: AccountInfo, fee: int) -> None:
    """Refuse a fee that would leave the signer less than the existential deposit.

    Raises:
        Payment
    """
    # SPEC RUN-11: After the fee, the signer MUST have the existential deposit in free balance.
    if info.data.free - fee < params.money.existential_deposit_planck:
        raise Payment(
            f"the fee is {fee} planck, of {info.data.free} free ones, of which the existential deposit must stay"
        )


@lru_cache(maxsize=1024)
def compute_longevity(era: Era, number: int) -> int:
    """Return for how many blocks from `number` on an era lasts (2^64 - 1 when immortal)."""
    death = compute_death(era, number)
    return 2**64 - 1 if death is None else death - number
