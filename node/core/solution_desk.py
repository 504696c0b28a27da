"""The solution desk: where a bounty is worth more than a block, the node's author commits first, as everybody does.

A solution that is shown in the author's inherent can be improved by one flip, or copied in a reorganisation. So if the
bounty exceeds the block subsidy and the author's account can pay the deposit, its solutions are not shown: the best one
is committed to, at once if it reaches the target, else shortly before the deadline, and revealed when the commit is
final.

Terms:
    note: what is kept of a commit across restarts (`node.core.solution_notes`). hidden: not to be shown in an inherent.

Invariants: a note is on the medium before its commit is signed; a solution is hidden only while the desk can commit.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain.extrinsic import decode_extrinsic
from consensus.commitment import Committer, compute_commitment
from node.core.batch_calls import make_site, sign_call
from node.core.batch_desk import DeskWork
from node.core.batch_notes import BatchSigner
from node.core.effects import Log
from node.core.importer import Importer
from node.core.mempool import Mempool
from node.core.notes import ForgetfulNotes, Notes
from node.core.pool_gate import get_nonce
from node.core.problem_choice import SolutionBook
from node.core.solution_decision import OPEN, Side, View, decide
from node.core.solution_notes import SolutionNote, make_salt
from runtime.executive import AuthorSolution
from runtime.issuance import compute_miner_reward
from runtime.pallets.solutions import commit, reveal
from runtime.pallets.system import ACCOUNT
from runtime.problem_records import Problem, ProblemStatus, Solution
from runtime.problem_state import RECORDS
from runtime.runtime import encode_call
from runtime.settlement import compute_prize, compute_rank
from runtime.solution_checks import compute_commit_deposit
from runtime.solution_state import COMMITS, Commit
from runtime.storage import Overlay
from runtime.validity import InvalidTransaction

LATE_BLOCKS = 10
PATIENCE_SHARE = 4
FEE_SHARE = 100  # a hundredth of the deposit is left for fees


class SolutionDesk:
    """Commits and reveals of this node's author."""

    def __init__(
        self,
        importer: Importer,
        pool: Mempool,
        solutions: SolutionBook,
        *,
        signer: BatchSigner | None = None,
        notes: Notes[SolutionNote] | None = None,
    ) -> None:
        """Begin with the notes of the last run.

        Args:
            solutions: What the node has found; it is told what not to show.
            signer: The author's key; without one everything is shown, as it always can be.
        """
        self._importer = importer
        self._pool = pool
        self._solutions = solutions
        self._signer = signer
        self._book: Notes[SolutionNote] = notes if notes is not None else ForgetfulNotes()
        self._notes = {note.commitment: note for note in self._book.load_all()} if signer is not None else {}
        self._seen = {note.commitment: note.made_at for note in self._notes.values()}
        self._sent = b""
        if signer is not None:
            solutions.is_hidden = self.is_hidden

    def is_hidden(self, problem: int, record: Problem) -> bool:
        """Say whether the author's solutions of a problem are committed to, and not shown in an inherent."""
        state = Overlay(self._importer.chain.state)
        if any(note.problem == problem and self._find_entry(state, note) for note in self._notes.values()):
            return True
        return self._is_dear(record) and self._can_pay(problem)

    def on_head(self, *, is_catching_up: bool) -> DeskWork:
        """Do the next thing: reveal, or commit; one extrinsic at a time."""
        signer = self._signer
        if signer is None or is_catching_up or self._pool.get(self._sent) is not None:
            return DeskWork()
        for note in list(self._notes.values()):
            call = self._attend(note)
            if call is not None:
                return self._send(signer, call, f"problem {note.problem}: energy {note.energy} is revealed")
        for number, record in RECORDS.iterate(Overlay(self._importer.chain.state)):
            solution = self._solutions.get(number)
            if solution is not None and self._is_due(record, solution):
                call = self._commit(signer, solution)
                if call is not None:
                    return self._send(signer, call, f"problem {number}: energy {solution.energy} is committed to")
        return DeskWork()

    # ---- committing

    def _is_dear(self, record: Problem) -> bool:
        params, height = self._importer.params, self._importer.head.number + 1
        return record.bounty > compute_miner_reward(params.money, height)

    def _can_pay(self, problem: int) -> bool:
        signer, params, state = self._signer, self._importer.params, Overlay(self._importer.chain.state)
        if signer is None:
            return False
        waiting = len(COMMITS.get(state, problem))
        if waiting >= params.solution.commits_max:
            return False
        deposit = compute_commit_deposit(params, waiting)
        free = ACCOUNT.get(state, signer.account).data.free - params.money.existential_deposit_planck
        return free >= deposit + deposit // FEE_SHARE

    def _is_due(self, record: Problem, solution: AuthorSolution) -> bool:
        """Say whether to commit now: the target is reached, or the deadline near and a share to be earned."""
        head, number = self._importer.head.number, solution.problem_id
        if record.status is not ProblemStatus.Open or head + 1 > record.deadline:
            return False
        if not self._is_dear(record) or not self._can_pay(number):
            return False
        is_reached = solution.energy <= record.target_energy
        if any(
            note.problem == number and (note.energy <= record.target_energy or not is_reached)
            for note in self._notes.values()
        ):
            return False
        candidate = Solution(solver=b"", energy=solution.energy, height=0, bits=b"", place=2**63)
        if record.best is not None and compute_rank(record.best, record) <= compute_rank(candidate, record):
            return False
        prize = compute_prize(replace(record, best=candidate))
        return prize > 0 and (is_reached or record.deadline - head <= LATE_BLOCKS)

    def _commit(self, signer: BatchSigner, solution: AuthorSolution) -> bytes | None:
        """Return the call, once its note is on the medium."""
        genesis, number = self._importer.chain.genesis_hash, solution.problem_id
        salt = make_salt(signer, genesis, number, solution.bits)
        committer = Committer(genesis_hash=genesis, problem_id=number, account=signer.account)
        note = SolutionNote(
            commitment=compute_commitment(committer, salt, solution.bits),
            problem=number,
            salt=salt,
            energy=solution.energy,
            bits=solution.bits,
            made_at=self._importer.head.number,
        )
        if not self._book.save(note):
            return None
        self._notes[note.commitment] = note
        self._seen[note.commitment] = note.made_at
        return encode_call(commit, number, note.commitment)

    # ---- revealing

    def _attend(self, note: SolutionNote) -> bytes | None:
        """Return the call that is due for a note; forget a note of which nothing more can come."""
        state = Overlay(self._importer.chain.state)
        record = RECORDS.find(state, note.problem)
        entry = self._find_entry(state, note)
        if entry is not None:
            self._seen[note.commitment] = self._importer.head.number
        if record is None or (entry is None and self._is_over(note, record)):
            self._forget(note)
            return None
        act = decide(self._make_view(note, record, entry)).act
        if act == "commit":
            return encode_call(commit, note.problem, note.commitment)
        if act == "reveal":
            return encode_call(reveal, note.problem, note.salt, note.energy, note.bits)
        return None

    def _find_entry(self, state: Overlay, note: SolutionNote) -> Commit | None:
        account = b"" if self._signer is None else self._signer.account
        waiting = COMMITS.get(state, note.problem)
        return next((row for row in waiting if (row.account, row.commitment) == (account, note.commitment)), None)

    def _is_over(self, note: SolutionNote, record: Problem) -> bool:
        """Say whether the commit is gone for good: the block in which it went is final."""
        return record.status is not ProblemStatus.Open and self._importer.final.number > self._seen[note.commitment]

    def _make_view(self, note: SolutionNote, record: Problem, entry: Commit | None) -> View:
        head, final = self._importer.head.number, self._importer.final.number
        blocks = self._importer.params.solution.reveal_blocks
        status = record.status.name.lower()
        is_end_final = record.reveals_until > 0 and record.reveals_until - blocks <= final
        return View(
            best=Side(height=head, status=status, is_waiting=entry is not None),
            final=Side(
                height=final,
                status=status if is_end_final else OPEN,
                is_waiting=entry is not None and entry.height <= final,
            ),
            deadline=record.deadline,
            reveals_until=record.reveals_until or None,
            reaches_target=note.energy <= record.target_energy,
            has_pending=False,
            patience_blocks=blocks // PATIENCE_SHARE,
        )

    def _forget(self, note: SolutionNote) -> None:
        del self._notes[note.commitment]
        self._seen.pop(note.commitment, None)
        self._book.remove(note.commitment)

    # ---- sending

    def _send(self, signer: BatchSigner, call: bytes, message: str) -> DeskWork:
        """Return the signed extrinsic, if it would succeed now."""
        importer = self._importer
        site = make_site(importer)
        own = get_nonce(site.view, signer.account)
        nonce = self._pool.get_next_nonce(signer.account, own)
        raw = sign_call(site, call, signer, nonce)
        if nonce == own:
            try:
                outcome = importer.runtime.dry_run(site.view, raw, head=site.head)
            except InvalidTransaction:
                return DeskWork()
            if not outcome.is_success:
                return DeskWork()
        self._sent = decode_extrinsic(raw).hash
        return DeskWork(effects=(Log(level="info", target="solution", message=message),), extrinsics=(raw,))
