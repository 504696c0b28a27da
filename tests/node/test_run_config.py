"""Run flags: what they mean, and which contradict each other."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from node.core.sealing import Sealing
from node.run_config import RunConfig, make_run_config
from node.run_options import WITHOUT_EFFECT, add_run_options, add_shared_options

ALICE = bytes.fromhex("88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee")
BOB = "5GoNkf6WdbxCFnPdAnYYQyCjAKPJgLNxXwPjwTh6DGg6gN3E"


def parse(*arguments: str) -> RunConfig:
    """Return what the command line means; usage errors come through."""
    found: list[RunConfig] = []

    @click.command()
    @add_run_options
    @add_shared_options
    def command(**options: object) -> None:
        found.append(make_run_config(options))

    result = CliRunner().invoke(command, list(arguments), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return found[0]


def test_a_node_without_flags_is_a_full_node_that_does_not_mine() -> None:
    config = parse()
    assert config.author is None
    assert not config.is_authority
    assert config.shared.chain_name == "local"
    assert not config.shared.is_temporary
    assert config.rpc_port == 9944
    assert config.prometheus_port == 9615
    assert config.rpc_origins is None
    assert config.state_window == 256


def test_dev_means_alice_mines_a_temporary_chain_open_to_every_origin() -> None:
    config = parse("--dev")
    assert config.shared.chain_name == "dev"
    assert config.shared.is_temporary
    assert config.author == ALICE
    assert config.name == "Alice"
    assert config.is_authority
    assert config.rpc_origins == ("all",)


def test_dev_with_a_base_path_keeps_its_data(tmp_path: str) -> None:
    assert not parse("--dev", "--base-path", str(tmp_path)).shared.is_temporary


def test_an_account_flag_sets_name_role_and_author() -> None:
    config = parse("--chain", "local", "--bob", "--name", "miner one")
    assert config.author is not None
    assert config.author.hex().startswith("d17c2d78")
    assert config.name == "miner one"
    assert config.is_authority


@pytest.mark.parametrize("text", [BOB, "0x" + ALICE.hex()])
def test_the_author_is_an_address_or_a_public_key(text: str) -> None:
    author = parse("--author", text).author
    assert author is not None
    assert author.hex()[:4] in ("d17c", "88dc")


def test_no_threads_do_not_mine() -> None:
    assert parse("--dev", "--threads", "0").author is None
    assert parse("--dev", "--threads", "3").workers == 3


@pytest.mark.parametrize(
    ("text", "sealing"),
    [
        ("pow", Sealing(mode="pow")),
        ("instant", Sealing(mode="instant")),
        ("200", Sealing(mode="interval", interval_ms=200)),
    ],
)
def test_sealing(text: str, sealing: Sealing) -> None:
    assert parse("--sealing", text).sealing == sealing


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--alice", "--bob"), "cannot be used with"),
        (("--tmp", "--base-path", "x"), "--tmp uses a new folder"),
        (("--sealing", "manual"), "pow, instant or a number"),
        (("--sealing", "0"), "pow, instant or a number"),
        (("--author", "5GoNkf"), "neither an SS58 address"),
        (("--author", "0x12"), "neither an SS58 address"),
        (("--name", "a.b"), "without '.'"),
        (("--name", "x" * 64), "at most 63"),
        (("--state-pruning", "some"), "archive"),
        (("--rpc-port", "70000"), "0<=x<=65535"),
        (("--unknown-flag",), "No such option"),
    ],
)
def test_a_wrong_flag_is_refused_with_a_sentence(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        parse(*arguments)
    assert words in caught.value.format_message()


def test_every_flag_without_effect_is_accepted_and_says_so() -> None:
    for flag, (_, kind, reason) in WITHOUT_EFFECT.items():
        arguments = (flag,) if kind is bool else (flag, "1")
        assert parse(*arguments).notices == (f"{flag} has no effect: {reason}.",)


def test_the_flags_that_zombienet_injects_are_accepted() -> None:
    config = parse(
        *("--chain", "local", "--name", "alice", "--rpc-cors", "all", "--rpc-methods", "unsafe"),
        *("--node-key", "00" * 32, "--no-telemetry", "--no-mdns", "--prometheus-external", "--validator"),
        *(
            "--bootnodes",
            "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp",
            "--prometheus-port",
            "1",
            "--rpc-port",
            "2",
        ),
        *("--listen-addr", "/ip4/0.0.0.0/tcp/3/ws", "--base-path", "folder"),
        *("--insecure-validator-i-know-what-i-do",),
    )
    assert config.rpc_origins == ("all",)
    assert config.rpc_allow_unsafe


def test_archive_keeps_every_state() -> None:
    assert parse("--state-pruning", "archive").state_window is None
    assert parse("--pruning", "64").state_window == 64
