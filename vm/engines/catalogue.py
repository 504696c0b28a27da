"""The engines by name."""

from __future__ import annotations

from vm.engines.engine import Engine, InvalidRequest
from vm.engines.frontier import FrontierEngine
from vm.engines.mps import BOND_MAX_DEFAULT, MpsEngine
from vm.engines.quimb_mps import QuimbEngine
from vm.engines.reference import ReferenceEngine

ENGINE_NAMES = ("frontier", "reference", "mps", "quimb")


def get_engine(name: str, *, bond_max: int = BOND_MAX_DEFAULT) -> Engine:
    """Return the engine of a name; `bond_max` is for the matrix product states.

    Raises:
        EngineRefused: there is none of this name, its library is missing, or the bond dimension is out of bounds.
    """
    match name:
        case "frontier":
            return FrontierEngine()
        case "reference":
            return ReferenceEngine()
        case "mps":
            return MpsEngine(bond_max=bond_max)
        case "quimb":
            return QuimbEngine(bond_max=bond_max)
    raise InvalidRequest(f"there is no engine '{name}'; there are {', '.join(ENGINE_NAMES)}")
