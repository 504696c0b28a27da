"""What a node that runs has in its memory of other people's libraries."""

from __future__ import annotations

import json
import subprocess
import sys

# rich and scipy are not here: structlog and numba take them in where they are installed
UNWANTED = {"IPython", "cotengra", "dask", "matplotlib", "networkx", "pandas", "qiskit", "quimb", "sympy"}
FOREIGN_ROOMS = {"matchstrike", "simulations", "wallet"}


def test_a_node_imports_no_library_that_it_does_not_need() -> None:
    """Each costs every follower's memory and start."""
    program = "import json, sys, node.main, node.app; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=120)
    modules = {name.partition(".")[0] for name in json.loads(result.stdout)}
    assert "numba" in modules
    assert not modules & (UNWANTED | FOREIGN_ROOMS)
