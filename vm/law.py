"""Angle laws: the distribution that each strike draws its angles from.

An angle is an integer in units of 2^-32 turn. The circuit is `exp(-i gamma E)` and then `exp(+i beta X)` on every qubit
(minimisation, starting in the ground state of minus the sum of X), so that positive angles lower the energy.

Terms:
    mean, width: centre and standard deviation of an angle of one layer.
    dressing width: half-width of the uniform own angle of each qubit.

Source: fixed angles of Wurtz and Lykov, Phys. Rev. A 104, 052419 (2021), arXiv:2107.00677; the SK angles of Farhi et
al., Quantum 6, 759 (2022), arXiv:1910.08980, table 4.
"""

from __future__ import annotations

from math import isqrt
from typing import ClassVar

import msgspec

from vm.problem import IsingProblem

GAMMA_PERIOD = 2**31  # exp(-i pi J s s') is a constant for integer J
BETA_PERIOD = 2**30  # exp(i pi/2 X) only flips the bit
GAMMA_MARGIN = 2**8
BETA_MARGIN = 2**22
DEPTH_MAX = 8
DRESSING_WIDTH = 136713055  # 0.2 rad
DRESSING_WIDTH_MAX = 2**30
WIDTH_SHIFT = 4  # an angle's width is a sixteenth of its mean
SK_GAMMA = 341782638  # 0.5 rad, divided by sqrt(n)
SK_BETA = 2**28  # pi/8

# (degree, depth) -> gammas for couplings +1, betas; units of 2^-32 turn.
FIXED_ANGLES: dict[tuple[int, int], tuple[tuple[int, ...], tuple[int, ...]]] = {
    (3, 1): ((210378707,), (268416964,)),
    (3, 2): ((166690719, 306916603), (379419974, 199948185)),
    (3, 3): ((144261011, 272883617, 320280681), (416125324, 313944653, 160908274)),
    (3, 4): ((139708385, 266790388, 337588322, 395207938), (409842133, 296953231, 202984719, 108732566)),
    (3, 5): (
        (122901416, 241494248, 281135547, 343407778, 394511011),
        (431912107, 357267060, 266414139, 188262192, 101967466),
    ),
    (3, 6): (
        (113144343, 220460399, 249766862, 285929594, 344914577, 384881556),
        (434446015, 364998524, 316565391, 246258114, 177147531, 95033166),
    ),
    (3, 7): (
        (105983308, 211296459, 235914732, 256754663, 293620424, 348751596, 383502763),
        (443046169, 378643880, 334867278, 304198659, 232811185, 166671621, 89297256),
    ),
    (3, 8): (
        (100691142, 200553115, 223666022, 241957699, 261318189, 295385727, 350554716, 381527595),
        (443743552, 379159952, 342002914, 320382864, 286830107, 218000677, 158124910, 84012854),
    ),
    (4, 1): ((178916414,), (268475424,)),
    (4, 2): ((139488755, 252851466), (365259115, 193473993)),
    (4, 3): ((121163140, 222629349, 257796390), (401899946, 289269458, 152444326)),
    (4, 4): ((107663658, 200814695, 230096289, 263584469), (413548988, 326606271, 246949392, 128181415)),
    (4, 5): (
        (99428011, 186877600, 206207742, 234870658, 268118045),
        (425543869, 345246359, 284849867, 222386699, 111281038),
    ),
    (5, 1): ((158465816,), (268442036,)),
    (5, 2): ((122583835, 220405722), (358263968, 190573529)),
    (5, 3): ((106515214, 192599247, 221376126), (395325270, 278634572, 149651477)),
    (5, 4): ((94830074, 174216629, 197237603, 226136676), (408262683, 316811423, 235953092, 124938748)),
    (6, 1): ((143736096,), (268436664,)),
    (6, 2): ((110810013, 198156030), (354254919, 189047443)),
    (6, 3): ((96186137, 172269305, 197143247), (391441779, 272686604, 148294011)),
    (7, 1): ((132423589,), (268432668,)),
    (7, 2): ((101936352, 181583252), (351614274, 188040021)),
    (7, 3): ((88493262, 157492298, 179553719), (388887055, 268832038, 147362226)),
    (8, 1): ((123513213,), (268433600,)),
    (8, 2): ((94890792, 168540438), (349770760, 187397464)),
    (8, 3): ((82261438, 145752246, 165994541), (387038542, 266200376, 146915279)),
    (9, 1): ((116133578,), (268432144,)),
    (9, 2): ((89088107, 157993838), (348409206, 187052499)),
    (9, 3): ((77246222, 136405280, 155131910), (385655700, 264235085, 146555436)),
    (10, 1): ((109990369,), (268432909,)),
    (10, 2): ((84345484, 149227128), (347325029, 186544000)),
    (10, 3): ((73068866, 128694128, 146166519), (384564692, 262701250, 146200404)),
    (11, 1): ((104678806,), (268435572,)),
    (11, 2): ((80242521, 141769286), (346474480, 186257845)),
}


class InvalidLaw(Exception):
    """An angle law that no strike may be drawn from."""

    rule: ClassVar[str] = "VM-06"


class AngleLaw(msgspec.Struct, frozen=True, kw_only=True):
    """Means and widths of the angles of a strike, in units of 2^-32 turn.

    Attributes:
        gamma_means: One mean per layer; its number is the depth p.
        gamma_widths: Standard deviations of the gammas.
        beta_means: One mean per layer.
        beta_widths: Standard deviations of the betas.
        field_width: Half-width of the dressing field angle of a qubit.
        mixer_width: Half-width of the dressing mixer angle of a qubit.
    """

    gamma_means: tuple[int, ...]
    gamma_widths: tuple[int, ...]
    beta_means: tuple[int, ...]
    beta_widths: tuple[int, ...]
    field_width: int = DRESSING_WIDTH
    mixer_width: int = DRESSING_WIDTH


def compute_law(problem: IsingProblem, depth: int) -> AngleLaw:
    """Return the published angles for the problem's mean degree, scaled to its coefficients; integers only.

    The gammas of degree D are multiplied by `sqrt(D n / (2 sum J^2 + sum h^2))`, which is 1 for a D-regular graph.

    Raises:
        InvalidLaw: no published angles for this depth, or a problem without coefficients.
    """
    degree = _compute_table_degree(problem, depth)
    gammas, betas = FIXED_ANGLES[degree, depth]
    squares = 2 * sum(j * j for _, _, j in problem.couplings) + sum(h * h for h in problem.fields)
    if squares == 0:
        raise InvalidLaw("a problem without coefficients has no angles")
    scale = isqrt((degree * problem.n << 48) // squares)
    return _make_law(tuple(gamma * scale >> 24 for gamma in gammas), betas)


def compute_core_law(n: int) -> AngleLaw:
    """Return the constant law of the core problem: an SK instance of n spins at depth 1."""
    return _make_law(((SK_GAMMA << 32) // isqrt(n << 64),), (SK_BETA,))


def check_law(law: AngleLaw) -> None:
    """Refuse a law whose angles could be trivial.

    Raises:
        InvalidLaw: unequal lengths, a mean too close to zero or to the period, or a width out of bounds.
    """
    depth = len(law.gamma_means)
    if {len(law.gamma_widths), len(law.beta_means), len(law.beta_widths)} != {depth} or not 1 <= depth <= DEPTH_MAX:
        raise InvalidLaw(f"a law has four lists of one length from 1 to {DEPTH_MAX}")
    # SPEC VM-06: Means, widths and dressing widths of a law MUST lie inside their bounds.
    for means, period, margin in (
        (law.gamma_means, GAMMA_PERIOD, GAMMA_MARGIN),
        (law.beta_means, BETA_PERIOD, BETA_MARGIN),
    ):
        if any(not margin <= mean <= period - margin for mean in means):
            raise InvalidLaw(f"a mean is outside {margin}..{period - margin}")
    for widths, period in ((law.gamma_widths, GAMMA_PERIOD), (law.beta_widths, BETA_PERIOD)):
        if any(not 1 <= width <= period // 8 for width in widths):
            raise InvalidLaw(f"a width is outside 1..{period // 8}")
    if not (0 <= law.field_width <= DRESSING_WIDTH_MAX and 0 <= law.mixer_width <= DRESSING_WIDTH_MAX):
        raise InvalidLaw(f"a dressing width is outside 0..{DRESSING_WIDTH_MAX}")


def _compute_table_degree(problem: IsingProblem, depth: int) -> int:
    degrees = [degree for degree, p in FIXED_ANGLES if p == depth]
    if not degrees:
        raise InvalidLaw(f"there are published angles for depths 1 to {DEPTH_MAX}, not {depth}")
    mean_degree = (2 * len(problem.couplings) + problem.n // 2) // problem.n  # rounded to the nearest
    return min(max(mean_degree, min(degrees)), max(degrees))


def _make_law(gammas: tuple[int, ...], betas: tuple[int, ...]) -> AngleLaw:
    clamped = tuple(min(max(gamma, GAMMA_MARGIN), GAMMA_PERIOD - GAMMA_MARGIN) for gamma in gammas)
    law = AngleLaw(
        gamma_means=clamped,
        gamma_widths=tuple(max(1, gamma >> WIDTH_SHIFT) for gamma in clamped),
        beta_means=betas,
        beta_widths=tuple(beta >> WIDTH_SHIFT for beta in betas),
    )
    check_law(law)
    return law
