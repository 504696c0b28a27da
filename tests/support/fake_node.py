"""A chain in memory that answers the JSON-RPC calls of Substrate's clients, to try metadata and codecs without a node.

It puts each transfer that is submitted into a block of its own, checks the signature, and keeps the storage of every
block. It has no fees and no work. What it serves is made by chain/ alone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import aiohttp
from aiohttp import web

from chain.block import compute_extrinsics_root
from chain.ed25519 import is_valid_signature, public_of
from chain.extrinsic import Extrinsic, SigningContext, compute_signing_payload, decode_extrinsic, make_bare
from chain.hashing import blake2_128_concat, twox_64_concat, twox_128
from chain.header import POW_ENGINE, Digest, Header, PreRuntime, Seal, encode_digest_item
from chain.runtime_metadata import RuntimeMetadata
from chain.scale import codec_of, encode_compact
from chain.substrate_types import AccountData, AccountInfo, DispatchInfo, Weight
from tests.support.fake_pallets import VERSION, make_fake_metadata

ALICE_SEED = bytes.fromhex("abf8e5bdbe30c65656c0a3cbd181ff8a56294a69dfedd27982aace4a76909115")
AUTHOR = bytes.fromhex("5e639b43e0052c47447dac87d6fd2b6ec50bdd4d0f614e4299c665249bbd09d9")  # //Dave
ENDOWMENT = 1 << 60
_NOTIFICATIONS = {
    "state_subscribeRuntimeVersion": "state_runtimeVersion",
    "state_subscribeStorage": "state_storage",
    "author_submitAndWatchExtrinsic": "author_extrinsicUpdate",
    "chain_subscribeNewHeads": "chain_newHead",
    "chain_subscribeFinalizedHeads": "chain_finalizedHead",
}


def key_of(pallet: str, item: str, suffix: bytes = b"") -> str:
    """Return a storage key as hex."""
    return "0x" + (twox_128(pallet.encode()) + twox_128(item.encode()) + suffix).hex()


class FakeNode:
    """Blocks, their storage and their bodies, by hash."""

    def __init__(self) -> None:
        self.metadata = make_fake_metadata()
        self.client = RuntimeMetadata.decode(self.metadata)
        alice = codec_of(AccountInfo).encode(AccountInfo(providers=1, data=AccountData(free=ENDOWMENT)))
        account = key_of("System", "Account", blake2_128_concat(public_of(ALICE_SEED)))
        self.headers: list[Header] = []
        self.bodies: dict[str, tuple[bytes, ...]] = {}
        self.states: dict[str, dict[str, str]] = {}
        self._append((), {account: "0x" + alice.hex(), key_of("System", "Number"): "0x00000000"})

    def _append(self, body: tuple[bytes, ...], state: dict[str, str]) -> str:
        number = len(self.headers)
        logs = (PreRuntime(engine=POW_ENGINE, data=AUTHOR), Seal(engine=POW_ENGINE, data=bytes(40))) if number else ()
        header = Header(
            parent_hash=self.headers[-1].hash if number else bytes(32),
            number=number,
            state_root=bytes(32),
            extrinsics_root=compute_extrinsics_root(body),
            digest=Digest(logs=logs),
        )
        self.headers.append(header)
        block_hash = "0x" + header.hash.hex()
        self.bodies[block_hash], self.states[block_hash] = body, state
        return block_hash

    def submit(self, raw: bytes) -> str:
        """Return the hash of a new block with the extrinsic in it."""
        extrinsic = decode_extrinsic(raw)
        signed = extrinsic.signed
        assert signed is not None
        genesis = self.headers[0].hash
        birth = genesis if signed.era.is_immortal else self.headers[signed.era.phase % len(self.headers)].hash
        context = SigningContext(spec_version=100, transaction_version=1, genesis_hash=genesis, birth_hash=birth)
        payload = compute_signing_payload(extrinsic.call, extrinsic.extra, context)
        assert is_valid_signature(signed.signer, payload, signed.signature)
        timestamp = make_bare(self.client.encode_call("Timestamp", "set", now=1_700_000_000_000))
        state = self._apply(extrinsic, dict(self.states["0x" + self.headers[-1].hash.hex()]))
        return self._append((timestamp, raw), state)

    def _apply(self, extrinsic: Extrinsic, state: dict[str, str]) -> dict[str, str]:
        assert extrinsic.signed is not None
        call = self.client.decode_call(extrinsic.call)
        assert call.call == "transfer_keep_alive"
        assert isinstance(call.args, dict)
        sender, receiver, amount = extrinsic.signed.signer, call.args["dest"]["Id"], call.args["value"]
        for account, change, nonces in ((sender, -amount, 1), (receiver, amount, 0)):
            key = key_of("System", "Account", blake2_128_concat(account))
            old = codec_of(AccountInfo).decode(bytes.fromhex(state[key][2:])) if key in state else AccountInfo()
            new = AccountInfo(nonce=old.nonce + nonces, providers=1, data=AccountData(free=old.data.free + change))
            state[key] = "0x" + codec_of(AccountInfo).encode(new).hex()
        number = len(self.headers)
        info = codec_of(DispatchInfo).encode(DispatchInfo(weight=Weight(ref_time=150_000_000)))
        success = b"\x00\x00" + info + b"\x00"
        transfer = b"\x04\x02" + sender + receiver + amount.to_bytes(16, "little") + b"\x00"
        phases = ((0, success), (1, transfer), (1, success))
        events = b"".join(b"\x00" + index.to_bytes(4, "little") + event for index, event in phases)
        state[key_of("System", "Events")] = "0x" + (encode_compact(3) + events).hex()
        state[key_of("System", "Number")] = "0x" + number.to_bytes(4, "little").hex()
        parent = twox_64_concat((number - 1).to_bytes(4, "little"))
        state[key_of("System", "BlockHash", parent)] = "0x" + self.headers[-1].hash.hex()
        return state

    # ---- answers

    def _at(self, params: list[object], position: int) -> str:
        given = params[position] if len(params) > position else None
        return str(given) if given is not None else "0x" + self.headers[-1].hash.hex()

    def _header(self, block_hash: str) -> dict[str, object] | None:
        header = next((item for item in self.headers if "0x" + item.hash.hex() == block_hash), None)
        return (
            None
            if header is None
            else {
                "parentHash": "0x" + header.parent_hash.hex(),
                "number": hex(header.number),
                "stateRoot": "0x" + header.state_root.hex(),
                "extrinsicsRoot": "0x" + header.extrinsics_root.hex(),
                "digest": {"logs": ["0x" + encode_digest_item(item).hex() for item in header.digest.logs]},
            }
        )

    def _runtime_version(self) -> dict[str, object]:
        return {
            "specName": VERSION.spec_name,
            "implName": VERSION.impl_name,
            "authoringVersion": 1,
            "specVersion": 100,
            "implVersion": 1,
            "apis": [],
            "transactionVersion": 1,
            "stateVersion": 1,
        }

    def _block_hash(self, params: list[object]) -> str | None:
        number = params[0] if params and params[0] is not None else len(self.headers) - 1
        number = int(number, 16) if isinstance(number, str) else int(str(number))
        return "0x" + self.headers[number].hash.hex() if number < len(self.headers) else None

    def _block(self, params: list[object]) -> dict[str, object]:
        block_hash = self._at(params, 0)
        extrinsics = ["0x" + raw.hex() for raw in self.bodies[block_hash]]
        return {"block": {"header": self._header(block_hash), "extrinsics": extrinsics}, "justifications": None}

    def _changes(self, params: list[object], position: int) -> dict[str, object]:
        block_hash = self._at(params, position)
        keys = params[0]
        assert isinstance(keys, list)
        return {"block": block_hash, "changes": [[key, self.states[block_hash].get(key)] for key in keys]}

    def _next_nonce(self, params: list[object]) -> int:
        key = self.client.storage_key("System", "Account", params[0])
        value = self.states[self._at([], 0)].get("0x" + key.hex())
        info = self.client.decode_storage("System", "Account", bytes.fromhex(value[2:]) if value else None)
        assert isinstance(info, dict)
        return int(info["nonce"])

    def answer(self, method: str, params: list[object]) -> object:
        """Return the result of a call that opens no subscription."""
        answers: dict[str, Callable[[], object]] = {
            "system_name": lambda: "Fake node",
            "system_version": lambda: "0",
            "system_chain": lambda: "Development",
            "system_chainType": lambda: "Development",
            "system_properties": lambda: {"ss58Format": 42, "tokenDecimals": 12, "tokenSymbol": "MSK"},
            "system_health": lambda: {"peers": 0, "isSyncing": False, "shouldHavePeers": False},
            "system_accountNextIndex": lambda: self._next_nonce(params),
            "rpc_methods": lambda: {"methods": sorted([*answers, *_NOTIFICATIONS])},
            "chain_getBlockHash": lambda: self._block_hash(params),
            "chain_getFinalizedHead": lambda: self._at([], 0),
            "chain_getHeader": lambda: self._header(self._at(params, 0)),
            "chain_getBlock": lambda: self._block(params),
            "state_getRuntimeVersion": self._runtime_version,
            "state_getMetadata": lambda: "0x" + self.metadata.hex(),
            "state_getStorage": lambda: self.states[self._at(params, 1)].get(str(params[0])),
            "state_queryStorageAt": lambda: [self._changes(params, 1)],
            "state_unsubscribeStorage": lambda: True,
            "state_unsubscribeRuntimeVersion": lambda: True,
            "author_unwatchExtrinsic": lambda: True,
            "chain_unsubscribeNewHeads": lambda: True,
            "chain_unsubscribeFinalizedHeads": lambda: True,
        }
        return answers[method]()

    def subscribe(self, method: str, params: list[object]) -> list[object]:
        """Return what a new subscription is told at once."""
        match method:
            case "state_subscribeRuntimeVersion":
                return [self._runtime_version()]
            case "state_subscribeStorage":
                return [self._changes(params, 9)]
            case "author_submitAndWatchExtrinsic":
                block_hash = self.submit(bytes.fromhex(str(params[0])[2:]))
                return ["ready", {"inBlock": block_hash}, {"finalized": block_hash}]
            case _:
                return [self._header(self._at([], 0))]


async def _serve_socket(node: FakeNode, request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.TEXT:
            break
        call = json.loads(message.data)
        method, params, number = call["method"], call.get("params") or [], call["id"]
        reply: dict[str, object] = {"jsonrpc": "2.0", "id": number}
        if method in _NOTIFICATIONS:
            name = f"{method}-{number}"
            told = node.subscribe(method, params)
            await socket.send_json(reply | {"result": name})
            for item in told:
                body = {"subscription": name, "result": item}
                await socket.send_json({"jsonrpc": "2.0", "method": _NOTIFICATIONS[method], "params": body})
            continue
        try:
            await socket.send_json(reply | {"result": node.answer(method, params)})
        except KeyError:
            await socket.send_json(reply | {"error": {"code": -32601, "message": f"Method not found: {method}"}})
    return socket


async def run_client(command: list[str]) -> tuple[int, str, str]:
    """Run a client against a new fake node; `{url}` in its command is replaced.

    Returns:
        Exit code, standard output, standard error.
    """
    node = FakeNode()

    async def handle(request: web.Request) -> web.WebSocketResponse:
        return await _serve_socket(node, request)

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
        process = await asyncio.create_subprocess_exec(
            *(part.replace("{url}", url) for part in command),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), 110)
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()
    finally:
        await runner.cleanup()
