"""Registries of models, corpora, optimizers, readers and trackers, with their built-in names. Imports no torch."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from registry import Entry, Registry
from registry.files import is_file_reference

if TYPE_CHECKING:
    from zoo.data.source import CorpusLoader
    from zoo.models.interface import SequenceModel
    from zoo.readers.interface import Reader
    from zoo.trackers.interface import Tracker
    from zoo.training.optimizers.interface import Optimizer


def _find_model_problem(loaded: object) -> str | None:
    from zoo.config import Recipe
    from zoo.models.interface import ModelOptions, SequenceModel

    if not (isinstance(loaded, type) and issubclass(loaded, SequenceModel)):
        return "is not a subclass of zoo.SequenceModel"
    if not issubclass(loaded.Config, ModelOptions):
        return "has a Config that is not a subclass of zoo.ModelOptions"
    if not isinstance(loaded.recipe, Recipe):
        return f"has a recipe that is not a zoo.Recipe: {loaded.recipe!r}"
    if not (isinstance(loaded.other_recipes, tuple) and all(isinstance(own, Recipe) for own in loaded.other_recipes)):
        return f"has other_recipes that are not a tuple of zoo.Recipe: {loaded.other_recipes!r}"
    return None


def _find_corpus_problem(loaded: object) -> str | None:
    from functools import partial
    from inspect import isroutine

    return (
        None
        if isroutine(loaded) or isinstance(loaded, partial)
        else "is not a function that returns a zoo.Source or a zoo.Task"
    )


def _find_optimizer_problem(loaded: object) -> str | None:
    from zoo.training.optimizers.interface import Optimizer, OptimizerOptions

    if not (isinstance(loaded, type) and issubclass(loaded, Optimizer)):
        return "is not a subclass of zoo.Optimizer"
    return None if issubclass(loaded.Config, OptimizerOptions) else "has a Config that is not a zoo.OptimizerOptions"


def _find_reader_problem(loaded: object) -> str | None:
    methods = all(callable(getattr(loaded, name, None)) for name in ("recognises", "read"))
    return None if methods else "is not a class with the methods recognises and read (zoo.readers.Reader)"


def _find_tracker_problem(loaded: object) -> str | None:
    from zoo.trackers.interface import Tracker, TrackerOptions

    if not (isinstance(loaded, type) and issubclass(loaded, Tracker)):
        return "is not a subclass of zoo.Tracker"
    return None if issubclass(loaded.Config, TrackerOptions) else "has a Config that is not a zoo.TrackerOptions"


def _restore_after_import(entry: Entry) -> AbstractContextManager[None]:
    from zoo.surroundings import restore_and_report

    return restore_and_report(f"'{entry.name}'", "at import")


MODELS: "Registry[type[SequenceModel]]" = Registry(
    "model",
    "zoo.models",
    {
        "unigram": "zoo.models.unigram:Unigram",
        "bigram-counts": "zoo.models.bigram_counts:BigramCounts",
        "kneser-ney": "zoo.models.kneser_ney:KneserNey",
        "bigram": "zoo.models.bigram:Bigram",
        "bow": "zoo.models.bow:BagOfWords",
        "mlp": "zoo.models.mlp:MLP",
        "wavenet": "zoo.models.wavenet:WaveNet",
        "dilated-wavenet": "zoo.models.dilated_wavenet:DilatedWaveNet",
        "rnn": "zoo.models.recurrent:RNN",
        "gru": "zoo.models.recurrent:GRU",
        "lstm": "zoo.models.recurrent:LSTM",
        "transformer": "zoo.models.transformer:Transformer",
        "gla": "zoo.models.gla:GLA",
        "delta-net": "zoo.models.delta_net:DeltaNet",
        "mamba": "zoo.models.mamba:Mamba",
        "rg-lru": "zoo.models.rg_lru:RGLRU",
        "mlstm": "zoo.models.mlstm:MLSTM",
        "min-gru": "zoo.models.min_gru:MinGRU",
        "hybrid": "zoo.models.hybrid:Hybrid",
    },
    _find_model_problem,
    _restore_after_import,
)

CORPORA: "Registry[CorpusLoader]" = Registry(
    "corpus",
    "zoo.corpora",
    {
        "enwik8": "zoo.data.archives:enwik8",
        "invented": "zoo.data.invented:load",
        "names": "zoo.data.download:names",
        "shakespeare": "zoo.data.download:shakespeare",
        "adding": "zoo.data.tasks.adding:load",
        "copy": "zoo.data.tasks.copy:load",
        "dyck": "zoo.data.tasks.dyck:load",
        "group": "zoo.data.tasks.group:load",
        "induction": "zoo.data.tasks.induction:load",
        "markov": "zoo.data.tasks.markov:load",
        "memorize": "zoo.data.tasks.memorize:load",
        "modular": "zoo.data.tasks.modular:load",
        "parity": "zoo.data.tasks.parity:load",
        "recall": "zoo.data.tasks.recall:load",
        "regular": "zoo.data.tasks.regular:load",
        "selective-copy": "zoo.data.tasks.selective_copy:load",
        "text8": "zoo.data.archives:text8",
    },
    _find_corpus_problem,
    _restore_after_import,
)

OPTIMIZERS: "Registry[type[Optimizer]]" = Registry(
    "optimizer",
    "zoo.optimizers",
    {
        "adamw": "zoo.training.optimizers.adamw:AdamW",
        "muon": "zoo.training.optimizers.muon:Muon",
        "sgd": "zoo.training.optimizers.sgd:SGD",
    },
    _find_optimizer_problem,
    _restore_after_import,
)


READERS: "Registry[type[Reader]]" = Registry(
    "reader",
    "zoo.readers",
    {
        "lm-eval": "zoo.readers.lm_eval:LMEval",
        "runs": "zoo.readers.runs:Runs",
        "table": "zoo.readers.table:Table",
    },
    _find_reader_problem,
)


TRACKERS: "Registry[type[Tracker]]" = Registry(
    "tracker",
    "zoo.trackers",
    {
        "mlflow": "zoo.trackers.mlflow:MLflow",
        "tensorboard": "zoo.trackers.tensorboard:TensorBoard",
    },
    _find_tracker_problem,
)


def list_names(pattern: str, *, check_timeout: float | None = None) -> dict[str, list[dict[str, str | None]]]:
    """Kind -> rows of name, origin, target and problem.

    Args:
        pattern: shell pattern that names must match, or a file reference.
        check_timeout: seconds that the import of each entry may take; None imports nothing.
    """
    from registry.check import check

    groups = {}
    for kind, registry, holder in (
        ("models", MODELS, "zoo.catalog:MODELS"),
        ("corpora", CORPORA, "zoo.catalog:CORPORA"),
        ("optimizers", OPTIMIZERS, "zoo.catalog:OPTIMIZERS"),
        ("readers", READERS, "zoo.catalog:READERS"),
        ("trackers", TRACKERS, "zoo.catalog:TRACKERS"),
    ):
        if is_file_reference(pattern):
            entries = [MODELS.find(pattern)] if kind == "models" else []
        else:
            entries = registry.entries(pattern)
        names = [entry.name for entry in entries]
        problems = {name: "claimed twice" for name in names if names.count(name) > 1}
        if check_timeout is not None:
            problems |= {name: wrong for name, wrong in check(holder, names, timeout=check_timeout).items() if wrong}
        groups[kind] = [
            {"name": entry.name, "origin": entry.origin, "target": entry.target, "problem": problems.get(entry.name)}
            for entry in entries
        ]
    return groups


def expand_names(text: str) -> list[str]:
    """Split `mlp,wavenet(hidden=8),*lstm*` into calls, with patterns replaced by the names that match.

    Raises:
        UsageError: a pattern matches nothing, or a parenthesis is unbalanced.
    """
    from zoo.calls import split_at_commas
    from zoo.errors import UsageError

    calls = []
    for part in split_at_commas(text):
        name = part.partition("(")[0]
        if is_file_reference(part) or is_file_reference(name) or not set("*?[") & set(name):
            calls.append(part)
            continue
        matching = MODELS.names(part)
        if not matching:
            raise UsageError(f"No model matches '{part}'. Available: {', '.join(MODELS.names())}.")
        calls += matching
    return calls


def require_models(calls: list[str]) -> list[str]:
    """Check that the models of all calls exist, without importing them; returns the calls.

    Raises:
        RegistryError: a name is unknown or claimed twice. Raised here, before any text is read.
        UsageError: a call is malformed.
    """
    from zoo.calls import parse_call

    for call in calls:
        MODELS.find(parse_call(call).name)
    return calls
