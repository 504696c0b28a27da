"""The answers of the looking stake commands, for programs and for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from matchstrike.commands.stake_plan import describe_ripening, find_present_key, format_ms, is_ripe
from matchstrike.commands.stake_recent import LEGEND, MISSED, VOTED, Recent
from matchstrike.commands.stake_view import Bonded, NodeKey, Place, Ripening, StakeView, VoterRow, compute_stake
from rpc.api import Json

Show: TypeAlias = Callable[[int], str]  # an amount of planck as people read it


class AccountReport(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to say about one account.

    Attributes:
        keys: Every vote key it ever gave, and whether it was slashed.
        block_ms: How long a block takes lately.
        node_keys: What the asked node votes with; None if it does not tell.
    """

    address: str
    public: bytes
    bonded: Bonded | None
    parts: tuple[Ripening, ...]
    keys: Mapping[str, bool]
    recent: Recent
    block_ms: int
    node_keys: tuple[NodeKey, ...] | None

    @property
    def active(self) -> int:
        """Stake that can stand."""
        return 0 if self.bonded is None else self.bonded.active

    @property
    def total(self) -> int:
        """Everything that can be slashed."""
        return self.active + sum(part.amount for part in self.parts)


# ---- one account


def account_to_json(view: StakeView, report: AccountReport) -> Json:
    """Return an account's part in staking for programs."""
    address, recent, key = report.address, report.recent, find_present_key(view, report.address)
    sets = {name: _find_stake(voters, address) for name, voters in _list_sets(view)}
    marks: dict[str, Json] = {str(row.height): row.get_mark(address) for row in recent.rounds}
    return {
        "address": address,
        "publicKey": "0x" + report.public.hex(),
        "block": view.number,
        "bonded": str(report.total),
        "active": str(report.active),
        "unbonding": [
            {
                "amount": str(part.amount),
                "ripeFrom": part.height,
                "certain": part.is_certain,
                "ripe": is_ripe(view, part),
                "inMs": max(part.height - view.number, 0) * report.block_ms,
            }
            for part in report.parts
        ],
        "standing": view.find_candidate(address) is not None,
        "voteKey": None if key is None else "0x" + key.hex(),
        "nodeHasKey": None if key is None or report.node_keys is None else _find_node_key(report, key) is not None,
        "keys": [{"key": name, "slashed": is_slashed} for name, is_slashed in sorted(report.keys.items())],
        "sets": {name: None if stake is None else str(stake) for name, stake in sets.items()},
        "setKeys": {name: _find_key(voters, address) for name, voters in _list_sets(view)},
        "dynasty": view.dynasty.number,
        "fromBlock": recent.first,
        "votes": marks,
        "rewards": str(recent.rewards.get(address, 0)),
        "leaked": str(recent.leaked.get(address, 0)),
        "slashed": str(recent.slashed.get(address, 0)),
    }


def account_to_text(show: Show, view: StakeView, report: AccountReport) -> str:
    """Return the same for people."""
    key = find_present_key(view, report.address)
    rows = [
        ("account", report.address),
        ("bonded", f"{show(report.total)}, of it active {show(report.active)}"),
        *((("unbonding"), _describe_part(show, view, part, report.block_ms)) for part in report.parts),
        ("stands", "yes, for the next set" if view.find_candidate(report.address) else "no"),
        ("vote key", "none" if key is None else f"0x{key.hex()}"),
        *(("this node", text) for text in _describe_node(report, key)),
        ("votes in", _describe_sets(show, view, report.address)),
        *(("also key", text) for text in _list_other_keys(view, report.address, key)),
        *(("slashed key", f"{name} (never to be used again)") for name, bad in sorted(report.keys.items()) if bad),
        ("votes", _describe_votes(report)),
        ("lately", _describe_money(show, report)),
    ]
    return "\n".join(f"{name:<12} {text}" for name, text in rows)


def _describe_part(show: Show, view: StakeView, part: Ripening, block_ms: int) -> str:
    return f"{show(part.amount)} {describe_ripening(view, part, block_ms)}"


def _describe_sets(show: Show, view: StakeView, address: str) -> str:
    parts = []
    for name, voters in _list_sets(view):
        stake = _find_stake(voters, address)
        if stake is not None:
            parts.append(f"{name} ({show(stake)}, {_share(stake, compute_stake(voters))} of the set)")
    return f"{', '.join(parts) or 'no set'} of dynasty {view.dynasty.number}"


def _describe_node(report: AccountReport, key: bytes | None) -> list[str]:
    """Return what the asked node does with the account's vote key, in at most one line."""
    if key is None or report.node_keys is None:
        return []
    found = _find_node_key(report, key)
    if found is None:
        return ["does not vote with this key; the node that has it in its keystore does"]
    if found.trouble is not None:
        return [f"DOES NOT VOTE with this key: {found.trouble}"]
    last = "no vote so far" if found.last_target is None else f"last for checkpoint {found.last_target}"
    return [f"votes with this key, {last}"]


def _find_node_key(report: AccountReport, key: bytes) -> NodeKey | None:
    return next((row for row in report.node_keys or () if row.key == f"0x{key.hex()}"), None)


def _list_other_keys(view: StakeView, address: str, key: bytes | None) -> list[str]:
    """Return the keys that an account changed and that still count."""
    names: dict[str, list[str]] = {}
    for name, voters in _list_sets(view):
        found = _find_key(voters, address)
        if found is not None and (key is None or found != f"0x{key.hex()}"):
            names.setdefault(found, []).append(name)
    return [f"{found} still counts ({', '.join(sets)} set): keep it in the keystore" for found, sets in names.items()]


def _describe_votes(report: AccountReport) -> str:
    marks = [(row.height, row.get_mark(report.address)) for row in report.recent.rounds]
    done = [height for height, mark in marks if mark == VOTED]
    missed = [height for height, mark in marks if mark == MISSED]
    if not done and not missed:
        return "none was due lately"
    tail = f"; missed {', '.join(map(str, missed))}" if missed else ""
    return f"{len(done)} of {len(done) + len(missed)} checkpoints{tail}"


def _describe_money(show: Show, report: AccountReport) -> str:
    recent, address = report.recent, report.address
    parts = [f"votes earned {show(recent.rewards.get(address, 0))}"]
    if recent.leaked.get(address):
        parts.append(f"LEAKED {show(recent.leaked[address])} (absent while nothing became final)")
    if recent.slashed.get(address):
        parts.append(f"SLASHED {show(recent.slashed[address])}")
    return f"{', '.join(parts)} in blocks {recent.first} to {recent.last}"


# ---- all validators


def validators_to_json(view: StakeView, recent: Recent) -> Json:
    """Return everybody who votes or stands for programs."""
    rows: list[Json] = []
    for voter in list_everybody(view):
        sets = {name: _find_stake(voters, voter.account) for name, voters in _list_sets(view)}
        rows.append(
            {
                "address": voter.account,
                "voteKey": voter.key,
                "stake": str(voter.stake),
                "standing": view.find_candidate(voter.account) is not None,
                "sets": {name: None if stake is None else str(stake) for name, stake in sets.items()},
                "votes": {str(row.height): row.get_mark(voter.account) for row in recent.rounds},
            }
        )
    total = compute_stake(view.sets.current)
    return {
        "block": view.number,
        "dynasty": view.dynasty.number,
        "since": view.dynasty.started_at,
        "stake": str(total),
        "twoThirds": str(compute_two_thirds(total)),
        "validators": rows,
    }


def validators_to_text(show: Show, view: StakeView, recent: Recent) -> str:
    """Return the same as a table."""
    everybody, total = list_everybody(view), compute_stake(view.sets.current)
    if not everybody:
        return "nobody validates and nobody stands; `matchstrike stake bond` and `stake validate` begin it"
    count = len(view.sets.current)
    two_thirds = f", two thirds are {show(compute_two_thirds(total))}" if total else ""
    head = f"dynasty {view.dynasty.number} since block {view.dynasty.started_at}: {count} validators with"
    lines = [f"{head} {show(total)}{two_thirds}"]
    votes = "votes " + " ".join(str(row.height) for row in recent.rounds)
    rows = [("account", "stake", "share", "part", votes, "vote key")]
    for voter in everybody:
        stake = _find_stake(view.sets.current, voter.account)
        marks = "      " + " ".join(f"{row.get_mark(voter.account):>{len(str(row.height))}}" for row in recent.rounds)
        share = "-" if stake is None else _share(stake, total)
        rows.append((voter.account, show(voter.stake), share, _name_part(view, voter.account), marks, voter.key))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for account, amount, share, part, marks, key in rows:
        lines.append(
            f"{account:<{widths[0]}}  {amount:>{widths[1]}}  {share:>{widths[2]}}  {part:<{widths[3]}}"
            f"  {marks:<{widths[4]}}  {key}"
        )
    return "\n".join([*lines, LEGEND])


def list_everybody(view: StakeView) -> tuple[VoterRow, ...]:
    """Return who votes or stands, each once: as in the current set, else as standing, else as in another set."""
    found: dict[str, VoterRow] = {}
    for voter in (*view.sets.current, *view.candidates, *view.sets.next, *view.sets.previous):
        found.setdefault(voter.account, voter)
    return tuple(found.values())


def compute_two_thirds(total: int) -> int:
    """Return the least stake that is a supermajority of a total."""
    return -(-2 * total // 3)


def _name_part(view: StakeView, address: str) -> str:
    """Return what an account is at present, in a word."""
    is_standing = view.find_candidate(address) is not None
    if _find_stake(view.sets.current, address) is not None:
        return "votes" if is_standing else "leaves"
    if _find_stake(view.sets.next, address) is not None:
        return "joins next" if is_standing else "joins, leaves"
    return "stands" if is_standing else "left, still counts"


# ---- finality


def finality_to_json(view: StakeView, lag_ms: int | None) -> Json:
    """Return what is final for programs."""
    status = view.status
    return {
        "best": {"height": view.number, "hash": "0x" + view.hash.hex()},
        "justified": _place_to_json(status.justified),
        "finalized": _place_to_json(status.finalized),
        "finalHeight": status.final_height,
        "lagBlocks": view.number - status.final_height,
        "lagMs": lag_ms,
        "attended": status.is_attended,
        "ballot": None
        if view.ballot is None
        else {
            "source": _place_to_json(view.ballot.source),
            "target": _place_to_json(view.ballot.target),
            "current": _count_stake(view, view.sets.current),
            "previous": _count_stake(view, view.sets.previous),
        },
    }


def finality_to_text(view: StakeView, lag_ms: int | None) -> str:
    """Return the same for people."""
    status, rules = view.status, view.rules
    behind = "" if lag_ms is None else f" and {format_ms(lag_ms)}"
    rows = [
        ("best", f"block {view.number}  0x{view.hash.hex()}"),
        ("justified", f"checkpoint {status.justified.height}  {status.justified.hash}"),
        ("finalised", f"checkpoint {status.finalized.height}  {status.finalized.hash}"),
        ("final", f"block {status.final_height}, {view.number - status.final_height} blocks{behind} behind the best"),
    ]
    if not status.is_attended:
        rows.append(
            ("decided by", f"depth: nobody validates, and {rules.unattended_depth} blocks on a block are enough")
        )
        return "\n".join(f"{name:<12} {text}" for name, text in rows)
    rows.append(
        (
            "decided by",
            f"votes of {len(view.sets.current)} validators on a checkpoint every {rules.checkpoint_blocks} blocks",
        )
    )
    if view.ballot is not None:
        parts = [
            f"{_share_voted(view, voters)} of the {name} set's stake" for name, voters in _list_sets(view)[:2] if voters
        ]
        rows.append(("ballot", f"checkpoint {view.ballot.target.height}: {' and '.join(parts)}; each needs two thirds"))
    late = (view.newest_checkpoint - status.final_height) // rules.checkpoint_blocks
    if late > rules.leak_after_checkpoints:
        rows.append(("leak", f"nothing became final for {late} checkpoints: validators that do not vote lose stake"))
    return "\n".join(f"{name:<12} {text}" for name, text in rows)


def _count_stake(view: StakeView, voters: tuple[VoterRow, ...]) -> Json:
    keys = frozenset(view.ballot.voters) if view.ballot else frozenset[str]()
    voted = compute_stake(tuple(voter for voter in voters if voter.key in keys))
    total = compute_stake(voters)
    return {"stake": str(total), "voted": str(voted), "isEnough": total > 0 and 3 * voted >= 2 * total}


def _share_voted(view: StakeView, voters: tuple[VoterRow, ...]) -> str:
    keys = frozenset(view.ballot.voters) if view.ballot else frozenset[str]()
    return _share(compute_stake(tuple(voter for voter in voters if voter.key in keys)), compute_stake(voters))


def _place_to_json(place: Place) -> Json:
    return {"height": place.height, "hash": place.hash}


# ---- what they share


def _list_sets(view: StakeView) -> list[tuple[str, tuple[VoterRow, ...]]]:
    return [("previous", view.sets.previous), ("current", view.sets.current), ("next", view.sets.next)]


def _find_stake(voters: tuple[VoterRow, ...], address: str) -> int | None:
    return next((voter.stake for voter in voters if voter.account == address), None)


def _find_key(voters: tuple[VoterRow, ...], address: str) -> str | None:
    return next((voter.key for voter in voters if voter.account == address), None)


def _share(stake: int, total: int) -> str:
    return f"{100 * stake / total:.1f} %" if total else "-"
