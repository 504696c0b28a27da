"""Which problem to mine on, and which solutions are worth telling.

Terms:
    reward for gas: bounty per gas of one pool strike. Tickets pay the same on every problem, so the bounty decides.
    solution book: the best bits seen for each problem since the start, from tickets or from outside.
    baseline: the lowest energy that this node's annealing has found for a problem; everybody can have it for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from runtime.executive import AuthorSolution
from runtime.problem_records import Problem, ProblemStatus

SOLUTIONS_KEPT_MAX = 256
BASELINES_KEPT_MAX = 2048


def choose_problem(problems: Iterable[tuple[int, Problem]], *, height: int) -> int | None:
    """Return the id of the open, strikeable problem with the best reward for gas; the oldest of equals.

    Args:
        height: Of the block to come; a problem must still take its solutions.
    """
    best: tuple[Fraction, int] | None = None
    for problem_id, problem in problems:
        if problem.status is not ProblemStatus.Open or problem.strike_gas == 0 or problem.deadline < height:
            continue
        rank = (Fraction(problem.bounty, problem.strike_gas), -problem_id)
        if best is None or rank > best:
            best = rank
    return None if best is None else -best[1]


class SolutionBook:
    """The best solution seen for each problem.

    Attributes:
        is_hidden: Says whether solutions of a problem are committed to, and not shown in a block's inherent.
    """

    def __init__(self) -> None:
        self._solutions: dict[int, AuthorSolution] = {}
        self._baselines: dict[int, int] = {}
        self.is_hidden: Callable[[int, Problem], bool] = _is_never_hidden

    def get(self, problem_id: int) -> AuthorSolution | None:
        """Return the best solution seen for a problem."""
        return self._solutions.get(problem_id)

    def note(self, solution: AuthorSolution) -> bool:
        """Keep a solution if it is the best seen for its problem; return whether it is."""
        known = self._solutions.pop(solution.problem_id, None)
        is_better = known is None or solution.energy < known.energy
        self._solutions[solution.problem_id] = solution if known is None or is_better else known
        while len(self._solutions) > SOLUTIONS_KEPT_MAX:
            del self._solutions[next(iter(self._solutions))]
        return is_better

    def get_baseline(self, problem_id: int) -> int | None:
        """Return the lowest energy that annealing has found for a problem."""
        return self._baselines.get(problem_id)

    def note_baseline(self, problem_id: int, energy: int) -> None:
        """Keep what annealing has found; the newest word counts, for a number may name another problem by now."""
        self._baselines.pop(problem_id, None)
        self._baselines[problem_id] = energy
        while len(self._baselines) > BASELINES_KEPT_MAX:
            del self._baselines[next(iter(self._baselines))]

    def forget(self, problem_id: int) -> None:
        """Drop what is kept for a problem."""
        self._solutions.pop(problem_id, None)

    def choose(self, problems: Iterable[tuple[int, Problem]], *, height: int) -> AuthorSolution | None:
        """Return the solution to include: of those better than the chain's, the one for the largest bounty."""
        best: tuple[int, AuthorSolution] | None = None
        for problem_id, problem in problems:
            solution = self._solutions.get(problem_id)
            if solution is None or problem.status is not ProblemStatus.Open or problem.deadline < height:
                continue
            is_news = problem.best is None or solution.energy < problem.best.energy
            if is_news and (best is None or problem.bounty > best[0]) and not self.is_hidden(problem_id, problem):
                best = (problem.bounty, solution)
        return None if best is None else best[1]


def _is_never_hidden(problem_id: int, problem: Problem) -> bool:
    return False
