"""Find the columns of a table: by their given names, else by names that people use, which is told."""

import re
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import DataError, shorten
from zoo.readers.interface import Columns

KNOWN = {
    "model": ("model", "method", "system", "architecture", "arch", "algorithm", "optimizer", "name"),
    "seed": ("seed", "trial", "repeat", "replicate", "repetition", "random_seed"),
    "item": ("item", "doc_id", "document", "doc", "example", "example_id", "instance", "question", "question_id", "id"),
    "weight": ("weight", "tokens", "n_tokens", "num_tokens", "count"),
    "task": ("task", "dataset", "benchmark", "subset"),
    "cluster": ("cluster", "group", "passage", "topic"),
}
"""What a column holds -> names for it, the first one wins."""
LOWER = {
    *("loss", "nll", "ppl", "perplexity", "bpb", "bpc", "error", "errors", "err", "mse", "rmse", "mae", "wer", "cer"),
    *("ter", "brier", "ece", "regret", "time", "seconds", "steps"),
}
HIGHER = {
    *("acc", "accuracy", "f1", "em", "match", "bleu", "rouge", "chrf", "auc", "auroc", "ap", "map", "ndcg", "mrr"),
    *("precision", "recall", "reward", "return", "r2", "correct", "solved", "passed", "pass", "win", "wins"),
}
"""Words in the name of a score that say whether lower or higher is better."""


def find_columns(header: Sequence[str], columns: Columns, path: Path) -> tuple[dict[str, str], list[str]]:
    """Return what a column holds -> its name in the header, and a sentence for each guess.

    Raises:
        DataError: a given column does not exist, a name occurs twice, or no column, or more than one, may be the score.
    """
    listed = ", ".join(shorten(name, 40) for name in header)
    if twice := next((name for name in header if list(header).count(name) > 1), None):
        raise DataError(f"'{path}': two columns are called '{twice}'. Rename one of them.")
    found = columns.given()
    for what, name in found.items():
        if name not in header:
            raise DataError(f"'{path}' has no column '{name}' for --{what}. Columns: {listed}.")
    notes = []
    for what, names in KNOWN.items():
        left = {_normalise(name): name for name in header if name not in found.values()}
        guess = next((left[name] for name in names if name in left), None)
        if guess is not None and what not in found:
            found[what] = guess
            notes.append(f"'{guess}' is the {what}")
    if "score" not in found:
        left_over = [name for name in header if name not in found.values()]
        scores = [name for name in left_over if higher_is_better(name) is not None or _normalise(name) == "score"]
        if len(scores) != 1:
            which = f"may each be the score ({', '.join(scores)})" if scores else f"is called like a score ({listed})"
            raise DataError(f"'{path}': {'columns' if scores else 'no column'} {which}: give --score COLUMN.")
        found["score"] = scores[0]
        notes.append(f"'{scores[0]}' is the score")
    return found, notes


def higher_is_better(name: str) -> bool | None:
    """Whether a score is better the higher it is, by the words of its name; None if they do not say."""
    words = set(_normalise(name).split("_"))
    return None if bool(words & LOWER) == bool(words & HIGHER) else bool(words & HIGHER)


def _normalise(name: str) -> str:
    """The name in lower case, its words joined by underscores: 'Exact Match' -> 'exact_match'."""
    return re.sub("[^a-z0-9]+", "_", name.strip().lower()).strip("_")
