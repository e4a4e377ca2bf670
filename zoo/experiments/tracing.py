"""Trace a model by name, or the model of a run, on one real batch; hold a trace against one that was recorded."""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from zoo.blame import blame
from zoo.calls import parse_call
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.errors import RunError, StrangerError, UsageError
from zoo.experiments.records.run import is_run, read_run
from zoo.experiments.runs.batch_of_text import ROWS, draw_rows, targets_of
from zoo.experiments.runs.evaluate import reload_corpus
from zoo.experiments.runs.load import load_model
from zoo.experiments.runs.model import find_model
from zoo.experiments.runs.trust import Trust
from zoo.experiments.study.parse import build_study
from zoo.experiments.study.settings import nest_corpus
from zoo.models.interface import SequenceModel
from zoo.probes.embedding import find_plane
from zoo.probes.nonfinite import find_nonfinite
from zoo.probes.signals import measure_signals
from zoo.probes.trace import trace_model
from zoo.probes.values import Form, Layer, Trace, Traced, has_inner
from zoo.regular_file import read_regular
from zoo.surroundings import isolated

MOST_TOKENS = 1 << 20
"""Largest batch, in tokens."""
MOST_BYTES = 1 << 26
"""Largest file with a recorded trace."""


def trace_named(
    name: str,
    settings: Mapping[str, Any],
    *,
    rows: int = ROWS,
    length: int | None = None,
    form: Form | None = None,
    stats: bool = False,
    nan: bool = False,
    embedding: bool = False,
    trust: bool = False,
) -> Traced:
    """Trace a model as typed, with fresh weights, or that of a run's directory.

    Args:
        settings: settings of the corpus, and the context.
        rows: B, number of rows.
        length: T, tokens of a row; None: the context.
        form: what runs; None: rows, or windows where a model cuts rows into windows.
        stats: measure activations and gradients.
        nan: find the first number that is not finite.
        embedding: put the tokens of a run's embedding into a plane.
        trust: import a file that a run's record names even if it has changed.

    Raises:
        RegistryError, ZooError: the model or the text cannot be found, or the model raised an exception.
    """
    if form == "step" and (stats or nan):
        raise UsageError("A step of a stream has no gradients: trace rows, tree or packed with --stats and --nan.")
    model, corpus, context, trained = _find(name, settings, trust)
    if embedding and not trained:
        raise UsageError(f"'{name}' is not trained: the embedding of a run is drawn.")
    width = length or context
    if rows * width > MOST_TOKENS:
        raise UsageError(
            f"{rows:,} rows of {width:,} tokens are more than a trace takes, {MOST_TOKENS:,} tokens in all."
        )
    tokens, targets = draw_rows(corpus, rows, width)
    with isolated(torch.device("cpu")), blame(f"Model '{name}'", "when traced", module=type(model).__module__):
        try:
            trace = trace_model(model, tokens, form, name=name)
            scored = targets_of(targets, trace.form)
            signals = measure_signals(model, tokens, scored, trace, trained=trained) if stats else None
            nonfinite = find_nonfinite(model, tokens, scored, trace.form) or "" if nan else None
        except SystemExit:
            raise StrangerError(f"Model '{name}' called sys.exit when traced.") from None
    plane = find_plane(model, _name_tokens(corpus)) if embedding else None
    return Traced(trace=trace, corpus=corpus.name, trained=trained, signals=signals, nonfinite=nonfinite, plane=plane)


def _name_tokens(corpus: Corpus) -> list[str]:
    """The characters, bytes or byte pairs of all tokens; that of the boundary, 0, is drawn as ∎."""
    if corpus.vocabulary.pairs:
        return ["∎", *(own.decode(errors="replace") for own in corpus.vocabulary.pairs.token_bytes)]
    names = [chr(byte) if 32 < byte < 127 else f"{byte:02x}" for byte in range(256)]
    return ["∎", *(names if corpus.vocabulary.characters is None else corpus.vocabulary.characters)]


def choose_layers(trace: Trace, pattern: str | None) -> list[Layer]:
    """The layers whose name matches a shell pattern; None: all.

    Raises:
        UsageError: no name matches.
    """
    if pattern is None:
        return list(trace.layers)
    found = [layer for layer in trace.layers if fnmatchcase(layer.name, pattern)]
    if not found:
        names = ", ".join(dict.fromkeys(layer.name for layer in trace.layers if layer.name))
        raise UsageError(f"No layer of this trace is called '{pattern}'. Layers: {names}.")
    return found


def find_difference(trace: Trace, path: Path) -> str | None:
    """Describe the first layer that differs from a trace recorded by `trace --json`; None if none does.

    A layer around others is named only if these are alike. Names, named shapes and numbers of parameters are compared,
    so batches may have other sizes.

    Raises:
        RunError: the file cannot be read, or is no trace.
    """
    try:
        document = json.loads(read_regular(path, MOST_BYTES))
        before = Trace.model_validate(document["trace"])
    except (OSError, ValueError, ValidationError, KeyError, TypeError, RecursionError) as error:
        why = str(error).partition("\n")[0]
        raise RunError(f"'{path}' is no trace ({why}). `trace MODEL --json > FILE` records one.") from None
    unlike = [
        (number, old, new)
        for number, (old, new) in enumerate(zip(before.layers, trace.layers, strict=False))
        if _describe(old) != _describe(new)
    ]
    for number, old, new in sorted(unlike, key=lambda found: has_inner(trace.layers, found[0])):
        return f"layer {number + 1}: recorded {_describe(old)}; now {_describe(new)}"
    if len(before.layers) != len(trace.layers):
        longer, which = (before, "recorded") if len(before.layers) > len(trace.layers) else (trace, "now")
        number = min(len(before.layers), len(trace.layers))
        return f"layer {number + 1}: {which} {_describe(longer.layers[number])}, and nothing there otherwise"
    return None


def _describe(layer: Layer) -> str:
    sides = (" and ".join(side.text for side in sides) or "nothing" for sides in (layer.given, layer.made))
    return f"{layer.name or 'the model'} ({layer.kind}, {layer.parameters:,} parameters): {' -> '.join(sides)}"


def _find(name: str, settings: Mapping[str, Any], trust: bool) -> tuple[SequenceModel, Corpus, int, bool]:
    """The model, its corpus and context, and whether it is trained."""
    data = {key: value for key, value in settings.items() if key != "context"}
    if is_run(Path(name)):
        run, trusted = read_run(Path(name)), Trust(everything=trust)
        corpus = reload_corpus(run, nest_corpus(data), trusted)
        return load_model(run, trusted)[0], corpus, run.recorded.run.context, True
    study = build_study(settings, models=[name], seeds=[1])
    corpus = load_corpus(study.data)
    study = study.for_task(corpus.task_length)
    found = find_model(parse_call(name), vocab_size=len(corpus.vocabulary), context=study.context)
    return found.build(1), corpus, study.context, False
