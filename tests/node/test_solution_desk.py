"""The solution desk: a miner commits first where a bounty is worth more than a block; no restart costs a deposit."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from chain.params import UNIT_PLANCK, Params, SolutionParams
from chain.store import MemoryStore
from node.core.events import BestShotFound
from node.core.solution_desk import SolutionDesk
from node.core.solution_notes import SolutionNote, make_salt
from node.note_folder import open_solution_notes
from node.vote_keys import AccountKey
from runtime.pallets.problems import post
from runtime.pallets.system import ACCOUNT
from runtime.problem_records import Ising, Problem, Terms
from runtime.problem_state import RECORDS
from runtime.runtime import encode_call
from runtime.solution_state import COMMITS
from runtime.storage import Overlay
from tests.node.world import ALICE, BOB, World

DEPOSIT = UNIT_PLANCK
LIMITS = SolutionParams(reveal_blocks=8, commits_max=4, deposit_planck=DEPOSIT, deposit_step=4)
PARAMS = replace(Params.tiny(), solution=LIMITS)
CHAIN = Ising(offset=0, fields=(0, 0, 0), couplings=((0, 1, 5000), (1, 2, 5001)))  # too heavy to be struck
BEST, GOOD = (-10001, b"\x02"), (-1, b"\x03")
DEAR, CHEAP = 20 * UNIT_PLANCK, 3 * UNIT_PLANCK


class Solver:
    """A mining node with a solution desk; it can be killed and started again with the same disk."""

    def __init__(
        self, folder: Path, *, bounty: int = DEAR, target: int = -10001, params: Params = PARAMS, **terms: int
    ) -> None:
        self.folder = folder
        self.params = params
        self.store = MemoryStore()
        self.now_ms = 0
        self.start()
        values = {"bounty": bounty, "target_energy": target, "deadline": 30, "work_budget": 0, "price_per_gas": 0}
        call = encode_call(post, CHAIN, 1, (), Terms(**(values | terms)))
        self.world.submit(self.world.sign(BOB, call, 0))
        self.mine()

    def start(self) -> None:
        """Start on the disk; what was in memory is gone."""
        self.world = World(params=self.params, store=self.store)
        self.world.now_ms = max(self.world.now_ms, self.now_ms)
        machine = self.world.machine
        notes = open_solution_notes(self.folder, self.world.genesis.hash)
        book = machine.desk.author.solutions
        signer = AccountKey(ALICE.seed)
        machine.solutions = SolutionDesk(self.world.importer, machine.pool, book, signer=signer, notes=notes)

    def find(self, solution: tuple[int, bytes]) -> None:
        """Let a worker find bits."""
        self.world.handle(BestShotFound(problem_id=0, energy=solution[0], bits=solution[1]))

    def mine(self, count: int = 1) -> None:
        """Mine blocks."""
        for _ in range(count):
            self.world.mine()
        self.now_ms = self.world.now_ms

    @property
    def state(self) -> Overlay:
        """The best state."""
        return Overlay(self.world.importer.chain.state)

    @property
    def record(self) -> Problem:
        """The problem."""
        return RECORDS.get(self.state, 0)

    @property
    def reserved(self) -> int:
        """What the author has on hold."""
        return ACCOUNT.get(self.state, ALICE.public).data.reserved


def test_a_dear_bounty_is_committed_to_and_then_revealed(tmp_path: Path) -> None:
    solver = Solver(tmp_path)
    solver.find(BEST)
    solver.mine(2)
    assert solver.record.best is None, "nothing was shown in the inherent"
    [entry] = COMMITS.get(solver.state, 0)
    assert entry.account == ALICE.public
    assert solver.reserved == DEPOSIT
    assert len(list(tmp_path.glob("*.note"))) == 1
    solver.mine(6)
    assert solver.record.status.name == "Paid"
    assert solver.record.best is not None
    assert (solver.record.best.solver, solver.record.best.place) == (ALICE.public, entry.place)
    assert solver.reserved == 0
    solver.mine(4)
    assert list(tmp_path.glob("*.note")) == [], "the note goes when the reveal is final"


def test_a_cheap_bounty_is_shown_at_once(tmp_path: Path) -> None:
    solver = Solver(tmp_path, bounty=CHEAP)
    solver.find(BEST)
    solver.mine(4)
    assert solver.record.status.name == "Paid"
    assert solver.record.commits == 0


def test_without_the_deposit_a_dear_solution_is_shown(tmp_path: Path) -> None:
    solver = Solver(tmp_path, params=replace(PARAMS, solution=replace(LIMITS, deposit_planck=2**60)))
    solver.find(BEST)
    solver.mine(2)
    assert solver.record.best is not None
    assert solver.record.commits == 0


def test_above_the_target_it_commits_shortly_before_the_deadline(tmp_path: Path) -> None:
    """The share is earned; nothing is shown while anybody could commit."""
    solver = Solver(tmp_path, target=-10001, best_effort_ppb=500_000_000)
    solver.find(GOOD)
    solver.mine(30 - 10 - solver.world.head.number - 1)
    assert solver.record.commits == 0
    solver.mine(3)
    assert solver.record.commits == 1
    assert solver.record.best is None
    solver.mine(30 - solver.world.head.number)
    assert solver.record.best is None
    assert solver.record.status.name == "Open"
    solver.mine(8)
    assert solver.record.status.name == "Paid"
    assert solver.record.best is not None
    assert solver.record.best.energy == -1
    assert solver.reserved == 0


def test_a_restart_between_commit_and_reveal_loses_nothing(tmp_path: Path) -> None:
    solver = Solver(tmp_path)
    solver.find(BEST)
    solver.mine(2)
    assert solver.reserved == DEPOSIT
    solver.start()
    solver.mine(6)
    assert solver.record.status.name == "Paid"
    assert solver.reserved == 0


def test_a_full_list_of_commits_does_not_silence_the_miner(tmp_path: Path) -> None:
    solver = Solver(tmp_path)
    desk = solver.world.machine.solutions
    assert desk.is_hidden(0, solver.record)
    solver.world.importer.params = replace(PARAMS, solution=replace(LIMITS, commits_max=0))
    assert not desk.is_hidden(0, solver.record)


def test_a_damaged_note_is_never_taken_for_one(tmp_path: Path) -> None:
    notes = open_solution_notes(tmp_path, b"\x01" * 32)
    note = SolutionNote(commitment=b"\x02" * 32, problem=1, salt=b"\x03" * 32, energy=-5, bits=b"\x01", made_at=9)
    assert notes.save(note)
    assert notes.load_all() == [note]
    path = notes.get_path(note.commitment)
    raw = path.read_bytes()
    for damaged in (raw[:-1], raw[:40] + b"\xff" + raw[41:], b""):
        path.write_bytes(damaged)
        assert notes.load_all() == []
    path.write_bytes(raw)
    path.rename(path.with_name(path.name.replace("02", "05")))
    assert notes.load_all() == []
    (tmp_path / "file").write_text("")
    assert not open_solution_notes(tmp_path / "file", b"\x01" * 32).save(note)


def test_the_salt_is_the_same_whenever_it_is_asked_for() -> None:
    """So a lost note loses nothing that the bits do not bring back."""
    signer = AccountKey(ALICE.seed)
    salts = [make_salt(signer, b"\x01" * 32, number, b"\x02") for number in (1, 1, 2)]
    assert salts[0] == salts[1] != salts[2]
    assert make_salt(AccountKey(BOB.seed), b"\x01" * 32, 1, b"\x02") != salts[0]
