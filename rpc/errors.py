"""Errors that an RPC caller sees: a code for programs, a sentence for people.

Source: JSON-RPC 2.0 section 5.1; Substrate's error bases (author 1000, system 2000, chain 3000, state 4000).
"""

from __future__ import annotations

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
LIMIT_EXCEEDED = -32005

RUNTIME_ERROR = 1
BAD_FORMAT = 1001
INVALID_TRANSACTION = 1010
TEMPORARILY_BANNED = 1012
ALREADY_IMPORTED = 1013
PRIORITY_TOO_LOW = 1014
POOL_FULL = 1016
NOT_HEALTHY = 2001
MALFORMED_PEER = 2002
UNKNOWN_BLOCK = 3001
INVALID_WORK = 3002
OFFENCE_REFUSED = 3003
BAD_BLOCK_RANGE = 4001
COUNT_EXCEEDED = 4002
STATE_UNAVAILABLE = 4003

UNSAFE_MESSAGE = "RPC call is unsafe to be called externally"


class RpcError(Exception):
    """An answer that is an error.

    Attributes:
        code: For programs.
        message: The kind of error, in Substrate's words where it has them.
        data: What exactly was wrong and what to do.
    """

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data

    def __str__(self) -> str:
        return f"{self.message}: {self.data}" if self.data else self.message


def invalid_params(what: str) -> RpcError:
    """Return the error for parameters that do not fit."""
    return RpcError(INVALID_PARAMS, "Invalid params", what)
