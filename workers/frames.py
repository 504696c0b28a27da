"""Messages between the pool and its own worker processes: a length and a pickle, over a socket pair.

Both ends are ours and nobody else holds the socket, so pickles are safe here; nothing from a network comes this way
but inside records that the node has parsed.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Callable
from typing import TypeAlias

import msgspec

LENGTH = struct.Struct("!I")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """To a worker: run `function(*arguments)` once, before going on with the search."""

    call: int
    function: Callable[..., object]
    arguments: tuple[object, ...]


class StartSearch(msgspec.Struct, frozen=True, kw_only=True):
    """To a worker: from now on run `function(job, start, count)` on chunk after chunk of the shared range."""

    generation: int
    function: Callable[..., object]
    job: object
    chunk_seconds: float


class StopSearch(msgspec.Struct, frozen=True, kw_only=True):
    """To a worker: end the search, if it is still of this generation."""

    generation: int


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """From a worker: what a call returned, or the exception that it raised."""

    call: int
    result: object
    error: Exception | None


class ChunkDone(msgspec.Struct, frozen=True, kw_only=True):
    """From a worker: a chunk's result, or the exception that ended the search."""

    generation: int
    result: object
    error: Exception | None
    count: int
    seconds: float


ToWorker: TypeAlias = Call | StartSearch | StopSearch
FromWorker: TypeAlias = Called | ChunkDone


def encode_frame(message: object) -> bytes:
    """Return the message with its length before it."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(data)) + data


def decode_payload(data: bytes) -> object:
    """Return the message of a frame's payload."""
    message: object = pickle.loads(data)
    return message


def receive_message(connection: socket.socket) -> object | None:
    """Return the next message of a blocking socket, None at its end."""
    head = _receive_exactly(connection, LENGTH.size)
    if head is None:
        return None
    data = _receive_exactly(connection, LENGTH.unpack(head)[0])
    return None if data is None else decode_payload(data)


def _receive_exactly(connection: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        piece = connection.recv(size - len(parts))
        if not piece:
            return None
        parts += piece
    return bytes(parts)
