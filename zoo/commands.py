"""Implementation of the commands, called by cli.py and zoo/api.py. Each function imports what it needs."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.console import Console

if TYPE_CHECKING:
    from zoo.experiments.judge.comparison import Comparison
    from zoo.experiments.judge.scaling import Scaling
    from zoo.experiments.judge.single import RunSummary
    from zoo.experiments.plan import Plan
    from zoo.experiments.records.run import Run
    from zoo.experiments.records.study import StudyRecord
    from zoo.experiments.runs.batch import Listener
    from zoo.experiments.runs.engines.interface import Engine
    from zoo.experiments.runs.trust import Trust
    from zoo.experiments.study.config import StudyConfig
    from zoo.reports.judged.shown import JudgedScores
    from zoo.trackers.find import FoundTracker
    from zoo.trackers.later import Sent
    from zoo.trackers.listener import Tracking

Place = str | os.PathLike[str]


class Training(NamedTuple):
    """Study of a single run, and the finished run whose kept state it continues from, if any."""

    study: "StudyConfig"
    origin: "Run | None" = None


class Outcome(NamedTuple):
    """Folder of a study, its comparison, and its page if a report was written."""

    directory: Path
    comparison: "Comparison"
    page: Path | None


class RunOutcome(NamedTuple):
    """Directory of a run, its numbers, and its page if it could be written."""

    directory: Path
    summary: "RunSummary"
    page: Path | None


def plan_study(
    study: "StudyConfig",
    out: Place,
    console: Console,
    *,
    fresh: bool,
    storage: str | None = None,
    engine: "Engine | None" = None,
) -> "Plan":
    """Plan a study; prints its corpus, and sizes that cannot be reached, on `console`.

    Args:
        storage: URL of the database of a search, as Optuna takes it; None: a file in the study's folder.
        engine: what executes the runs; None: this machine.

    Raises:
        RegistryError, ZooError: as `make_plan`.
    """
    from zoo.experiments.plan import make_plan

    if engine:
        engine.check()
    plan = make_plan(study, Path(out), fresh=fresh, storage=storage, engine=engine)
    for line in (plan.summary(), *plan.notices()):
        console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)
    return plan


def run_plan(
    plan: "Plan",
    console: Console,
    *,
    report: bool,
    stop_at_first_failure: bool = False,
    trackers: "Sequence[FoundTracker]" = (),
    samples: bool = False,
) -> Outcome:
    """Train the missing runs, with progress on `console`; with `report`, measure costs and write the report.

    Args:
        trackers: where runs are sent while they train, and the study in the end; what fails there changes nothing.
        samples: draw samples of a single run, so that they are sent too.

    Raises:
        RegistryError, ZooError: as `run_study`.
    """
    from zoo.experiments.compare import add_probes, add_samples, run_study, run_until_decided
    from zoo.experiments.lengths import add_lengths
    from zoo.reports.progress import ProgressBar

    with ExitStack() as stack:
        progress = stack.enter_context(ProgressBar(console, stop_at_first_failure=stop_at_first_failure))
        tracking = stack.enter_context(_track(progress, trackers, plan.directory, console)) if trackers else None
        with closing(plan.engine):
            path, record = (run_until_decided if plan.study.looks else run_study)(plan, tracking or progress)
        record = add_lengths(path, record)
        if report:
            progress.measuring()
            record = add_probes(plan, path, record)
        elif samples and tracking and os.access(path.parent, os.W_OK):
            record, _ = add_samples(path, record)
        if tracking:
            tracking.send_study(path)
        return _summarise(path, record, report=report)  # while the last runs are sent


def _track(progress: "Listener", trackers: "Sequence[FoundTracker]", folder: Path, console: Console) -> "Tracking":
    from zoo.output import find_kernel, notify
    from zoo.trackers.listener import Tracking

    def tell(line: str) -> None:
        if console.quiet:
            notify(line)
        elif find_kernel() is not None:
            click.echo(line, err=True)  # the display shows it below, where lines of the console are folded
        else:
            console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)

    return Tracking(progress, trackers, folder, tell)


def track(directory: Place, to: "str | Sequence[str]") -> "list[Sent]":
    """Send a run, or all runs and the summary of a study, from their records to trackers that lack them.

    Args:
        directory: a run's directory, a study's folder, or a study's record.
        to: one or more trackers, as for `train`.

    Returns:
        For each tracker, how many were sent, were there already, and were not sent, and why.

    Raises:
        RegistryError, ZooError: there is no such run, study or tracker.
    """
    from zoo.trackers.find import find_trackers
    from zoo.trackers.later import send_records

    return list(send_records(Path(directory), find_trackers([to] if isinstance(to, str) else to)))


def run_sizes(
    plans: Sequence["Plan"],
    out: Place,
    console: Console,
    *,
    stop_at_first_failure: bool = False,
    trackers: "Sequence[FoundTracker]" = (),
) -> tuple["Scaling", list[Outcome], Path]:
    """Run one study at several sizes and write their joint report.

    Args:
        plans: the plan at each size, smallest first.
        trackers: as for `run_plan`; each size is a group.

    Returns:
        The sizes as one `Scaling`, the outcome at each size, and the file of the joint report.

    Raises:
        RegistryError, ZooError: as `run_study`.
    """
    from zoo.experiments.judge.scaling import collect_scaling
    from zoo.experiments.runs.identity import file_name
    from zoo.reports.scaling import write_scaling

    outcomes = [
        run_plan(plan, console, report=True, stop_at_first_failure=stop_at_first_failure, trackers=trackers)
        for plan in plans
    ]
    scaling = collect_scaling([outcome.comparison for outcome in outcomes])
    whole = plans[0].study.name.rpartition("-")[0]
    return scaling, outcomes, write_scaling(scaling, Path(out) / f"{file_name(whole)}-sizes")


def describe_training(
    model: str,
    given: Mapping[str, Any],
    console: Console,
    *,
    seed: int | None = None,
    start: Place | None = None,
    trust: bool = False,
) -> Training:
    """Describe one run as a study: of a model, or of a finished run to train further.

    Prints on `console` why a finished run does not continue as itself but as a new run from its weights.

    Args:
        model: a model as typed, or the directory of a run.
        given: settings by name.
        seed: seed of the run; None: 1, or the finished run's.
        start: initial weights of a model instead of random ones: a run's directory, or a .safetensors file.
        trust: import a file that the run's record names even if it has changed.

    Raises:
        RegistryError, ZooError: a run or file does not exist, or settings are invalid.
    """
    from zoo.errors import UsageError
    from zoo.experiments.runs.trust import Trust
    from zoo.experiments.study.parse import build_study

    seeds = None if seed is None else [seed]
    if is_run(model):
        if start is not None:
            raise UsageError(f"'{model}' is a run, which has weights of its own: name a model to start from '{start}'.")
        return _train_on(Path(model), given, seeds, console, Trust(everything=trust))
    from zoo.catalog import require_models

    (name,) = require_models([model])
    if start is None:
        return Training(build_study(given, models=[name], seeds=seeds or [1]))
    from zoo.experiments.runs.onward import make_start

    weights = make_start(Path(start))
    if weights.characters is None and weights.run is None:
        console.print(
            f"{start} records no vocabulary: zoo cannot check that its tokens are those of this text.",
            markup=False,
            soft_wrap=True,
        )
    base = {"models": [{"label": f"{_shorten_name(name)} from {weights.name}", "model": name}], "start": weights}
    return Training(build_study(given, models=None, seeds=seeds or [1], base=base))


def describe_ablation(
    model: str,
    given: Mapping[str, Any],
    *,
    drop: Sequence[str] | None = None,
    swap: Mapping[str, Sequence[Any]] | None = None,
    scale: Mapping[str, Sequence[float]] | None = None,
    pairs: bool | Sequence[str] | None = None,
    recipe: str | None = None,
    name: str | None = None,
    **own: Any,
) -> "StudyConfig":
    """Describe an ablation as a study: a model, and each of its variants.

    Args:
        model: a model as typed; or a file with a table [ablation], which the other arguments override.
        given: settings by name.
        drop, swap, scale, pairs: fields of `Ablation`; None: those of the file.
        recipe: name of one of the file's recipes.
        name: name of the study. [from the model and the corpus]
        own: seeds, splits and target, as for `build_study`.

    Raises:
        RegistryError, UsageError: the model, an option or the file does not exist, or a change changes nothing.
    """
    from zoo.config import DataConfig
    from zoo.errors import UsageError
    from zoo.experiments.ablate import check_width, make_models
    from zoo.experiments.judge.verdict import join
    from zoo.experiments.study.ablation import read_ablation
    from zoo.experiments.study.parse import build_study, derive_name, load_study, read_table
    from zoo.experiments.study.settings import nest_settings

    changes = {"drop": drop, "swap": swap, "scale": scale, "pairs": pairs}
    base: dict[str, Any] = {}
    table: dict[str, Any] = {"model": model}
    if Path(model).suffix in (".toml", ".json"):
        base = load_study(Path(model), recipe)
        if base.get("baseline") and "ablation" not in base and not any(value is not None for value in changes.values()):
            return build_study(given, models=None, name=name, base=base, **own)
        table = read_table(base, "ablation")
        if "model" not in table:
            raise UsageError(f"'{model}' declares no ablation: give it a table [ablation] with the model.")
        if beside := {"models", "baseline"} & set(base):
            raise UsageError(
                f"'{model}' has {join(sorted(beside))} beside [ablation], which makes them: leave them out."
            )
        base = {key: value for key, value in base.items() if key != "ablation"}
    elif recipe is not None:
        raise UsageError("--recipe chooses a recipe of a study file: give the file.")
    label, models = make_models(read_ablation(table, changes))
    corpus = nest_settings(given)["data"].get("corpus") or read_table(base, "data").get("corpus", DataConfig().corpus)
    base = {"name": derive_name([f"ablate-{label}"], corpus), **base, "models": models, "baseline": label}
    study = build_study(given, models=None, name=name, base=base, **own)
    check_width(study)
    return study


def is_run(name: Place) -> bool:
    """Whether `name` is the directory of a run."""
    from zoo.experiments.records.run import is_run

    with suppress(OSError):  # a model with options may be too long for a file name
        return is_run(Path(name))
    return False


def _shorten_name(name: str) -> str:
    from zoo.calls import short_names

    return short_names([name])[0]


def _train_on(
    place: Path, given: Mapping[str, Any], seeds: Sequence[int] | None, console: Console, trust: "Trust"
) -> Training:
    from zoo.data.load import load_corpus
    from zoo.errors import UsageError
    from zoo.experiments.records.run import read_run
    from zoo.experiments.runs.onward import (
        describe_as_study,
        explain_new_run,
        is_the_same_now,
        keep_recipe,
        make_start,
        prolong,
    )
    from zoo.experiments.runs.resolve import resolve
    from zoo.experiments.study.parse import build_study

    run = read_run(place)
    if run.result.counted is not None:
        raise UsageError(f"'{place}' was counted, not trained: a larger budget would change nothing.")
    before = run.recorded.run
    trust.allow(run.recorded)
    trust.check_run(before)
    base = describe_as_study(run)
    study = build_study(given, models=None, seeds=seeds, base=base)
    unchanged = build_study({}, models=None, seeds=None, base=base)
    if study == unchanged:
        raise UsageError(
            f"'{place}' has been trained with these settings: give a larger budget (--steps), or change a setting."
        )
    (config,) = study.runs()
    steps = config.training.steps
    if config.training.tokens or config.training.flops:
        steps = resolve(config, load_corpus(config.data), place.parent).settings.steps
    why = "another learning rate or size" if study.lr_grid or study.match else explain_new_run(run, config, steps)
    if not why and not is_the_same_now(run, load_corpus(before.data)):
        why = "the text, the code, torch, the device or the number of threads has changed"
    if not why and steps:
        training = study.training.model_copy(update={"tokens": None, "flops": None, **prolong(run, steps)})
        longer = resolve(config.model_copy(update={"training": training}), load_corpus(config.data), place.parent)
        training = training.model_copy(update=keep_recipe(run, longer))
        return Training(study.model_copy(update={"training": training}), run)
    label = f"{before.label.partition(' from ')[0]} from {run.recorded.fingerprint}"
    base |= {"start": make_start(place), "models": [{"label": label, "model": before.model}]}
    study = build_study(given, models=None, seeds=seeds, base=base)
    console.print(f"a new run from the weights of '{place}': {why}", highlight=False, markup=False, soft_wrap=True)
    return Training(study)


def begin_at_origin(plan: "Plan", origin: "Run", console: Console) -> None:
    """Make the only run of a plan continue from the kept state of a shorter run; prints the outcome on `console`."""
    from zoo.errors import RunError
    from zoo.experiments.runs.onward import begin_where_it_ended
    from zoo.experiments.runs.working_folder import BusyError

    (cell,) = plan.runs({})
    try:
        step = begin_where_it_ended(cell, origin)
        if step is None:
            return
        line = f"the same run as '{origin.directory}', continued from its step {step:,}"
    except BusyError:
        return
    except RunError as error:
        line = f"the same run as '{origin.directory}', but trained again from step 0: {error}"
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def draw_report(directory: Place) -> Outcome:
    """Draw the report of a comparison again, from records alone.

    Raises:
        RunError: no such record, or a run of it is missing or damaged.
    """
    from zoo.experiments.records.study import find_study, read_study

    path = find_study(Path(directory))
    return _summarise(path, read_study(path), report=True)


def judge(
    files: Sequence[Place],
    *,
    reader: str | None = None,
    columns: Mapping[str, str] | None = None,
    higher: bool | None = None,
    unpaired: bool = False,
    ordered: bool = False,
    margin: float | None = None,
    alpha: float = 0.05,
    solved: str | None = None,
    planned: float | None = None,
) -> "JudgedScores":
    """Judge scores that somebody else measured.

    Args:
        files: tables, logs, or runs.
        reader: name of the reader; None: the one that recognises a file.
        columns: what a column holds (model, seed, item, score, weight, task, cluster) -> its name; others are guessed.
        higher: whether a higher score is better; None: by the name of the score.
        unpaired: the seeds of every model are its own.
        ordered: items are neighbouring stretches of one stream.
        margin: difference within which models count as equal.
        alpha: error rate of all verdicts of a task together.
        solved: what solved means, such as "accuracy>=0.99".
        planned: true difference, for which seeds and items are planned.

    Raises:
        RegistryError, ZooError: a file cannot be read, or there is nothing to compare.
    """
    from zoo.errors import UsageError
    from zoo.experiments.judge.criterion import Criterion
    from zoo.experiments.judge.judgement import judge_design
    from zoo.experiments.judge.solved import parse_goal
    from zoo.readers.arrange import arrange
    from zoo.readers.interface import Columns
    from zoo.readers.read import digest_files, read_scores
    from zoo.reports.judged.shown import JudgedScores

    goal = parse_goal(solved) if solved else None
    paths = [Path(file) for file in files]
    scores = read_scores(paths, reader=reader, columns=Columns(**columns or {}))
    measures = {scores.measure, *(measure for measure, _ in scores.by_task.values())}
    if goal and (goal.measure not in (*measures, "score") or len(measures) > 1):
        raise UsageError(
            f"--solved is about '{goal.measure}', and the score is {', '.join(sorted(measures))}: name the one score "
            "of all tasks."
        )
    try:
        criterion = Criterion(alpha, margin)
    except ValueError as error:
        raise UsageError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    designs = arrange(scores, higher=higher, unpaired=unpaired, ordered=ordered)
    return JudgedScores(
        title=" and ".join(path.name for path in paths[:3]) + (f" and {len(paths) - 3} more" * (len(paths) > 3)),
        sources=digest_files(paths),
        notes=scores.notes,
        tasks=tuple(judge_design(design, criterion, goal=goal, planned=planned) for design in designs),
    )


def finish_run(outcome: Outcome) -> RunOutcome:
    """Draw samples of a trained run, if it has none, and its page; a failed run gets neither.

    Raises:
        RunError: a record is missing or damaged, or the page cannot be written.
    """
    from zoo.experiments.compare import add_samples
    from zoo.experiments.judge.single import summarise_run
    from zoo.experiments.records.study import read_study

    path, place = (
        outcome.directory / outcome.comparison.record,
        outcome.directory / outcome.comparison.runs[0].directory,
    )
    if outcome.comparison.models[0].failed:
        return RunOutcome(place, summarise_run(place), None)
    if os.access(outcome.directory, os.W_OK):
        _, trouble = add_samples(path, read_study(path))
        if trouble:
            click.echo(trouble, err=True)
    return draw_run_report(place)


def draw_run_report(directory: Place) -> RunOutcome:
    """Draw the page of a run again, from records alone, beside its directory.

    Raises:
        RunError: no such run, or it is damaged.
    """
    from zoo.experiments.judge.single import summarise_run
    from zoo.reports.run_page import page_of, write_run_page

    place = Path(directory)
    summary, page = summarise_run(place), None
    if os.access(page_of(place).parent, os.W_OK):
        page = write_run_page(summary, place)
    else:
        click.echo(f"'{page_of(place).parent}' cannot be written to: there is no page of the run.", err=True)
    return RunOutcome(place, summary, page)


def evaluate_run(
    run: Place, splits: Sequence[str], *, device: str, data: Mapping[str, Any], trust: bool = False
) -> dict[str, Any]:
    """Evaluate a run's weights on its own corpus, or on that corpus as changed by `data`; prints notices on stderr.

    Returns:
        The document that `evaluate --json` prints, with a loss (nats per token) for each split.

    Raises:
        RunError, DataError, UsageError: no such run, no such text, or characters outside the run's vocabulary.
    """
    from zoo.experiments.runs.evaluate import evaluate_again
    from zoo.output import notify, one_line

    document, notices = evaluate_again(str(run), splits, device=device, data=data, trust=trust)
    for notice in notices:
        notify(one_line(notice))
    return document


def _summarise(path: Path, record: "StudyRecord", *, report: bool) -> Outcome:
    from zoo.experiments.judge.summarise import summarise
    from zoo.reports.report import write_report

    comparison, page = summarise(path, record), None
    if report and not os.access(path.parent, os.W_OK):
        click.echo(f"'{path.parent}' cannot be written to: the report in it stays as it is.", err=True)
    elif report:
        page = write_report(comparison, path.parent)[0]
    return Outcome(path.parent, comparison, page)
