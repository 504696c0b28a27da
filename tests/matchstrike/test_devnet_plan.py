"""From a network to processes: ports, keys, arguments, and the chain spec with the devnet's accounts."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path

import msgspec
import pytest

from chain.ed25519 import public_of
from chain.params import UNIT_PLANCK
from chain.secret_uri import derive_seed
from chain.ss58 import encode_address
from genesis.block import make_genesis_block
from genesis.chain_spec import ChainSpec, format_chain_spec, make_raw, read_chain_spec
from genesis.presets import make_development, make_local
from matchstrike.commands.devnet import make_demonstration_network
from matchstrike.devnet.chain_file import ENDOWMENT_PLANCK, make_chain_file
from matchstrike.devnet.failure import BadNetworkFile, DevnetFailed
from matchstrike.devnet.folder import begin_devnet, copy_devnet, lock_folder, resume_devnet
from matchstrike.devnet.network_file import Network, NetworkNode
from matchstrike.devnet.plan import get_account, make_arguments, make_join_command, make_plan, renew_ports
from matchstrike.devnet.ports import EPHEMERAL_MIN, PortChooser
from node.vote_keys import load_vote_seeds

TWO = Network(nodes=(NetworkNode(name="alice"), NetworkNode(name="miner-2", is_validator=False, args=("-l", "warn"))))


def address_of(uri: str) -> str:
    """Return a development account's address."""
    return encode_address(public_of(derive_seed(uri)), 42)


def test_ports_are_free_different_and_below_those_of_outgoing_connections() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = PortChooser().choose(20_000)
        chooser = PortChooser([port])
        chosen = [chooser.choose(20_000) for _ in range(20)]
        assert len({port, *chosen}) == 21
        assert max(chosen) < EPHEMERAL_MIN
        with pytest.raises(DevnetFailed, match="and no other is free"):
            chooser.choose(taken.getsockname()[1])


def test_a_port_that_somebody_listens_on_is_passed_over() -> None:
    first = PortChooser().choose(21_000)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        taken.listen()
        assert PortChooser().choose(first) > first


def test_a_node_is_told_who_it_is_where_its_data_lie_and_whom_to_dial() -> None:
    plan = make_plan(TWO, name="two.toml")
    alice, other = plan.nodes
    first, second = (make_arguments(plan, node, Path("/data"))[3:] for node in plan.nodes)
    assert first[:2] == ["--alice", "--validator"]
    assert "--bootnodes" not in first
    assert second[:4] == ["--name", "miner-2", "--threads", "0"]
    assert second[-4:] == ["--bootnodes", alice.address, "-l", "warn"]
    assert "--no-mdns" in first
    for words, node in ((first, alice), (second, other)):
        pairs = dict(itertools.pairwise(words))
        assert pairs["--chain"] == "/data/chain.json"
        assert pairs["--base-path"] == f"/data/nodes/{node.name}"
        assert pairs["--rpc-port"] == str(node.ports.rpc)
    assert alice.address.startswith(f"/ip4/127.0.0.1/tcp/{alice.ports.p2p}/p2p/12D3KooW")
    assert alice.address in make_join_command(plan, Path("/data"), name="eve")
    assert len({alice.secret, other.secret}) == 2


def test_another_miner_gets_its_rewards_on_an_account_of_its_name() -> None:
    plan = make_plan(Network(nodes=(NetworkNode(name="miner"),)), name="x")
    words = make_arguments(plan, plan.nodes[0], Path("/data"))
    assert words[words.index("--author") + 1] == address_of("//Miner")


def test_no_two_devnets_have_a_node_key_in_common_though_their_nodes_have_the_same_names() -> None:
    """So neither takes a node of the other for its own (`NodeProcess.answers`)."""
    plans = [make_plan(TWO, name="two.toml") for _ in range(2)]
    assert [node.name for node in plans[0].nodes] == [node.name for node in plans[1].nodes]
    assert len({node.peer_id for plan in plans for node in plan.nodes}) == 4


def test_a_resumed_devnet_keeps_its_keys_and_moves_ports_that_are_taken() -> None:
    plan = make_plan(TWO, name="two.toml")
    assert renew_ports(plan) == plan
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", plan.nodes[0].ports.p2p))
        taken.listen()
        moved = renew_ports(plan)
    assert moved.nodes[0].ports.p2p != plan.nodes[0].ports.p2p
    assert moved.nodes[0].secret == plan.nodes[0].secret


def test_a_chain_spec_gets_the_networks_balances_and_params() -> None:
    network = Network(
        nodes=(
            NetworkNode(name="alice"),
            NetworkNode(name="bob", balance_planck=7 * UNIT_PLANCK),
            NetworkNode(name="charlie", balance_planck=0),
            NetworkNode(name="miner"),
        ),
        balances={"eve": 5 * UNIT_PLANCK, address_of("//Somebody"): 3 * UNIT_PLANCK},
        params={"work": {"block_target_ms": 1000}},
    )
    spec = read_chain_spec(make_chain_file(format_chain_spec(make_local()), network))
    assert spec.genesis.runtime_genesis is not None
    balances = dict(spec.genesis.runtime_genesis.patch.balances.balances)
    assert balances[address_of("//Alice")] == ENDOWMENT_PLANCK
    assert balances[address_of("//Bob")] == 7 * UNIT_PLANCK
    assert address_of("//Charlie") not in balances
    assert balances[address_of("//Miner")] == ENDOWMENT_PLANCK
    assert balances[address_of("//Eve")] == 5 * UNIT_PLANCK
    assert balances[address_of("//Somebody")] == 3 * UNIT_PLANCK
    assert spec.params.work.block_target_ms == 1000
    assert spec.params.work.core_qubits == make_local().params.work.core_qubits


def read_validators(network: Network, preset: ChainSpec) -> list[tuple[str, str, int | str]]:
    """Return who validates on the chain of a network."""
    spec = read_chain_spec(make_chain_file(format_chain_spec(preset), network))
    assert spec.genesis.runtime_genesis is not None
    return list(spec.genesis.runtime_genesis.patch.staking.validators)


def test_the_validating_nodes_take_the_place_of_the_chains_validators() -> None:
    network = Network(
        nodes=(
            NetworkNode(name="bob"),
            NetworkNode(name="miner", stake_planck=500 * UNIT_PLANCK),
            NetworkNode(name="alice", is_validator=False),
            NetworkNode(name="dave", stake_planck=0),
        )
    )
    assert read_validators(network, make_local()) == [
        (address_of("//Bob//stash"), "0x" + get_account("bob").hex(), 10_000 * UNIT_PLANCK),
        (address_of("//Miner//stash"), "0x" + get_account("miner").hex(), 500 * UNIT_PLANCK),
    ]


def test_a_chain_without_validators_stays_so_until_a_node_has_a_stake() -> None:
    assert read_validators(TWO, make_development()) == []
    staked = Network(nodes=(NetworkNode(name="alice", stake_planck=200 * UNIT_PLANCK), NetworkNode(name="bob")))
    assert [row[2] for row in read_validators(staked, make_development())] == [200 * UNIT_PLANCK, 10_000 * UNIT_PLANCK]


def test_the_networks_of_a_demonstration_are_the_presets_themselves() -> None:
    """Four nodes of `local` are the validators that it has anyway, so anybody may join with `--chain local`."""
    network = make_demonstration_network(4)
    spec = read_chain_spec(make_chain_file(format_chain_spec(make_local()), network))
    assert make_genesis_block(spec)[0].hash == make_genesis_block(make_local())[0].hash


def test_a_validator_finds_its_vote_key_in_its_keystore(tmp_path: Path) -> None:
    plan = begin_devnet(Network(nodes=(NetworkNode(name="miner"),)), tmp_path, name="x", beside=tmp_path)
    words = make_arguments(plan, plan.nodes[0], tmp_path)
    [seed] = load_vote_seeds(Path(words[words.index("--keystore-path") + 1]))
    assert public_of(seed) == get_account("miner")


def test_a_raw_chain_spec_is_refused() -> None:
    with pytest.raises(BadNetworkFile, match="is a raw one"):
        make_chain_file(format_chain_spec(make_raw(make_local())), TWO)
    with pytest.raises(DevnetFailed, match="no chain spec"):
        make_chain_file(b"[1, 2]", TWO)


def test_a_devnet_is_begun_resumed_and_copied(tmp_path: Path) -> None:
    folder, copy = tmp_path / "net", tmp_path / "copy"
    plan = begin_devnet(TWO, folder, name="two.toml", beside=tmp_path)
    assert read_chain_spec((folder / "chain.json").read_bytes()).id == "local"
    assert resume_devnet(folder) == plan
    with pytest.raises(DevnetFailed, match="has a devnet already"):
        begin_devnet(TWO, folder, name="two.toml", beside=tmp_path)
    with lock_folder(folder):
        with pytest.raises(DevnetFailed, match="is running; stop it first"):
            copy_devnet(folder, copy)
        with pytest.raises(DevnetFailed, match="is running"), lock_folder(folder):
            pass
    copy_devnet(folder, copy)
    assert resume_devnet(copy) == plan
    with pytest.raises(DevnetFailed, match="is not empty"):
        copy_devnet(folder, copy)
    with pytest.raises(DevnetFailed, match="no devnet to resume"):
        resume_devnet(tmp_path)


def test_what_the_node_says_of_a_bad_chain_is_told(tmp_path: Path) -> None:
    with pytest.raises(DevnetFailed, match=r"made no chain spec: .*neither a preset"):
        begin_devnet(msgspec.structs.replace(TWO, chain="nowhere"), tmp_path, name="x", beside=tmp_path)
    wrong = msgspec.structs.replace(TWO, params={"work": {"core_qubits": 99}})
    with pytest.raises(DevnetFailed, match="core_qubits is 99, but must be"):
        begin_devnet(wrong, tmp_path, name="x", beside=tmp_path)
    missing = msgspec.structs.replace(TWO, command="/no/such/node")
    with pytest.raises(DevnetFailed, match="/no/such/node cannot be run: No such file"):
        begin_devnet(missing, tmp_path, name="x", beside=tmp_path)
