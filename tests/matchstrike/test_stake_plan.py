"""When stake is ripe, what a mark says, and that each of the chain's refusals has its advice."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from matchstrike.commands.stake_plan import (
    ADVICE,
    add_advice,
    describe_joining,
    describe_ripening,
    format_ms,
    is_ripe,
    read_vote_key,
)
from matchstrike.commands.stake_recent import Recent, Round
from matchstrike.commands.stake_text import (
    AccountReport,
    account_to_text,
    compute_two_thirds,
    finality_to_text,
    list_everybody,
)
from matchstrike.commands.stake_view import (
    Era,
    NodeKey,
    OpenBallot,
    Place,
    Rules,
    Sets,
    StakeView,
    Status,
    VoterRow,
    Waiting,
    compute_ripening,
)
from runtime.pallets.staking import STAKING

RULES = Rules(bond_min=100, unbonding_blocks=40, checkpoint_blocks=5, unattended_depth=2, leak_after_checkpoints=4)
ZERO = Place(height=0, hash="0x00")


def make_voter(name: str, stake: int) -> VoterRow:
    """Return a voter whose key is its name."""
    return VoterRow(account=name, key=f"0x{name}", stake=stake)


def make_view(*, number: int = 23, dynasty: int = 3, oldest: int = 1) -> StakeView:
    """Return a chain with one validator at a height."""
    one = (make_voter("aa", 100),)
    return StakeView(
        number=number,
        hash=bytes(32),
        sets=Sets(previous=one, current=one, next=one),
        candidates=one,
        dynasty=Era(number=dynasty, started_at=20, oldest=oldest),
        status=Status(justified=ZERO, finalized=ZERO, final_height=0, is_attended=True),
        ballot=OpenBallot(source=ZERO, target=Place(height=20, hash="0x01"), voters=("0xaa",)),
        rules=RULES,
    )


def test_every_refusal_of_the_chain_has_an_advice() -> None:
    """A new error of the pallet without a word on what to do is a failure of this test."""
    assert set(ADVICE) == {error.__name__ for error in STAKING.errors}
    sentence = "the call would fail: Staking.KeyTaken: The vote key was slashed. Nothing was sent"
    assert add_advice(sentence) == f"{sentence}. {ADVICE['KeyTaken']}"
    assert add_advice("the node is gone") == "the node is gone"


@pytest.mark.parametrize(
    ("dynasty", "start", "height", "is_certain"),
    [
        pytest.param(0, 0, 0, True, id="its beginning is forgotten: long ripe"),
        pytest.param(2, 15, 55, True, id="the dynasty has begun"),
        pytest.param(3, 20, 60, True, id="the present dynasty"),
        pytest.param(4, 0, 65, False, id="the next one begins at the next checkpoint at best"),
        pytest.param(6, 0, 75, False, id="three dynasties away"),
    ],
)
def test_stk_06_stake_is_ripe_when_its_dynasty_began_long_enough_ago(
    dynasty: int, start: int, height: int, is_certain: bool
) -> None:
    """Known once the dynasty has begun, until then the earliest height."""
    part = compute_ripening(make_view(), Waiting(amount=7, dynasty=dynasty), start)
    assert (part.amount, part.height, part.is_certain) == (7, height, is_certain)


def test_stake_is_ripe_for_the_next_block_and_not_before() -> None:
    """The withdrawal is in the block after the best one."""
    part = compute_ripening(make_view(), Waiting(amount=7, dynasty=3), 20)
    assert not is_ripe(make_view(number=58), part)
    assert is_ripe(make_view(number=59), part)
    assert describe_ripening(make_view(number=59), part, 3000) == "ripe now"
    assert describe_ripening(make_view(number=20), part, 3000) == "ripe from block 60, in about 2 minutes"
    away = compute_ripening(make_view(), Waiting(amount=7, dynasty=4), 0)
    assert describe_ripening(make_view(), away, 1000) == "ripe not before block 65, in about 42 s"


def test_who_stands_now_votes_two_dynasties_later() -> None:
    """FIN-15: taken at the next dynasty, current in the one after."""
    text = describe_joining(make_view(), 1000)
    assert text == "stands; votes count from dynasty 5, not before block 30 (in about 7 s)"


def test_who_stands_on_an_unattended_chain_waits_until_depth_has_spoken_twice() -> None:
    """FIN-21: the present dynasty began at 20, the next one begins at 35, and that after it at 50."""
    view = make_view()
    status, rules = replace(view.status, is_attended=False), replace(view.rules, unattended_depth=12)
    text = describe_joining(replace(view, status=status, rules=rules), 1000)
    assert text == "stands; votes count from dynasty 5, not before block 50 (in about 27 s)"


def test_a_mark_tells_voted_missed_open_and_no_member() -> None:
    """A vote that may still come is not missed."""
    row = Round(height=5, members=frozenset("ab"), voted=frozenset("a"), is_open=False)
    assert [row.get_mark(name) for name in "abc"] == ["+", "-", "."]
    still = Round(height=5, members=frozenset("ab"), voted=frozenset("a"), is_open=True)
    assert [still.get_mark(name) for name in "abc"] == ["+", "?", "."]


def test_everybody_is_listed_once_with_the_stake_that_votes() -> None:
    """In several sets with different stake: the current one's."""
    sets = Sets(
        previous=(make_voter("aa", 3), make_voter("dd", 9)),
        current=(make_voter("aa", 2),),
        next=(make_voter("aa", 1), make_voter("cc", 4)),
    )
    view = replace(make_view(), sets=sets, candidates=(make_voter("bb", 5),))
    assert [(row.account, row.stake) for row in list_everybody(view)] == [("aa", 2), ("bb", 5), ("cc", 4), ("dd", 9)]


def test_a_key_that_was_changed_is_told_while_it_still_counts() -> None:
    """The sets have it for two dynasties more, and an absent key can leak."""
    view = make_view()
    report = AccountReport(
        address="aa",
        public=bytes(32),
        bonded=None,
        parts=(),
        keys={},
        recent=Recent(first=1, last=23, rounds=(), rewards={}, leaked={}, slashed={}),
        block_ms=1000,
        node_keys=None,
    )
    assert "also key" not in account_to_text(str, view, report)
    assert "this node" not in account_to_text(str, view, report), "a node that does not tell"
    broken = replace(report, node_keys=(NodeKey(key="0xaa", last_target=None, trouble="the disk is full"),))
    assert "this node    DOES NOT VOTE with this key: the disk is full" in account_to_text(str, view, broken)
    new = VoterRow(account="aa", key="0xbb", stake=100)
    view = replace(view, candidates=(new,), sets=replace(view.sets, next=(new,)))
    text = account_to_text(str, view, report)
    assert "vote key     0xbb" in text
    assert "also key     0xaa still counts (previous, current set): keep it in the keystore" in text


def test_two_thirds_are_rounded_up() -> None:
    """FIN-08: 3 * stake >= 2 * total."""
    assert [compute_two_thirds(total) for total in (1, 2, 3, 4, 100)] == [1, 2, 2, 3, 67]
    assert all(
        3 * compute_two_thirds(total) >= 2 * total > 3 * (compute_two_thirds(total) - 1) for total in range(1, 99)
    )


def test_a_leak_is_told_when_nothing_was_final_for_too_long() -> None:
    """More checkpoints than are forgiven (FIN-22)."""
    assert "leak" not in finality_to_text(make_view(number=24), 7_000)
    text = finality_to_text(make_view(number=25), 7_000)
    assert "nothing became final for 5 checkpoints" in text
    assert "25 blocks and 7 s behind" in text
    assert "100.0 % of the current set's stake" in text


@pytest.mark.parametrize(("ms", "text"), [(999, "1 s"), (119_000, "119 s"), (120_000, "2 minutes"), (9e8, "10 days")])
def test_a_time_has_its_largest_sensible_unit(ms: int, text: str) -> None:
    """From seconds to days."""
    assert format_ms(ms) == text


def test_a_vote_key_is_hex_or_an_address() -> None:
    """Both forms of one key; anything else says how to write one."""
    key = bytes.fromhex("88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee")
    assert read_vote_key("0x" + key.hex()) == key
    assert read_vote_key("5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpu") == key
    for bad in ("", "0x", "88dc", "5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpv"):
        with pytest.raises(ValueError, match="is no vote key; write 0x and the 64 hex digits"):
            read_vote_key(bad)
