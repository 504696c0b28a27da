"""The engines by name."""

from __future__ import annotations

from vm.engines.engine import Engine, InvalidRequest
from vm.engines.frontier import FrontierEngine
from vm.engines.reference import ReferenceEngine

ENGINE_NAMES = ("frontier", "reference")


def get_engine(name: str) -> Engine:
    """Return the engine of a name.

    Raises:
        InvalidRequest: there is none of this name.
    """
    match name:
        case "frontier":
            return FrontierEngine()
        case "reference":
            return ReferenceEngine()
    raise InvalidRequest(f"there is no engine '{name}'; there are {', '.join(ENGINE_NAMES)}")
