"""`matchstrike-node key` prints and writes what Substrate's does."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from chain.ed25519 import public_of
from chain.mnemonic import DEV_PHRASE, entropy_of
from chain.peer_id import decode_peer_id
from chain.secret_uri import derive_seed
from chain.ss58 import encode_address
from genesis.chain_spec import format_chain_spec
from genesis.presets import make_local
from node.keys_command import key

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "keys" / "ed25519_dev_keys.json").read_text())
ALICE = VECTORS["//Alice"]
PEER_ID = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"


def run(*arguments: str, stdin: str | bytes | None = None, exit_code: int = 0) -> Result:
    """Run `key` and expect this exit code."""
    result = CliRunner().invoke(key, arguments, input=stdin)
    assert result.exit_code == exit_code, result.output
    return result


def test_inspect_prints_a_secret_uri_label_for_label() -> None:
    assert run("inspect", "//Alice").stdout == (
        "Secret Key URI `//Alice` is account:\n"
        "  Network ID:        substrate\n"
        f"  Secret seed:       {ALICE['seed']}\n"
        f"  Public key (hex):  {ALICE['public']}\n"
        f"  Account ID:        {ALICE['public']}\n"
        f"  Public key (SS58): {ALICE['ss58_42']}\n"
        f"  SS58 Address:      {ALICE['ss58_42']}\n"
    )


def test_inspect_prints_a_phrase_label_for_label() -> None:
    root = VECTORS["(root)"]
    assert run("inspect", DEV_PHRASE, "-n", "polkadot").stdout == (
        f"Secret phrase:       {DEV_PHRASE}\n"
        "  Network ID:        polkadot\n"
        f"  Secret seed:       {root['seed']}\n"
        f"  Public key (hex):  {root['public']}\n"
        f"  Account ID:        {root['public']}\n"
        f"  Public key (SS58): {root['ss58_0']}\n"
        f"  SS58 Address:      {root['ss58_0']}\n"
    )


def test_inspect_prints_an_address_label_for_label_on_its_own_network() -> None:
    assert run("inspect", ALICE["ss58_0"]).stdout == (
        f"Public Key URI `{ALICE['ss58_0']}` is account:\n"
        "  Network ID/Version: polkadot\n"
        f"  Public key (hex):   {ALICE['public']}\n"
        f"  Account ID:         {ALICE['public']}\n"
        f"  Public key (SS58):  {ALICE['ss58_0']}\n"
        f"  SS58 Address:       {ALICE['ss58_0']}\n"
    )
    assert ALICE["ss58_42"] in run("inspect", ALICE["ss58_0"], "--network", "42").stdout


def test_inspect_prints_json() -> None:
    printed = json.loads(run("inspect", "//Alice", "--output-type", "json", "-n", "1284").stdout)
    assert printed == {
        "secretKeyUri": "//Alice",
        "networkId": "1284",
        "secretSeed": ALICE["seed"],
        "publicKey": ALICE["public"],
        "ss58PublicKey": "VdtcyQ8eTeX5gLpN8cbZLD6rQG6cDg6GJn2yiM2CUmbjx68B7",
        "accountId": ALICE["public"],
        "ss58Address": "VdtcyQ8eTeX5gLpN8cbZLD6rQG6cDg6GJn2yiM2CUmbjx68B7",
    }
    of_address = json.loads(run("inspect", ALICE["ss58_42"], "--output-type", "JSON").stdout)
    assert set(of_address) == {"publicKeyUri", "networkId", "publicKey", "ss58PublicKey", "accountId", "ss58Address"}
    of_public = json.loads(run("inspect", "--public", ALICE["public"], "--output-type", "json").stdout)
    assert set(of_public) == {"networkId", "publicKey", "ss58PublicKey", "accountId", "ss58Address"}


def test_inspect_prints_a_public_key() -> None:
    assert run("inspect", "--public", ALICE["public"]).stdout.startswith("Network ID/Version: substrate\n  Public key ")
    assert "Failed to construct public key" in run("inspect", "--public", "0x12", exit_code=1).output
    assert "is not hex" in run("inspect", "--public", "0xzz", exit_code=1).output


@pytest.mark.parametrize("uri", ["//0xabcd", "//18446744073709551616"])
def test_inspect_derives_ambiguous_paths_as_sp_core_does(uri: str) -> None:
    assert VECTORS[uri]["seed"] in run("inspect", uri).stdout


@pytest.mark.parametrize("uri", ["hello world", "//Alice/soft", "//", "0x12", ALICE["ss58_42"][:-1], "\0", "a" * 5000])
def test_inspect_says_so_when_a_uri_is_invalid(uri: str) -> None:
    result = run("inspect", uri, exit_code=1)
    assert result.stdout == "Invalid phrase/URI given\n"
    assert result.stderr


def test_inspect_reads_files_and_prompts(tmp_path: Path) -> None:
    path = tmp_path / "uri"
    path.write_text("//Alice\n")
    assert ALICE["public"] in run("inspect", str(path)).stdout
    assert ALICE["public"] in run("inspect", stdin="//Alice\n").stdout
    path.write_bytes(b"\xff\xfe")
    run("inspect", str(path), exit_code=1)


def test_passwords_come_in_three_ways_of_which_one_at_most(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("password\n")
    public = VECTORS["//Alice///password"]["public"]
    assert public in run("inspect", "//Alice", "--password", "password").stdout
    assert public in run("inspect", "//Alice", "--password-filename", str(path)).stdout
    assert public in run("inspect", "//Alice", "--password-interactive", stdin="password\n").stdout
    assert public in run("inspect", "//Alice///other", "--password", "password").stdout
    run("inspect", "//Alice", "--password", "a", "--password-interactive", exit_code=2)
    run("inspect", "//Alice", "--password", "\udcff", exit_code=1)


def test_expect_public_checks_the_key_before_the_path() -> None:
    root = VECTORS["(root)"]
    run("inspect", "//Alice", "--expect-public", root["public"])
    run("inspect", "//Alice", "--expect-public", root["ss58_0"])
    failed = run("inspect", "//Alice", "--expect-public", ALICE["public"], exit_code=1)
    assert f"Expected public ({ALICE['public']}) key does not match." in failed.output
    run("inspect", "//Alice", "--expect-public", "nonsense", exit_code=1)
    run("inspect", "//Alice", "--public", "--expect-public", ALICE["public"], exit_code=2)


@pytest.mark.parametrize(("words", "entropy_bytes"), [(12, 16), (15, 20), (18, 24), (21, 28), (24, 32)])
def test_generate_makes_a_new_phrase_of_so_many_words(words: int, entropy_bytes: int) -> None:
    first, second = (
        json.loads(run("generate", "-w", str(words), "--output-type", "json").stdout)["secretPhrase"] for _ in range(2)
    )
    assert len(entropy_of(first)) == entropy_bytes
    assert first != second


def test_generate_prints_twelve_words_and_honours_a_password() -> None:
    text = run("generate", "--password", "12345", "--scheme", "Ed25519").stdout
    assert text.startswith("Secret phrase:       ")
    phrase = text.splitlines()[0].removeprefix("Secret phrase:       ")
    assert len(phrase.split()) == 12
    assert encode_address(public_of(derive_seed(phrase, password="12345"))) in text
    assert "must be 12/15/18/21/24" in run("generate", "-w", "13", exit_code=2).output


@pytest.mark.parametrize("scheme", ["sr25519", "ecdsa"])
def test_other_schemes_are_refused(scheme: str) -> None:
    for command in (["generate"], ["inspect", "//Alice"], ["insert", "--suri", "//Alice", "--key-type", "gran"]):
        assert "this chain knows ed25519 only" in run(*command, "--scheme", scheme, exit_code=2).output


@pytest.mark.parametrize("network", ["46", "16384", "atlantis", "-1", "²"])
def test_unknown_networks_are_refused(network: str) -> None:
    assert "is no network" in run("inspect", "//Alice", f"--network={network}", exit_code=2).output


def test_insert_writes_the_file_that_substrate_writes(tmp_path: Path) -> None:
    run(
        "insert",
        "-d",
        str(tmp_path),
        "--chain",
        "dev",
        "--suri",
        "//Alice",
        "--key-type",
        "gran",
        "--scheme",
        "ed25519",
    )
    path = tmp_path / "chains" / "dev" / "keystore" / ("6772616e" + ALICE["public"][2:])
    assert path.read_text() == '"//Alice"'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_insert_keeps_the_password_out_of_the_file(tmp_path: Path) -> None:
    run("insert", "--keystore-path", str(tmp_path), "--suri", "//Alice", "--key-type", "mine", "--password", "password")
    (path,) = tmp_path.iterdir()
    assert path.name == b"mine".hex() + VECTORS["//Alice///password"]["public"][2:]
    assert path.read_text() == '"//Alice"'


def test_insert_refuses_what_it_cannot_store(tmp_path: Path) -> None:
    base = ("insert", "-d", str(tmp_path))
    assert "four letters" in run(*base, "--suri", "//Alice", "--key-type", "abc", exit_code=2).output
    refused = run(*base, "--suri", "hello", "--key-type", "gran", exit_code=1)
    assert "Invalid phrase/URI given" in refused.output
    run(*base, "--suri", "//Alice", "--key-type", "gran", "--chain", "nowhere", exit_code=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["[]", "{}", "nonsense", '{"id": "../x"}'])
def test_insert_refuses_a_chain_spec_that_no_node_would_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "spec.json"
    path.write_text(content)
    base = ("insert", "--suri", "//Alice", "--key-type", "gran", "-d", str(tmp_path / "base"))
    run(*base, "--chain", str(path), exit_code=2)
    assert not (tmp_path / "base").exists()


def test_insert_takes_the_chain_from_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_bytes(format_chain_spec(replace(make_local(), id="own_chain")))
    run("insert", "-d", str(tmp_path), "--chain", str(path), "--key-type", "gran", stdin="//Alice\n")
    assert (tmp_path / "chains" / "own_chain" / "keystore").is_dir()


def test_a_node_key_is_printed_with_its_peer_id_beside_it() -> None:
    result = run("generate-node-key")
    assert decode_peer_id(result.stderr.strip()) == public_of(bytes.fromhex(result.stdout))
    assert len(run("generate-node-key", "--bin").stdout_bytes) == 32
    assert run("inspect-node-key", stdin=result.stdout).stdout == result.stderr


def test_a_node_key_is_written_to_a_file_or_where_nodes_look(tmp_path: Path) -> None:
    path = tmp_path / "new" / "node-key"
    made = run("generate-node-key", "--file", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert run("inspect-node-key", "--file", str(path)).stdout == made.stderr
    run("generate-node-key", "--base-path", str(tmp_path), "--chain", "dev")
    key_path = tmp_path / "chains" / "dev" / "network" / "secret_ed25519"
    before = key_path.read_bytes()
    assert (
        "already there" in run("generate-node-key", "--base-path", str(tmp_path), "--chain", "dev", exit_code=1).output
    )
    assert key_path.read_bytes() == before
    run("generate-node-key", "--file", str(path), "--default-base-path", exit_code=2)


def test_a_node_key_is_inspected_in_hex_and_raw(tmp_path: Path) -> None:
    secret = (1).to_bytes(32, "big")
    assert run("inspect-node-key", stdin=f" {secret.hex()}\n").stdout.strip() == PEER_ID
    assert run("inspect-node-key", "--bin", stdin=secret).stdout.strip() == PEER_ID
    assert "as hex" in run("inspect-node-key", stdin="xx", exit_code=1).output
    assert "as hex" in run("inspect-node-key", stdin=b"\xff", exit_code=1).output
    assert "32 bytes, not 2" in run("inspect-node-key", stdin="0x1234", exit_code=1).output
