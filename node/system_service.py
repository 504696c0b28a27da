"""The node itself for the RPC (`rpc.api.SystemApi`)."""

from __future__ import annotations

import json
import os
from importlib.metadata import version as get_package_version
from pathlib import Path

from chain.ed25519 import public_of
from chain.secret_uri import InvalidSecretUri, derive_seed
from node.driver import Driver
from node.log_format import InvalidLogFilter, add_log_filters, parse_log_filters, reset_log_filters
from node.run_config import RunConfig
from node.startup import Site
from rpc.api import Json, SyncState, SystemInfo
from rpc.errors import invalid_params

SYSTEM_ERROR = 2000
KEY_TYPE_BYTES = 4


class SystemService:
    """Answers about the node."""

    def __init__(self, driver: Driver, config: RunConfig, site: Site) -> None:
        self._driver = driver
        self._config = config
        self._site = site
        self._info = _make_info(config, site)

    def get_system_info(self) -> SystemInfo:
        """Return what does not change while the node runs."""
        return self._info

    def get_sync_state(self) -> SyncState:
        """Return how far the node is."""
        status = self._driver.machine.peers.sync_status
        return SyncState(
            starting_block=status.starting,
            current_block=self._driver.machine.importer.head.number,
            highest_block=status.highest,
            peers=status.peers,
            is_syncing=status.is_major,
            should_have_peers=self._site.spec.chain_type != "Development",
        )

    def add_log_filter(self, directives: str) -> None:
        """Change the level of log targets.

        Raises:
            RpcError: a level that does not exist.
        """
        try:
            add_log_filters(parse_log_filters([directives]))
        except InvalidLogFilter as error:
            raise invalid_params(str(error)) from error

    def reset_log_filter(self) -> None:
        """Go back to the command line's filters."""
        reset_log_filters(parse_log_filters(self._config.shared.log))

    def insert_key(self, key_type: str, suri: str, public: bytes) -> None:
        """Store a key in the node's keystore, as Substrate does: a JSON string of its URI.

        Raises:
            RpcError: no key type of four characters, or a URI of another key.
        """
        path = self._get_key_path(key_type, public)
        try:
            derived = public_of(derive_seed(suri))
        except InvalidSecretUri as error:
            raise invalid_params(f"the secret URI is not valid: {error}") from error
        if derived != public:
            raise invalid_params("the secret URI is that of another public key")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(suri, file)

    def has_key(self, public: bytes, key_type: str) -> bool:
        """Return whether the node's keystore has a key."""
        return self._get_key_path(key_type, public).is_file()

    def _get_key_path(self, key_type: str, public: bytes) -> Path:
        if len(key_type.encode()) != KEY_TYPE_BYTES or len(public) != 32:
            raise invalid_params("a key type has four characters, a public key 32 bytes")
        folder = self._config.keystore_path or self._site.folders.keystore
        return folder / (key_type.encode().hex() + public.hex())


def _make_info(config: RunConfig, site: Site) -> SystemInfo:
    spec = site.spec
    chain_type: Json = spec.chain_type if isinstance(spec.chain_type, str) else {"Custom": spec.chain_type.Custom}
    return SystemInfo(
        name="Matchstrike Node",
        version=get_package_version("matchstrike"),
        chain=spec.name,
        chain_type=chain_type,
        properties=dict(spec.properties or {}),
        roles=("Authority" if config.is_authority else "Full",),
        peer_id=site.peer_id,
    )
