"""`matchstrike bench match`: match-strike beside classical methods on MaxCut, at equal evaluations and equal time."""

from __future__ import annotations

import click
import msgspec

from matchstrike.commands.session import console, emit, output_option
from matchstrike.contest.instances import make_instance
from matchstrike.contest.intervals import collect_hits, compute_share
from matchstrike.contest.rivals import make_annealing, make_greedy, make_uniform
from matchstrike.contest.strikes import make_fixed, make_random
from matchstrike.contest.trials import Trial, run_trials
from vm.engines.frontier import FrontierEngine


@click.command("match")
@click.option("--seed", default=1, show_default=True, help="Of everything that is random.")
@output_option
def bench_match(seed: int, output: str) -> None:
    """Compare the probability of having found the best cut."""
    engine = FrontierEngine()
    instances = [make_instance("cubic", n, k, seed=seed, purpose="contest") for n in (10, 12) for k in range(2)]
    methods = [
        make_uniform(),
        make_greedy(steepest=False),
        make_annealing(sweeps=5, hot=1, cold=0.1),
        make_random(engine, 2),
        make_fixed(engine, 2),
    ]
    trials: list[Trial] = []
    lines = [f"{'method':<20}{'128':>22}{'512':>22}"]
    with console.status("measuring") as status:
        for method in methods:
            status.update(f"measuring {method.name}")
            own = run_trials(method, instances, runs=5, evaluations_max=512, seed=seed)
            trials += own
            cells = [compute_share(collect_hits(own, budget)) for budget in (128, 512)]
            lines.append(f"{method.name:<20}" + "".join(f"{c.value:>8.2f} ({c.low:.2f}-{c.high:.2f})" for c in cells))
    emit({"seed": seed, "trials": msgspec.to_builtins(trials)}, "\n".join(lines), output)
