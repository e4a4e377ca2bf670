"""Read sample logs of lm-evaluation-harness (`lm_eval --log_samples --output_path DIR`), as version 0.4.13 writes them.

DIR/<model>/samples_<task>_<time>.jsonl    a document and filter a line; the metrics named in "metrics" are keys of it
DIR/<model>/results_<time>.json            "model_name", and "higher_is_better" by task and metric

With `--output_path DIR/NAME.json` the logs of all models stand in DIR, and results are DIR/NAME_<time>.json.

Metrics of likelihood are logged before they are aggregated (lm_eval/api/task.py): `perplexity` is a log likelihood, and
`word_perplexity`, `byte_perplexity` and `bits_per_byte` are pairs of a log likelihood and a number of words or bytes.
They are read as what they stand for, a loss in nats, of a document or of its words or bytes.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import DataError, shorten
from zoo.readers.columns import higher_is_better
from zoo.readers.interface import Columns, Scores
from zoo.readers.json_object import parse_object
from zoo.regular_file import read_regular

MOST_BYTES = 1 << 30
HASH = 8
"""Characters of a document's hash that name it beside its number."""
LOSSES = {
    "perplexity": "",
    "word_perplexity": " per word",
    "byte_perplexity": " per byte",
    "bits_per_byte": " per byte",
}
"""Metric that is logged as a log likelihood -> what it is per."""


class LMEval:
    """Sample logs: one file, or a folder with those of one or several models."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_find_logs(path))

    @classmethod
    def read(cls, path: Path, columns: Columns) -> Scores:
        """Read the scores. `--score` names a metric, or a metric and filter: exact_match,strict-match.

        Raises:
            DataError: a log is damaged, a metric or filter does not exist, or a model has two logs of a task.
        """
        if wrong := sorted(set(columns.given()) - {"score"}):
            raise DataError(f"'{path}' holds sample logs, whose {wrong[0]} is known: leave out --{wrong[0]}.")
        parts = [_Log(file, columns.score) for file in _find_logs(path)]
        seen: dict[tuple[str, str], Path] = {}
        for part in parts:
            if other := seen.get((part.model, part.task)):
                raise DataError(
                    f"'{other.name}' and '{part.path.name}' are two logs of {part.task} by {part.model}: remove one."
                )
            seen[part.model, part.task] = part.path
        measures: dict[str, tuple[str, bool | None]] = {}
        for part in parts:
            known = measures.setdefault(part.task, (part.measure, part.higher))
            if known != (part.measure, part.higher):
                raise DataError(
                    f"The logs of {part.task} hold different scores ({known[0]}, {part.measure}): choose one with "
                    "--score."
                )
        return Scores(
            models=np.concatenate([np.full(len(part.items), part.model) for part in parts]),
            totals=np.concatenate([part.totals for part in parts]),
            weights=np.concatenate([part.weights for part in parts]),
            measure=parts[0].measure,
            higher=parts[0].higher,
            by_task=measures,
            items=np.concatenate([part.items for part in parts]),
            tasks=np.concatenate([np.full(len(part.items), part.task) for part in parts]),
            notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        )


class _Log:
    """One log: the scores of one model on one task."""

    def __init__(self, path: Path, score: str | None) -> None:
        self.path = path
        self.task, _, when = path.stem.removeprefix("samples_").rpartition("_")
        rows = list(_read_lines(path))
        results = _read_results(path.parent, when)
        self.model = str(results.get("model_name") or path.absolute().parent.name)
        self.notes: list[str] = []
        self.higher: bool | None
        metric, filter_ = self._choose(rows, score)
        rows = [row for row in rows if row["filter"] == filter_]
        self.items = np.array([_name_item(row) for row in rows])
        if metric in LOSSES:
            self.measure, self.higher = f"loss{LOSSES[metric]}", False
            pairs = [value if isinstance(value, list) else [value, 1.0] for value in (row.get(metric) for row in rows)]
            self.totals, self.weights = -self._numbers([p[0] for p in pairs]), self._numbers([p[-1] for p in pairs])
            self.notes.append(f"{metric} is logged as log likelihoods, which are judged as a loss in nats.")
        else:
            declared = results.get("higher_is_better", {})
            known = declared.get(self.task, {}).get(metric) if isinstance(declared, dict) else None
            self.measure, self.higher = metric, higher_is_better(metric) if known is None else bool(known)
            self.totals = self._numbers([row.get(metric) for row in rows])
            self.weights = np.ones(len(rows))

    def _choose(self, rows: list[dict[str, Any]], score: str | None) -> tuple[str, str]:
        """The metric and the filter to judge; what was guessed becomes a note.

        Raises:
            DataError: it does not exist.
        """
        metrics = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
        filters = list(dict.fromkeys(row["filter"] for row in rows))
        metric, _, filter_ = (score or "").partition(",")
        for given, known, what in ((metric, metrics, "metric"), (filter_, filters, "filter")):
            if given and given not in known:
                raise DataError(f"'{self.path}' has no {what} '{given}'. There are: {', '.join(known)}.")
            if not given and len(known) > 1:
                self.notes.append(
                    f"Of the {what}s of {self.task} ({', '.join(known)}) the first is judged: --score METRIC,FILTER "
                    "chooses another."
                )
        return metric or metrics[0], filter_ or filters[0]

    def _numbers(self, values: list[Any]) -> Any:
        numbers = np.array([float(v) if isinstance(v, int | float) else np.nan for v in values])
        if not np.isfinite(numbers).all():
            place = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise DataError(
                f"'{self.path}', document {self.items[place]}: '{shorten(values[place], 40)}' is not a finite number. "
                "Choose another metric with --score."
            )
        return numbers


def _find_logs(path: Path) -> list[Path]:
    files = sorted(path.rglob("samples_*.jsonl")) if path.is_dir() else [path]
    return [file for file in files if file.name.startswith("samples_") and file.suffix == ".jsonl"]


def _name_item(row: dict[str, Any]) -> str:
    """The number of a document, with its hash, so that other documents of the same number are other items."""
    hashed = row.get("doc_hash")
    return f"{row['doc_id']}" + (f"#{hashed[:HASH]}" if isinstance(hashed, str) else "")


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The documents of a log.

    Raises:
        DataError: it cannot be read, is empty, or a line is no sample.
    """
    try:
        lines = read_regular(path, MOST_BYTES).split(b"\n")
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}.") from None
    if not any(line.strip() for line in lines):
        raise DataError(f"'{path}' is empty.")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = parse_object(line)
        if row is None or "doc_id" not in row:
            raise DataError(f"'{path}', line {number} is not a sample of lm-evaluation-harness (no doc_id).")
        filter_ = row.get("filter", "none")
        known = row.get("metrics")
        names = known if isinstance(known, list) and known else [
            name for name, value in row.items() if name not in ("doc_id", "filter") and isinstance(value, int | float)
        ]  # logs of earlier versions do not list them  # fmt: skip
        if not names:
            raise DataError(f"'{path}', line {number} has no metric.")
        yield {**row, "filter": str(filter_), "metrics": [str(name) for name in names]}


def _read_results(folder: Path, when: str) -> dict[str, Any]:
    """The results beside a log; empty where there are none."""
    for path in sorted(folder.glob(f"*_{when}.json")):
        with suppress(OSError):
            if results := parse_object(read_regular(path, MOST_BYTES)):
                return results
    return {}
