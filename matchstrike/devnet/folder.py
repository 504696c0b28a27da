"""A devnet's folder: everything that is needed to go on where it stopped.

devnet.json     the plan: names, keys, ports, arguments
chain.json      the chain spec
NODE.log        what a node said, over all its starts
nodes/NODE/     a node's data, as --base-path takes it
lock            held while the devnet runs
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from matchstrike.devnet.chain_file import make_chain_file
from matchstrike.devnet.failure import BadNetworkFile, DevnetFailed
from matchstrike.devnet.network_file import Network, read_network
from matchstrike.devnet.plan import (
    CHAIN_FILE_NAME,
    FILE_NAME,
    DevnetPlan,
    get_account,
    get_account_uri,
    get_keystore,
    make_plan,
    renew_ports,
    split_command,
)

LOCK_NAME = "lock"
BUILD_SECONDS_MAX = 60.0


def load_network(path: Path) -> Network:
    """Return the network that a file describes.

    Raises:
        BadNetworkFile: no such file, or no network.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadNetworkFile(f"the network file {path} cannot be read: {reason}") from error
    try:
        return read_network(text, is_json=path.suffix == ".json")
    except BadNetworkFile as error:
        raise BadNetworkFile(f"{path}: {error}") from error


def has_devnet(folder: Path) -> bool:
    """Return whether a devnet was begun in a folder."""
    return (folder / FILE_NAME).is_file()


def begin_devnet(network: Network, folder: Path, *, name: str, beside: Path, rpc_port: int | None = None) -> DevnetPlan:
    """Write the plan and the chain spec of a new devnet into a folder.

    Args:
        name: What the devnet is called in its plan. beside: The folder that paths in the network start from.

    Raises:
        DevnetFailed: there is a devnet already, no port is free, or the node makes no chain spec of this.
    """
    if has_devnet(folder):
        raise DevnetFailed(f"{folder} has a devnet already; resume it with `matchstrike devnet up {folder}`")
    plan = make_plan(network, name=name, rpc_port=rpc_port)
    folder.mkdir(parents=True, exist_ok=True)
    spec_path = folder / CHAIN_FILE_NAME
    chain = str(beside / network.chain) if (beside / network.chain).is_file() else network.chain
    spec_path.write_bytes(make_chain_file(build_spec(network.command, chain), network))
    build_spec(network.command, str(spec_path))  # refuses what no chain can start with
    for node in plan.nodes:
        if node.is_validator:
            _save_vote_key(folder, node.name)
    save_plan(plan, folder)
    return plan


def _save_vote_key(folder: Path, name: str) -> None:
    """Put a node's vote key where it looks for one, in Substrate's form of a keystore."""
    keystore = get_keystore(folder, name)
    keystore.mkdir(parents=True, exist_ok=True)
    path = keystore / (b"vote".hex() + get_account(name).hex())
    path.write_bytes(msgspec.json.encode(get_account_uri(name)))
    path.chmod(0o600)


def resume_devnet(folder: Path, *, rpc_port: int | None = None) -> DevnetPlan:
    """Return the plan of a devnet that ran before, with other ports where its own are taken.

    Raises:
        DevnetFailed: there is none in the folder.
    """
    try:
        plan = msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=DevnetPlan)
    except OSError as error:
        raise DevnetFailed(f"{folder} has no devnet to resume: no {FILE_NAME} in it") from error
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise DevnetFailed(f"{folder / FILE_NAME} is no devnet's plan: {error}") from error
    plan = renew_ports(plan, rpc_port=rpc_port)
    save_plan(plan, folder)
    return plan


def save_plan(plan: DevnetPlan, folder: Path) -> None:
    """Write a plan."""
    (folder / FILE_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")


def build_spec(command: str, chain: str) -> bytes:
    """Return the plain chain spec that a node prints for a chain.

    Raises:
        DevnetFailed: there is no such node, or it refuses the chain; carries its words.
    """
    words = [*split_command(command), "build-spec", "--chain", chain]
    try:
        done = subprocess.run(words, capture_output=True, timeout=BUILD_SECONDS_MAX, check=False)
    except OSError as error:
        raise DevnetFailed(f"{words[0]} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise DevnetFailed(f"{command} made no chain spec within {BUILD_SECONDS_MAX:g} s") from error
    if done.returncode != 0:
        raise DevnetFailed(f"{command} made no chain spec: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep others from running or copying the devnet of a folder.

    Raises:
        DevnetFailed: somebody else holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DevnetFailed(f"the devnet in {folder} is running; stop it first") from error
        yield
    finally:
        os.close(handle)


def copy_devnet(folder: Path, copy: Path) -> None:
    """Copy a devnet that does not run, so that it can be resumed from this state again and again.

    Raises:
        DevnetFailed: it runs, there is none, or the copy's folder is not empty.
    """
    if not has_devnet(folder):
        raise DevnetFailed(f"{folder} has no devnet to save: no {FILE_NAME} in it")
    if copy.exists() and any(copy.iterdir()):
        raise DevnetFailed(f"{copy} is not empty; name a new folder")
    with lock_folder(folder):
        shutil.copytree(folder, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns(LOCK_NAME, "LOCK"))
