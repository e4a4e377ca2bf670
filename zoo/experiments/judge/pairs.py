"""Judge every pair of models: interval, p, verdict, and the number of seeds that would decide it."""

from collections.abc import Sequence

from zoo.experiments.judge.estimates import SPLIT_SEEDS, Pair, Verdict
from zoo.experiments.judge.family import FEWEST_SEEDS, Family, planned_seeds
from zoo.experiments.judge.seeds import fewest_to_reject, sign_flips
from zoo.experiments.judge.tukey import LEVEL, Array
from zoo.experiments.judge.uncertainty import Uncertainty


def judge_pairs(
    names: list[tuple[str, str]], by_seed: Array, paired: Uncertainty, family: Family, withheld: Sequence[str]
) -> tuple[Pair, ...]:
    """Judge all P pairs, from their differences under every seed (P, n)."""
    seeds = by_seed.shape[1]
    differences = by_seed.mean(1)
    flipped = sign_flips(by_seed)
    needed = planned_seeds(differences, seeds, family)
    pairs = []
    chances = _pair_chances(family, flipped, seeds, withheld)
    for i, ((a, b), difference, p, why) in enumerate(zip(names, differences.tolist(), chances, withheld, strict=True)):
        low, high = find_interval(paired, i, difference, why)
        seeds_se, documents_se = paired.standard_errors(i)
        undecided = p is not None and p >= LEVEL
        found: Verdict = "better" if difference < 0 else "worse"
        pairs.append(
            Pair(
                a=a,
                b=b,
                difference=difference,
                low=low,
                high=high,
                p=p,
                p_permutation=None if flipped is None else float(flipped[i]),
                seeds_se=seeds_se,
                documents_se=documents_se,
                effective=float(paired.effective[i]),
                withheld=why,
                verdict="none" if p is None else "undecided" if undecided else found,
                seeds_needed=max(int(needed[i]), seeds + 1) if undecided and needed[i] and not why else None,
            )
        )
    return tuple(pairs)


def _pair_chances(family: Family, flipped: Array | None, seeds: int, withheld: Sequence[str]) -> list[float | None]:
    """The p of every pair; None where no verdict is possible.

    Where the seeds are split in two, the sign flips, corrected for all pairs, must agree: they assume no distribution
    over the seeds, but ignore documents.
    """
    if family.planned is None:
        return [None] * len(withheld)
    p: list[float | None] = list(family.p.tolist())
    for i, why in enumerate(withheld):
        if why == SPLIT_SEEDS and flipped is not None and seeds >= fewest_to_reject(len(withheld)):
            p[i] = max(float(family.p[i]), min(1.0, len(withheld) * float(flipped[i])))
        elif why:
            p[i] = None
    return p


def find_interval(
    uncertainty: Uncertainty, index: int, mean: float, withheld: str
) -> tuple[float | None, float | None]:
    """The 95% interval of the mean with this index; (None, None) where it is withheld or there are too few seeds."""
    if withheld or uncertainty.seeds_freedom + 1 < FEWEST_SEEDS:
        return None, None
    return uncertainty.interval(index, mean)
