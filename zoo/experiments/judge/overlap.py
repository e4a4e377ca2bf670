"""Inflate the variance over several splits of one text, because their training parts overlap.

Their test parts are disjoint, their training parts are not: of five splits at 80/10/10 any two share most of theirs. So
losses of two splits correlate, and the variance between them is too small by what they share. Nadeau and Bengio
("Inference for the Generalization Error", Machine Learning 52, 2003, section 3) take the correlation to be
test / (test + train), the share of a split that is scored, and multiply S² / R by 1 + R * test / train. Nobody can
estimate that correlation from the losses themselves (Bengio and Grandvalet 2004), so this is an assumption.
"""

from collections.abc import Mapping, Sequence


def overlap_inflation(targets: Sequence[Mapping[str, int]]) -> float:
    """The factor of the variance over R splits, from the targets of their parts: 1.625 for 5 splits at 80/10/10."""
    scored, trained = (sum(split[name] for split in targets) for name in ("test", "train"))
    return 1 + len(targets) * scored / trained
