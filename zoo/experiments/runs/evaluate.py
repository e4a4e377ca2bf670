"""Evaluate a finished run again, on its own corpus or another."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from zoo.blame import blame
from zoo.config import DataConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.errors import RunError, UsageError, describe_faults
from zoo.experiments.records.run import Run, read_run
from zoo.experiments.runs.budget import row_length
from zoo.experiments.runs.load import load_model
from zoo.experiments.runs.trust import Trust
from zoo.experiments.runs.vocabulary import read_vocabulary
from zoo.surroundings import isolated
from zoo.training.device import resolve_device
from zoo.training.evaluation import evaluate

RESPLIT = "The run's own text, but split differently or changed: the run may have been trained on what is scored."


def evaluate_again(
    directory: str, splits: Sequence[str], *, device: str, data: Mapping[str, Any], trust: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Evaluate a run's weights on `splits`; return a JSON document, and notices, first the corpus in one line.

    Args:
        directory: directory of the run.
        device: as for training.
        data: settings of the corpus that override those of the run.
        trust: whether to import all files that the record names.

    Raises:
        RunError, DataError, UsageError: the run or text is missing, or has characters outside of the run's vocabulary.
        StrangerError: the model raised an exception; the message says what, and where.
    """
    run, trusted = read_run(Path(directory)), Trust(everything=trust)
    corpus = reload_corpus(run, data, trusted)
    same = corpus.digest == run.recorded.data.digest
    where = resolve_device(device)
    training = run.recorded.run.training
    model, notice = load_model(run, trusted)
    model.to(where)
    rows, who = [], f"Model '{run.recorded.run.model.name}'"
    with isolated(where, threads=training.threads):
        for split in splits:
            texts = corpus.rows(split, length=row_length(run.recorded.run), device=where)
            with blame(who, "in evaluation", module=type(model).__module__):
                score = evaluate(model, texts, device=where, dtype=training.dtype)
            rows.append(
                {
                    "split": split,
                    "loss": score.loss,
                    "tokens": int(score.tokens.sum()),
                    "recorded": getattr(run.result, f"{split}_loss") if same else None,
                    "floor": corpus.floor[split],
                    **({} if score.right is None else {"right": score.accuracy, "whole": score.answers}),
                }
            )
    document = {"run": str(run.directory), "corpus": corpus.name, "same_corpus": same, "unit": "nats", "splits": rows}
    refused = f"This run is refused. {run.result.reason}" if run.result.status == "refused" else ""
    resplit = "" if same or corpus.name != run.recorded.data.name else RESPLIT
    return document, [line for line in (corpus.summary(), refused, resplit, notice) if line]


def reload_corpus(run: Run, data: Mapping[str, Any], trust: Trust) -> Corpus:
    """Load the run's corpus, or the one that `data` names, in the run's vocabulary.

    Raises:
        RunError, DataError, UsageError, RegistryError: it cannot be loaded.
    """
    given = {key: value for key, value in data.items() if value is not None}
    own = run.recorded.run.data
    if own.corpus.name == "-" and "corpus" not in given:
        raise RunError(f"'{run.directory}' was trained on standard input: name the text with --data.")
    if "corpus" not in given:
        trust.allow(run.recorded)
        trust.check(own.corpus.name)
    try:
        config = DataConfig(**{**dict(own), **given})
    except ValidationError as error:
        raise UsageError(f"{describe_faults(error)}.") from None
    return load_corpus(config, read_vocabulary(run.directory, run.recorded.data))
