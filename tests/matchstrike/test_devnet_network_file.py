"""The file that describes a devnet: zombienet's words, one chain, and a sentence for everything else."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.params import UNIT_PLANCK
from matchstrike.devnet.failure import BadNetworkFile
from matchstrike.devnet.network_file import Network, NetworkNode, read_network
from matchstrike.devnet.network_tables import FaultTable

FULL = """
[settings]
timeout = 100
node_spawn_timeout = 50
provider = "native"
tear_down_on_failure = false
bootnodes_addresses = ["/ip4/127.0.0.1/tcp/1/p2p/x"]

[relaychain]
chain = "local"
default_command = "matchstrike-node -l warn"
default_args = ["--threads 2"]
balances = {eve = "1.5", ferdie = 7_000_000_000_000}

[relaychain.params.work]
block_target_ms = 1000

[relaychain.genesis_overrides.balances]
x = 1

[[relaychain.nodes]]
name = "alice"
rpcPort = 9944
prometheus_port = 9615
p2pPort = 30333
stake = "500"
add_to_bootnodes = true
args = ["--state-pruning", "archive"]
env = [{name = "A", value = 1}]
faults = [{action = "pause", after = 10, for = 5}, {action = "restart", after = 20, every = 60}]

[[relaychain.node_groups]]
name = "full"
count = 2
validator = false
balance = 0
"""
BAD_FILES = [
    ("x = 1", "x: there is no such field; known are chain, faults, settings"),
    ("[settings]\ntimout = 3", "settings.timout: there is no such field; did you mean timeout?"),
    ("[settings]\ntimeout = -3", "settings.timeout is -3, but must be 1 to 86400 seconds"),
    ("[settings]\nprovider = 'kubernetes'", "settings.provider: invalid enum value 'kubernetes'"),
    ("[relaychain]\nimage = 'x'", "chain.image: not supported here: nodes are processes"),
    ("[[parachains]]\nid = 100", "parachains: not supported here: this is one chain"),
    ("[relaychain]\n[chain]", "[relaychain] and [chain] are the same table"),
    ("[[nodes]]\nname = 'a'\n[[chain.nodes]]\nname = 'b'", "[[nodes]] stands both in [chain] and beside it"),
    ("[chain]\nchain = 'dev'", "the file has 0 nodes; write 1 to 100 [[relaychain.nodes]]"),
    ("[chain]\nchain = 'dev'\nchain_spec_path = 'x'\n[[nodes]]\nname = 'a'", "write one of them"),
    ("[chain]\nnodes = 3", "chain.nodes must be a table, not 3"),
    ("[[nodes]]", "chain.nodes[0]: object missing required field `name`"),
    ("[[nodes]]\nname = 3", "chain.nodes[0].name: expected `str`, got `int`"),
    ("[[nodes]]\nname = 'Alice'", "'Alice' is no node's name"),
    ("[[nodes]]\nname = 'network'", "'network' is no node's name"),
    ("[[nodes]]\nname = 'a/b'", "'a/b' is no node's name"),
    ("[[nodes]]\nname = 'a'\n[[nodes]]\nname = 'a'", "two nodes have the name a"),
    ("[[nodes]]\nname = 'a'\nrpc_port = 'x'", "chain.nodes[0].rpc_port: expected `int | null`, got `str`"),
    ("[[nodes]]\nname = 'a'\nrpc_port = 70000", "ports are 1 to 65535"),
    ("[[nodes]]\nname = 'a'\nrpc_port = 5\np2p_port = 5", "the port 5 is given to a and to a"),
    ("[[nodes]]\nname = 'a'\nws_port = 5\nrpcPort = 6", "rpc_port is given twice, by two of its names"),
    ("[[nodes]]\nname = 'a'\nbalance = 'lots'", "'lots' is no amount"),
    ("[[nodes]]\nname = 'a'\nbalance = -1", "-1 is no amount"),
    ("[[nodes]]\nname = 'a'\nbalance = 100", 'write tokens as text, "100"'),
    ("[[nodes]]\nname = 'a'\nvalidator = false\nstake = '5'", "has a stake, but is no validator"),
    ("[[nodes]]\nname = 'a'\nargs = ['--base-path=x']", "--base-path=x is set by the devnet itself"),
    ("[[nodes]]\nname = 'a'\nargs = ['--rpc-port 5']", "--rpc-port is set by the devnet itself"),
    ("[[nodes]]\nname = 'a'\nargs = ['--name \"x']", "cannot be read: No closing quotation"),
    ("[[nodes]]\nname = 'a'\nenv = [{key = 'x'}]", "env has entries"),
    ("[[nodes]]\nname = 'a'\nfaults = [{action = 'boom', after = 1}]", "invalid enum value 'boom'"),
    ("[[nodes]]\nname = 'a'\nfaults = [{action = 'kill'}]", "missing required field `after`"),
    ("[[nodes]]\nname = 'a'\nfaults = [{action = 'kill', after = -1}]", "a fault's after is -1 seconds"),
    (
        "[[nodes]]\nname = 'a'\nfaults = [{action = 'pause', after = 1, for = 9, every = 5}]",
        "a fault that lasts 9 s cannot come every 5 s",
    ),
    ("[[node_groups]]\nname = 'a'\ncount = 0", "the group a has count 0, but must have 1 to 100"),
    ("[[node_groups]]\nname = 'a'\ncount = 60\n[[node_groups]]\nname = 'b'\ncount = 60", "the file has 120 nodes"),
    ("not toml", "not TOML: "),
    *[
        ("[[nodes]]\nname = 'a'\n[[nodes]]\nname = 'b'\n[[faults]]\nafter = 1\n" + fault, sentence)
        for fault, sentence in (
            ("action = 'boom'", "faults[0].action: invalid enum value 'boom'"),
            ("action = 'partition'", "[[faults]]: a partition names its groups"),
            ("action = 'partition'\ngroups = [['a'], ['c']]", "a partition names c, but the nodes are a, b"),
            ("action = 'partition'\ngroups = [['a'], ['b', 'a']]", "a partition has a on two sides"),
            ("action = 'delay'", "a delay is 0 ms, but must be 1 to 60000"),
            ("action = 'delay'\nms = 5\nnodes = ['x']", "a delay names x"),
            ("action = 'loss'\npercent = 95", "a loss is 95 percent, but must be above 0 and at most 90"),
            ("action = 'loss'\npercent = 5\nfor = 9\nevery = 5", "a loss that lasts 9 s cannot come every 5 s"),
        )
    ],
    ("[settings]\nlinks = true\n[[node_groups]]\nname = 'a'\ncount = 17", "for at most 16 nodes, not 17"),
]


def test_every_field_is_read() -> None:
    network = read_network(FULL)
    args = ("--threads", "2")
    faults = (
        FaultTable(action="pause", after=10, duration=5),
        FaultTable(action="restart", after=20, every=60),
    )
    alice = NetworkNode(
        name="alice",
        command="matchstrike-node -l warn",
        args=(*args, "--state-pruning", "archive"),
        stake_planck=500 * UNIT_PLANCK,
        env={"A": "1"},
        is_bootnode=True,
        rpc_port=9944,
        prometheus_port=9615,
        p2p_port=30333,
        faults=faults,
    )
    full = [
        NetworkNode(name=name, command=alice.command, args=args, is_validator=False, balance_planck=0)
        for name in ("full-1", "full-2")
    ]
    assert network == Network(
        nodes=(alice, *full),
        chain="local",
        command="matchstrike-node -l warn",
        params={"work": {"block_target_ms": 1000}},
        genesis={"balances": {"x": 1}},
        balances={"eve": 1_500_000_000_000, "ferdie": 7_000_000_000_000},
        timeout_s=100,
        spawn_timeout_s=50,
        bootnodes=("/ip4/127.0.0.1/tcp/1/p2p/x",),
        tears_down=False,
    )


def test_the_shortest_network_is_one_name() -> None:
    """Beside the table, in it, under either name of it, and as JSON: the same."""
    network = Network(nodes=(NetworkNode(name="alice"),))
    assert read_network("[[nodes]]\nname = 'alice'") == network
    assert read_network("[[chain.nodes]]\nname = 'alice'") == network
    assert read_network("[[relaychain.nodes]]\nname = 'alice'") == network
    assert read_network(json.dumps({"relaychain": {"nodes": [{"name": "alice"}]}}), is_json=True) == network


@pytest.mark.parametrize(("text", "sentence"), BAD_FILES, ids=[row[1][:50] for row in BAD_FILES])
def test_what_is_no_network_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadNetworkFile) as refused:
        read_network(text)
    assert sentence in str(refused.value)


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 70_000), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
NODE_FIELDS = ("name", "args", "faults", "rpc_port", "wsPort", "balance", "validator", "env", "image", "stake")


NODES = st.fixed_dictionaries({"nodes": st.lists(st.dictionaries(st.sampled_from(NODE_FIELDS), VALUES))})
SETTINGS = st.dictionaries(st.sampled_from(("timeout", "provider", "bootnode")), VALUES)


@given(st.fixed_dictionaries({"relaychain": NODES}, optional={"settings": SETTINGS}))
def test_any_tables_are_a_network_or_refused(tree: dict[str, object]) -> None:
    try:
        network = read_network(msgspec.json.encode(tree).decode(), is_json=True)
    except BadNetworkFile:
        return
    assert network.nodes


@given(st.text(max_size=100))
def test_any_text_is_a_network_or_refused(text: str) -> None:
    for is_json in (False, True):
        with pytest.raises(BadNetworkFile):
            read_network(text, is_json=is_json)
