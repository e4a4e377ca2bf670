"""Inflate the variance over several splits of one text, because their training parts overlap.

Test parts are disjoint, but training parts are not: of five splits at 80/10/10 any two share most of their training
text. So losses of two splits correlate, and the variance between splits is too small. Nadeau and Bengio ("Inference for
the Generalization Error", Machine Learning 52, 2003, section 3) assume a correlation of test / (test + train), and
multiply S² / R by 1 + R * test / train. The correlation cannot be estimated from the losses themselves (Bengio and
Grandvalet 2004), so this remains an assumption.
"""

from collections.abc import Mapping, Sequence


def overlap_inflation(targets: Sequence[Mapping[str, int]]) -> float:
    """Factor of the variance over R splits, from the number of targets of their parts: 1.625 for 5 at 80/10/10."""
    scored, trained = (sum(split[name] for split in targets) for name in ("test", "train"))
    return 1 + len(targets) * scored / trained
