"""The commands as functions for notebooks and scripts, with the same names, settings and runs.

    run = zoo.train("gru", data="names", steps=2000)
    zoo.sample(run, prompt="ma")
    zoo.compare(["mlp", "wavenet(hidden=96)", Mine], seeds=5)

Flags of the command line, and settings given by `--set`, are keywords here. Progress goes to standard error, in
a notebook to a display. A wrong name or value raises one of the project's own errors, `ZooError` or `RegistryError`.
"""

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar

from pydantic import Field, SkipValidation, ValidationError, validate_call
from rich.console import Console

from registry import Registry
from zoo.catalog import CORPORA, MODELS, OPTIMIZERS, expand_names, require_models
from zoo.commands import (
    Place,
    begin_at_origin,
    describe_ablation,
    describe_training,
    evaluate_run,
    finish_run,
    plan_study,
    run_plan,
    run_sizes,
)
from zoo.config import Positive, Seed
from zoo.conformance.contract import check_model
from zoo.data.source import CorpusLoader
from zoo.errors import UsageError, describe_faults
from zoo.experiments.records.run import read_run
from zoo.experiments.runs.engines.choose import choose_engine
from zoo.experiments.runs.samples import draw_samples
from zoo.experiments.study.config import StudyConfig
from zoo.experiments.study.parse import build_study
from zoo.experiments.study.settings import SETTINGS, check_names, nest_corpus
from zoo.experiments.tracing import trace_named
from zoo.models.interface import SequenceModel
from zoo.naming import name_of
from zoo.output import find_kernel
from zoo.probes.values import Form
from zoo.reports.console import PlainConsole
from zoo.reports.live import LiveConsole, LiveDisplay
from zoo.results import Checked, Compared, ComparedSizes, ExportedModel, TracedModel, TrainedRun
from zoo.settings.signature import show_settings
from zoo.trackers.find import FoundTracker, find_trackers

P = ParamSpec("P")
R = TypeVar("R")

Model = str | type[SequenceModel]
Data = Place | CorpusLoader
SplitName = Literal["train", "validation", "test"]
DATA_SETTINGS = [setting for setting in SETTINGS if setting.section == "data"]
TYPES: dict[str, Any] = {
    "data": Data | None,
    "match": Mapping[str, float] | None,
    "lr_grid": Sequence[float] | None,
    "search": Mapping[str, str] | str | None,
}
"""Types of settings that are written differently here than in a study."""


@show_settings(SETTINGS, before="out", types=TYPES)
def train(
    model: Model | TrainedRun,
    *,
    seed: int | None = None,
    start: TrainedRun | Place | None = None,
    trust: bool = False,
    out: Place = "runs",
    fresh: bool = False,
    storage: str | None = None,
    engine: str = "local",
    address: str | None = None,
    cell_cpus: float | None = None,
    cell_gpus: float | None = None,
    track: str | Sequence[str] | None = None,
    report: bool = True,
    progress: bool = True,
    **settings: Any,
) -> TrainedRun:
    """Train a model once, or load the run if it exists.

    Args:
        model: a model as on the command line, "gru(hidden=96)" or "./mine.py:Mine"; or a class, under its registered
            name or its own. Or a run to train further: with a larger budget it continues as the same run if its
            schedule is constant or wsd; otherwise a new run starts from its weights.
        seed: seed of weights and batches. [1, or the run's]
        start: initial weights: a run, its directory, or a .safetensors file.
        trust: as for `load`, for a run that is trained further.
        out: folder of runs.
        fresh: train a new run even if the same run exists.
        storage: URL of the database of a search, as Optuna takes it. [a file beside the runs]
        engine: "local", this machine; or "ray", a cluster.
        address: of the cluster: "auto", "local" (one for this call), "host:port" or "ray://host:port". [auto]
        cell_cpus: CPUs of a run on Ray. [its threads]
        cell_gpus: GPUs of a run on Ray, or a fraction of one. [1 on CUDA]
        track: one or more trackers that the runs are sent to, as on the command line: "mlflow(uri=http://...)".
        report: draw samples, and write the run's page beside its directory.
        progress: show progress: on standard error, in a notebook as one display.
        settings: the settings below; `data` may be a function that returns a Source. Give one budget: steps,
            train_tokens, seconds or flops.

    Returns:
        The run; if it diverged, failed or was refused, its `result.status` says so.

    Raises:
        RegistryError, ZooError: the run cannot be trained; raised before training starts.
    """
    check_names(settings, _list_keywords(train))
    name = os.fspath(model.directory) if isinstance(model, TrainedRun) else name_of(model, MODELS)
    begin = start.directory if isinstance(start, TrainedRun) else start
    given, trackers = _name_objects(settings), _find_trackers(track)
    with _open_console(progress) as console:
        study, origin = describe_training(name, given, console, seed=seed, start=begin, trust=trust)
        chosen = choose_engine(engine, address, cell_cpus, cell_gpus)
        plan = plan_study(study, out, console, fresh=fresh, storage=storage, engine=chosen)
        if origin and not fresh:
            begin_at_origin(plan, origin, console)
        outcome = run_plan(plan, console, report=False, samples=report, trackers=trackers)
        if report:
            finish_run(outcome)
    return load(outcome.directory / outcome.comparison.runs[0].directory)


@show_settings(SETTINGS, before="out", types=TYPES)
def compare(
    models: Sequence[Model] | Place,
    *,
    seeds: int | Sequence[int] | None = None,
    splits: int | None = None,
    target: float | Sequence[float] | None = None,
    recipe: str | None = None,
    name: str | None = None,
    out: Place = "runs",
    stop_at_first_failure: bool = False,
    fresh: bool = False,
    storage: str | None = None,
    engine: str = "local",
    address: str | None = None,
    cell_cpus: float | None = None,
    cell_gpus: float | None = None,
    track: str | Sequence[str] | None = None,
    report: bool = True,
    progress: bool = True,
    **settings: Any,
) -> Compared:
    """Train models under the same seeds: which is better?

    Args:
        models: a list of models as for `train`; or the path of a study file, which the other arguments override.
        seeds: number of seeds, or the seeds. [3]
        splits: number of splits of the text, each trained under every seed. [1]
        target: one or more validation losses, nats per token: what each model takes to reach them. Trains nothing.
        recipe: name of one of the study file's recipes. [its first]
        name: name of the folder of the runs. [from the models and the corpus]
        report: measure costs, draw samples and write report.html.
        stop_at_first_failure: raise when a run fails; otherwise the others continue, and its model is not ranked.
        out: as for `train`.
        fresh: as for `train`.
        storage: as for `train`.
        engine: as for `train`.
        address: as for `train`.
        cell_cpus: as for `train`.
        cell_gpus: as for `train`.
        track: as for `train`.
        progress: as for `train`.
        settings: as for `train`.

    Raises:
        RegistryError, ZooError: the study cannot be trained; raised before training starts.
    """
    own = {"seeds": seeds, "splits": splits, "target": target, "recipe": recipe, "name": name}
    study = _build_study(compare, settings, models=models, **own)
    trackers = _find_trackers(track)
    with _open_console(progress) as console:
        chosen = choose_engine(engine, address, cell_cpus, cell_gpus)
        plan = plan_study(study, out, console, fresh=fresh, storage=storage, engine=chosen)
        stop = stop_at_first_failure
        return Compared(*run_plan(plan, console, report=report, stop_at_first_failure=stop, trackers=trackers))


@show_settings(SETTINGS, before="out", types=TYPES)
def ablate(
    model: Model | Place,
    *,
    drop: Sequence[str] | str | None = None,
    swap: Mapping[str, Any] | None = None,
    scale: Mapping[str, Any] | None = None,
    pairs: bool | Sequence[str] | None = None,
    seeds: int | Sequence[int] | None = None,
    splits: int | None = None,
    target: float | Sequence[float] | None = None,
    recipe: str | None = None,
    name: str | None = None,
    out: Place = "runs",
    stop_at_first_failure: bool = False,
    fresh: bool = False,
    storage: str | None = None,
    engine: str = "local",
    address: str | None = None,
    cell_cpus: float | None = None,
    cell_gpus: float | None = None,
    track: str | Sequence[str] | None = None,
    report: bool = True,
    progress: bool = True,
    **settings: Any,
) -> Compared:
    """Train a model and its variants, each with one piece changed: which piece does the work?

    Args:
        model: a model as for `train`; or the path of a study file with a table [ablation].
        drop: options to set to nothing (false, "none" or 0), each alone.
        swap: option -> another value, or several.
        scale: option -> a factor of its value, or several.
        pairs: options of which every two are changed together; True: the dropped ones.
        seeds: as for `compare`.
        splits: as for `compare`.
        target: as for `compare`.
        recipe: as for `compare`.
        name: as for `compare`.
        report: as for `compare`.
        stop_at_first_failure: as for `compare`.
        out: as for `train`.
        fresh: as for `train`.
        storage: as for `train`.
        engine: as for `train`.
        address: as for `train`.
        cell_cpus: as for `train`.
        cell_gpus: as for `train`.
        track: as for `train`.
        progress: as for `train`.
        settings: as for `train`; tune=8 gives every variant its own learning rate.

    Returns:
        The comparison; its `comparison.ablation` has effects and interactions.

    Raises:
        RegistryError, ZooError: the study cannot be trained; raised before training starts.
    """
    check_names(settings, _list_keywords(ablate))
    study = describe_ablation(
        name_of(model, MODELS),
        _name_objects(settings),
        drop=[drop] if isinstance(drop, str) else drop,
        swap=swap,
        scale=scale,
        pairs=pairs,
        recipe=recipe,
        name=name,
        seeds=list(range(1, seeds + 1)) if isinstance(seeds, int) else seeds,
        splits=splits,
        target=target,
    )
    trackers = _find_trackers(track)
    with _open_console(progress) as console:
        chosen = choose_engine(engine, address, cell_cpus, cell_gpus)
        plan = plan_study(study, out, console, fresh=fresh, storage=storage, engine=chosen)
        stop = stop_at_first_failure
        return Compared(*run_plan(plan, console, report=report, stop_at_first_failure=stop, trackers=trackers))


@show_settings(SETTINGS, before="out", types=TYPES)
def compare_sizes(
    models: Sequence[Model] | Place,
    sizes: Sequence[int],
    *,
    seeds: int | Sequence[int] | None = None,
    splits: int | None = None,
    target: float | Sequence[float] | None = None,
    recipe: str | None = None,
    name: str | None = None,
    out: Place = "runs",
    stop_at_first_failure: bool = False,
    fresh: bool = False,
    storage: str | None = None,
    engine: str = "local",
    address: str | None = None,
    cell_cpus: float | None = None,
    cell_gpus: float | None = None,
    track: str | Sequence[str] | None = None,
    progress: bool = True,
    **settings: Any,
) -> ComparedSizes:
    """Compare models at several sizes: do the differences last as models grow?

    Args:
        models: as for `compare`.
        sizes: numbers of parameters; every model is scaled to each.
        seeds: as for `compare`.
        splits: as for `compare`.
        target: as for `compare`.
        recipe: as for `compare`.
        name: name of the folders, followed by the size. [from the models and the corpus]
        out: as for `train`.
        stop_at_first_failure: as for `compare`.
        fresh: as for `train`.
        storage: as for `train`.
        engine: as for `train`.
        address: as for `train`.
        cell_cpus: as for `train`.
        cell_gpus: as for `train`.
        track: as for `train`.
        progress: as for `train`.
        settings: as for `train`, without `match`.

    Raises:
        RegistryError, ZooError: a study cannot be trained; raised before training starts.
    """
    own = {"seeds": seeds, "splits": splits, "target": target, "recipe": recipe, "name": name}
    study = _build_study(compare_sizes, settings, models=models, **own)
    trackers = _find_trackers(track)
    with _open_console(progress) as console:
        chosen = choose_engine(engine, address, cell_cpus, cell_gpus)
        plans = [
            plan_study(one, out, console, fresh=fresh, storage=storage, engine=chosen) for one in study.at_sizes(sizes)
        ]
        scaling, outcomes, page = run_sizes(
            plans, out, console, stop_at_first_failure=stop_at_first_failure, trackers=trackers
        )
    return ComparedSizes(scaling, [Compared(*outcome) for outcome in outcomes], page)


def load(run: TrainedRun | Place, *, trust: bool = False) -> TrainedRun:
    """Load the finished run in a directory.

    Args:
        trust: import the model's file that the run's record names even if it has changed or lies in a folder of runs;
            importing runs its code.

    Raises:
        RunError: there is no run, or it is damaged.
        UsageError: `run` is neither a run nor a path.
    """
    if isinstance(run, TrainedRun):
        return run
    if not isinstance(run, str | os.PathLike):
        raise UsageError(f"A run is what `train` returns, or its directory; {type(run).__name__} is neither.")
    return TrainedRun(read_run(Path(run)), trust=trust)


def _check_arguments(call: Callable[P, R]) -> Callable[P, R]:
    """Wrap a call so that an unknown argument or a value out of range is a UsageError."""
    signature, validated = inspect.signature(call), validate_call(config={"arbitrary_types_allowed": True})(call)

    @wraps(call)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        by_name = signature.bind_partial(*args).arguments  # so that an error names the argument
        try:
            return validated(**by_name, **kwargs)  # type: ignore[call-arg]
        except ValidationError as error:
            names = ", ".join(inspect.signature(checked).parameters)
            raise UsageError(f"{call.__name__}: {describe_faults(error)}. It takes: {names}.") from None

    return checked


@show_settings(DATA_SETTINGS, before="device", types=TYPES)
@_check_arguments
def evaluate(
    run: SkipValidation[TrainedRun | Place],
    splits: Sequence[SplitName] = ("validation", "test"),
    *,
    device: str = "auto",
    trust: bool = False,
    **settings: Any,
) -> dict[str, float]:
    """Evaluate a run's weights on its own corpus, or on another in the run's vocabulary.

    Args:
        splits: any of train, validation and test.
        trust: as for `load`.
        settings: settings of another corpus, as for `train`.

    Returns:
        Split -> loss (nats per token).

    Raises:
        RunError, DataError, UsageError: no such run, no such text, or characters outside the run's vocabulary.
    """
    check_names(settings, _list_keywords(evaluate))
    data = nest_corpus(_name_objects(settings))
    document = evaluate_run(load(run).directory, splits, device=device, data=data, trust=trust)
    return {row["split"]: row["loss"] for row in document["splits"]}


@_check_arguments
def sample(
    run: SkipValidation[TrainedRun | Place],
    count: Positive = 10,
    *,
    prompt: str = "",
    temperature: Annotated[float, Field(ge=0)] = 1.0,
    top_k: Positive | None = None,
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None,
    seed: Seed = 0,
    length: Positive | None = None,
) -> list[str]:
    """Sample texts from the model of a run, each beginning with the prompt.

    Args:
        count: number of texts.
        temperature: 0 takes the likeliest token.
        top_k: draw from the k likeliest tokens.
        top_p: draw from the fewest likeliest tokens that hold this share of the probability.
        seed: the same seed gives the same texts.
        length: maximum number of tokens after the prompt. [100; 300 for a stream]

    Raises:
        RunError, UsageError: no such run, or a character of the prompt is not in its vocabulary.
    """
    found = load(run)
    choice = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    return draw_samples(found.record, found.model, count=count, prompt=prompt, length=length, **choice)


@_check_arguments
def export(
    run: SkipValidation[TrainedRun | Place],
    *,
    to: Literal["torch-export", "onnx"],
    streaming: bool = False,
    out: Place | None = None,
    trust: bool = False,
    progress: bool = True,
) -> ExportedModel:
    """Write the model of a run for other programs, with a model card; checked against the model at other sizes.

    Args:
        to: "torch-export", a program of torch.export; or "onnx".
        streaming: one step of a stream, with its state as inputs and outputs, instead of the forward pass.
        out: folder to write, which must not exist. [beside the run]
        trust: as for `load`.
        progress: as for `train`.

    Raises:
        RunError, UsageError: no such run, the folder exists, packages are missing, or the model cannot be exported.
    """
    from zoo.exporting.export import export_run

    place, folder = load(run).directory, Path(out) if out else None
    with _open_console(progress) as console:
        say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
        return ExportedModel(export_run(place, to=to, streaming=streaming, out=folder, trust=trust, say=say))


@_check_arguments
def check(
    model: SkipValidation[Model], *, context: Positive = 8, vocab_size: int = 27, compile: bool = False
) -> Checked:
    """Check a model against the contract: shapes, causality, streaming, learning and more.

    Args:
        model: as for `train`.
        context: N.
        vocab_size: V.
        compile: also check torch.compile and torch.export, which needs a minute and a C++ compiler.

    Raises:
        RegistryError, ZooError: no such model, or it cannot be built with these options and sizes.
    """
    name = name_of(model, MODELS)
    return Checked(check_model(name, context=context, vocab_size=vocab_size, compile=compile))


@show_settings(DATA_SETTINGS, before="trust", types=TYPES)
@_check_arguments
def trace(
    model: SkipValidation[Model | TrainedRun],
    *,
    batch: Positive = 32,
    length: Positive | None = None,
    context: Positive | None = None,
    form: Form | None = None,
    stats: bool = False,
    nan: bool = False,
    trust: bool = False,
    **settings: Any,
) -> TracedModel:
    """Show every layer of a model in the order in which it is called: shapes, size and cost, on a batch of the text.

    Args:
        model: as for `train`, with fresh weights; or a run, or its directory.
        batch: B, number of rows.
        length: T, tokens of a row. [the context]
        context: N. [8, or the run's]
        form: what runs: "rows", "tree" (windows alone), "packed" (rows without padding) or "step" (one token of a
            stream). [rows; tree where a model cuts rows into windows]
        stats: measure activations and gradients.
        nan: find the first number that is not finite.
        trust: as for `load`.
        settings: settings of the corpus, as for `train`.

    Raises:
        RegistryError, ZooError: no such model or text, or the model raised an exception.
    """
    check_names(settings, _list_keywords(trace))
    name = os.fspath(model.directory) if isinstance(model, TrainedRun) else name_of(model, MODELS)
    given = {**_name_objects(settings), **({} if context is None else {"context": context})}
    return TracedModel(
        trace_named(name, given, rows=batch, length=length, form=form, stats=stats, nan=nan, trust=trust)
    )


def _build_study(
    call: Callable[..., Any],
    settings: Mapping[str, Any],
    *,
    models: Sequence[Model] | Place,
    seeds: Any,
    recipe: Any,
    **own: Any,
) -> StudyConfig:
    """Build the study of a call, with models and corpus replaced by their names."""
    file, names = None, None
    if isinstance(models, str | os.PathLike):
        file = os.fspath(models)
        if not os.path.isfile(file):
            raise UsageError(f"No study file '{file}'. Models are given in a list.")
    elif recipe is not None:
        raise UsageError("recipe chooses a recipe of a study file: give the file.")
    else:
        names = require_models([text for model in models for text in expand_names(name_of(model, MODELS))])
    check_names(settings, _list_keywords(call))
    numbers = list(range(1, seeds + 1)) if isinstance(seeds, int) else seeds
    return build_study(_name_objects(settings), models=names, file=file, seeds=numbers, recipe=recipe, **own)


def _list_keywords(call: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(call).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def _name_objects(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Replace `data` and `optimizer` in the settings by their names."""
    given: dict[str, Registry[Any]] = {"data": CORPORA, "optimizer": OPTIMIZERS}
    names = {key: name_of(settings[key], registry) for key, registry in given.items() if settings.get(key) is not None}
    return {**settings, **names}


@contextmanager
def _open_console(progress: bool) -> Iterator[Console]:
    """Open the console of a call: a live display in a notebook, standard error elsewhere."""
    if progress and find_kernel():
        with LiveDisplay() as display:
            yield LiveConsole(display)
        return
    terminal = sys.stderr.isatty()  # explicit: notebooks set FORCE_COLOR, which rich takes for a terminal
    yield PlainConsole(stderr=True, quiet=not progress, force_jupyter=False, force_terminal=terminal)


def _find_trackers(track: str | Sequence[str] | None) -> tuple[FoundTracker, ...]:
    return find_trackers([track] if isinstance(track, str) else track or ())
