"""Faults of a network file that make no sense, refused with a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Set

from matchstrike.devnet.failure import BadNetworkFile
from matchstrike.devnet.network_tables import FaultTable, LinkFaultTable

SECONDS_MAX = 86_400
LINKED_MAX = 16  # nodes; each has a port for each other one
DELAY_MS_MAX = 60_000
LOSS_PERCENT_MAX = 90.0


def check_fault_times(fault: FaultTable | LinkFaultTable, what: str) -> None:
    """Refuse times that cannot be.

    Raises:
        BadNetworkFile
    """
    for field, value in (("after", fault.after), ("for", fault.duration), ("every", fault.every)):
        if not 0 <= value <= SECONDS_MAX:
            raise BadNetworkFile(f"{what}'s {field} is {value:g} seconds, but must be 0 to {SECONDS_MAX}")
    if 0 < fault.every <= fault.duration:
        raise BadNetworkFile(f"{what} that lasts {fault.duration:g} s cannot come every {fault.every:g} s")


def check_link_faults(faults: Iterable[LinkFaultTable], names: Set[str]) -> None:
    """Refuse a `[[faults]]` that says nothing, or of nodes that are not there.

    Raises:
        BadNetworkFile
    """
    for fault in faults:
        what = f"[[faults]]: a {fault.action}"
        check_fault_times(fault, what)
        match fault.action:
            case "partition":
                check_groups(fault.groups, names, what)
            case "delay":
                check_nodes(fault.nodes, names, what)
                check_delay(fault.ms, what)
            case "loss":
                check_nodes(fault.nodes, names, what)
                check_loss(fault.percent, what)


def check_linked(nodes: int) -> None:
    """Refuse links between too many nodes.

    Raises:
        BadNetworkFile
    """
    if nodes > LINKED_MAX:
        raise BadNetworkFile(f"links and [[faults]] are for at most {LINKED_MAX} nodes, not {nodes}")


def check_groups(groups: Iterable[Iterable[str]], names: Set[str], what: str) -> None:
    """Refuse a partition of no groups, of unknown nodes, or with a node on two sides.

    Raises:
        BadNetworkFile
    """
    listed = [name for group in groups for name in group]
    if not listed:
        raise BadNetworkFile(f'{what} names its groups: groups = [["alice", "bob"], ["charlie"]]')
    check_nodes(listed, names, what)
    for name in listed:
        if listed.count(name) > 1:
            raise BadNetworkFile(f"{what} has {name} on two sides")


def check_nodes(listed: Iterable[str], names: Set[str], what: str) -> None:
    """Refuse names of no node.

    Raises:
        BadNetworkFile
    """
    for name in listed:
        if name not in names:
            raise BadNetworkFile(f"{what} names {name}, but the nodes are {', '.join(sorted(names))}")


def check_delay(delay_ms: float, what: str) -> None:
    """Refuse a delay that is none, or too long.

    Raises:
        BadNetworkFile
    """
    if not 0 < delay_ms <= DELAY_MS_MAX:
        raise BadNetworkFile(f"{what} is {delay_ms:g} ms, but must be 1 to {DELAY_MS_MAX} (`ms`)")


def check_loss(percent: float, what: str) -> None:
    """Refuse a loss that is none, or after which nothing is left.

    Raises:
        BadNetworkFile
    """
    if not 0 < percent <= LOSS_PERCENT_MAX:
        raise BadNetworkFile(f"{what} is {percent:g} percent, but must be above 0 and at most {LOSS_PERCENT_MAX:g}")
