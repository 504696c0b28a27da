"""What `key generate` and `key inspect` print about a key, label for label as Substrate does.

Source: Substrate, `client/cli/src/commands/utils.rs`.
"""

from __future__ import annotations

import json

import msgspec

from chain.ed25519 import public_of
from chain.mnemonic import InvalidMnemonic, compute_mini_secret
from chain.secret_uri import InvalidSecretUri, derive_seed
from chain.ss58 import PREFIX_MAX, PREFIX_SUBSTRATE, PREFIXES_RESERVED, InvalidAddress, decode_address, encode_address

NETWORK_NAMES = {0: "polkadot", 2: "kusama", 42: "substrate"}


class UnknownNetwork(Exception):
    """A text that names no network."""


class NothingToReport(Exception):
    """A text that is neither phrase, secret URI nor address."""


class KeyReport(msgspec.Struct, frozen=True, kw_only=True):
    """One key, as it is printed.

    Attributes:
        kind: What the text was: a phrase, a secret URI, an address, or a public key in hex.
        text: The text itself.
        network: SS58 prefix of the addresses.
        seed: None where only the public key is known.
    """

    kind: str
    text: str
    network: int
    seed: bytes | None
    public: bytes


def read_network(text: str) -> int:
    """Return the SS58 prefix that a name or a number stands for.

    Raises:
        UnknownNetwork: another name, or a number that is reserved or out of range.
    """
    for number, name in NETWORK_NAMES.items():
        if text.lower() == name:
            return number
    if text.isascii() and text.isdigit() and len(text) <= 5:
        number = int(text)
        if number <= PREFIX_MAX and number not in PREFIXES_RESERVED:
            return number
    raise UnknownNetwork(f"{text!r} is no network: use {', '.join(NETWORK_NAMES.values())} or a number up to 16383")


def make_report(text: str, *, password: str | None = None, network: int | None = None) -> KeyReport:
    """Return what there is to say about a phrase, a secret URI or an address, tried in this order.

    Raises:
        NothingToReport: the text is none of them; the message says why it is no secret URI.
    """
    shown = PREFIX_SUBSTRATE if network is None else network
    try:
        seed = compute_mini_secret(text, password or "")
    except (InvalidMnemonic, UnicodeEncodeError):
        return _make_other_report(text, password, network)
    return KeyReport(kind="secretPhrase", text=text, network=shown, seed=seed, public=public_of(seed))


def make_public_report(public: bytes, *, network: int | None = None) -> KeyReport:
    """Return what there is to say about a public key."""
    shown = PREFIX_SUBSTRATE if network is None else network
    return KeyReport(kind="", text="", network=shown, seed=None, public=public)


def format_text(report: KeyReport) -> str:
    """Return Substrate's lines."""
    address, key = encode_address(report.public, report.network), f"0x{report.public.hex()}"
    if report.seed is None:
        head = f"Public Key URI `{report.text}` is account:\n  " if report.kind else ""
        lines = [f"Network ID/Version: {_name_network(report.network)}", f"Public key (hex):   {key}"]
        lines += [f"Account ID:         {key}", f"Public key (SS58):  {address}", f"SS58 Address:       {address}"]
        return head + "\n  ".join(lines)
    if report.kind == "secretPhrase":
        head = f"Secret phrase:       {report.text}"
    else:
        head = f"Secret Key URI `{report.text}` is account:"
    lines = [head, f"Network ID:        {_name_network(report.network)}", f"Secret seed:       0x{report.seed.hex()}"]
    lines += [f"Public key (hex):  {key}", f"Account ID:        {key}"]
    lines += [f"Public key (SS58): {address}", f"SS58 Address:      {address}"]
    return "\n  ".join(lines)


def format_json(report: KeyReport) -> str:
    """Return Substrate's JSON object."""
    address, key = encode_address(report.public, report.network), f"0x{report.public.hex()}"
    fields = {report.kind: report.text} if report.kind else {}
    fields["networkId"] = _name_network(report.network)
    if report.seed is not None:
        fields["secretSeed"] = f"0x{report.seed.hex()}"
    fields |= {"publicKey": key, "ss58PublicKey": address, "accountId": key, "ss58Address": address}
    return json.dumps(fields, indent=2, ensure_ascii=False)


def _make_other_report(text: str, password: str | None, network: int | None) -> KeyReport:
    try:
        seed = derive_seed(text, password=password)
    except InvalidSecretUri as error:
        reason = str(error)
    else:
        shown = PREFIX_SUBSTRATE if network is None else network
        return KeyReport(kind="secretKeyUri", text=text, network=shown, seed=seed, public=public_of(seed))
    try:
        public, found = decode_address(text)
    except InvalidAddress:
        raise NothingToReport(reason) from None
    shown = found if network is None else network
    return KeyReport(kind="publicKeyUri", text=text, network=shown, seed=None, public=public)


def _name_network(prefix: int) -> str:
    return NETWORK_NAMES.get(prefix, str(prefix))
