"""The command line: each command parses, makes one call and prints. Each command imports what it needs."""

import gc
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    if __name__ == "__main__":
        from zoo import interrupt
        from zoo.farewell import describe_end

        interrupt.listen(describe_end)  # before click and torch are imported
    import click
except ModuleNotFoundError:
    sys.exit("click is not installed: run `make compare`, then `. .venv/bin/activate`; or `pip install .`.")

from zoo import __version__
from zoo.output import bounded_text, can_write, discard, one_line, print_json
from zoo.plain_text import write_plainly
from zoo.settings.command import LateCommand, make_type
from zoo.settings.values import (
    parse_count,
    parse_not_negative,
    parse_positive,
    parse_seed,
    parse_seeds,
    parse_share,
    parse_sizes,
    parse_split,
    parse_targets,
    parse_tokens,
)

if TYPE_CHECKING:
    from zoo.commands import Outcome
    from zoo.experiments.records.run import Run
    from zoo.experiments.runs.engines.interface import Engine
    from zoo.experiments.study.config import StudyConfig

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
OUT = click.option("--out", default="runs", show_default=True, type=click.Path(), help="Folder of runs.")
DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1.")
BITS = click.option("--bits", is_flag=True, help="Show losses of the table in bits instead of nats.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
LATEX = click.option("--latex", "form", flag_value="latex", help="Print the main table as LaTeX (booktabs).")
CSV = click.option("--csv", "form", flag_value="csv", help="Print the main table as CSV, with all digits.")
TRUST = click.option("--trust", is_flag=True, help="Import a file that a record names even if it has changed.")
CONTEXT_LENGTH = click.option(
    "--context",
    default=8,
    show_default=True,
    type=click.IntRange(1),
    help="Number of tokens from which models with a window predict the next.",
)


def make_setting_options() -> list[click.Option]:
    """Options for all settings."""
    from zoo.experiments.study.settings import SETTINGS
    from zoo.settings.options import make_options, make_set_option

    return [*make_options(SETTINGS), make_tokens_option(), make_set_option(SETTINGS)]


def make_tokens_option() -> click.Option:
    """Option of an older spelling: `--tokens bytes` is --tokenizer bytes, `--tokens 6.4M` is --train-tokens 6.4M."""
    return click.Option(["--tokens"], type=make_type(parse_tokens), multiple=True, hidden=True)


def make_corpus_options() -> list[click.Option]:
    """Options for the settings of a corpus except --split, which has a second meaning in `evaluate`."""
    from zoo.experiments.study.settings import SETTINGS
    from zoo.settings.options import make_options

    own = [setting for setting in SETTINGS if setting.section == "data" and setting.name != "split"]
    return [*make_options(own), make_tokens_option()]


def take_run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator that adds the options of `train` and `compare` that are no settings."""
    options = [
        OUT,
        click.option("--stop-at-first-failure", is_flag=True, help="End the study when a run fails."),
        click.option("--fresh", is_flag=True, help="Train new runs even if the same runs exist."),
        click.option("--storage", metavar="URL", help="Database of a search, for Optuna. [a file beside the runs]"),
        click.option(
            "--track",
            multiple=True,
            metavar="TRACKER",
            help="Also send the runs to a tracker: tensorboard, 'mlflow(uri=...)', or another of `list`. Repeatable.",
        ),
        click.option("--dry-run", is_flag=True, help="Show what would be trained, its size, and about how long."),
        click.option("--print-config", is_flag=True, help="Print the whole study; saved to a file, it runs the same."),
        BITS,
        JSON,
    ]
    for option in reversed(options):
        command = option(command)
    return take_engine_options(command)


def take_engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator that adds where runs are executed: what trains takes these options."""
    options = [
        click.option(
            "--engine",
            default="local",
            show_default=True,
            type=click.Choice(["local", "ray"]),
            help="Execute runs on this machine, or on a Ray cluster.",
        ),
        click.option("--address", metavar="ADDRESS", help="Cluster: auto, local, HOST:PORT or ray://HOST:PORT. [auto]"),
        click.option(
            "--cell-cpus", type=make_type(parse_positive), metavar="FLOAT", help="CPUs of a run on Ray. [its threads]"
        ),
        click.option(
            "--cell-gpus",
            type=make_type(parse_not_negative),
            metavar="FLOAT",
            help="GPUs of a run on Ray, or a fraction of one. [1 on CUDA]",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def choose_engine(flags: dict[str, Any]) -> "Engine":
    """Return the engine of `take_engine_options`; a dry run needs no cluster."""
    from zoo.experiments.runs.engines.choose import choose_engine as choose

    engine = choose(flags["engine"], flags["address"], flags["cell_cpus"], flags["cell_gpus"])
    return choose() if flags["dry_run"] else engine


def take_study_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator that adds what `compare` and `sweep` take beside settings."""
    command = click.option(
        "--models", metavar="A,B,...", help="Models, with options in parentheses: 'mlp,wavenet(hidden=128)'."
    )(take_count_options(command))
    return click.argument("study", required=False, type=click.Path())(command)


def take_count_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator that adds what a command takes that trains several models, beside settings."""
    options = [
        click.option(
            "--seeds",
            type=make_type(parse_seeds),
            metavar="INTEGER|3..20",
            help="Number of seeds for each model, or least and most with --until. [3]",
        ),
        click.option(
            "--splits", type=click.IntRange(1), help="Number of splits of the text, each under every seed. [1]"
        ),
        click.option(
            "--target",
            type=make_type(parse_targets),
            metavar="LOSS,...",
            help="What each model takes to reach these validation losses, in nats per token. Trains nothing more.",
        ),
        click.option("--recipe", help="Name of one of the study file's recipes. [its first]"),
    ]
    command = take_run_options(LATEX(CSV(command)))
    for option in reversed(options):
        command = option(command)
    return command


@click.group(context_settings=CONTEXT)
@click.version_option(version=__version__, prog_name="zoo")
def cli() -> None:
    """Sequence models behind one interface, and honest comparisons between them.

    \b
    compare --models mlp,wavenet                   which is better, at what cost
    compare --models gru,./mine.py:Mine --data x   your model, your text
    compare --models mlp,wavenet --tune 16         each at the best of 16 settings
    """


@cli.command("list", short_help="List models and corpora with their origins.")
@click.argument("pattern", default="*")
@click.option("--check", is_flag=True, help="Import each in its own process and show the broken ones.")
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    type=make_type(parse_positive),
    metavar="FLOAT",
    help="Seconds that an import may take, with --check.",
)
@click.option("--corpora", is_flag=True, help="Load the corpora, and show floor, size and source of each.")
@JSON
def list_names(pattern: str, check: bool, timeout: float, corpora: bool, as_json: bool) -> None:
    """List models and corpora with their origins. PATTERN is a shell pattern: '*wave*'."""
    from zoo.catalog import list_names

    if corpora:
        from zoo.data.listing import describe_corpora
        from zoo.reports.description import print_corpora

        found = describe_corpora(pattern)
        return print_json(found) if as_json else print_corpora(found)
    groups = list_names(pattern, check_timeout=timeout if check else None)
    if as_json:
        return print_json(groups)
    width = max((len(str(row["name"])) for rows in groups.values() for row in rows), default=0)
    for kind, rows in groups.items():
        click.secho(kind, bold=True)
        for row in rows:
            verdict = "" if not check else "ok  " if not row["problem"] else "BROKEN  "
            click.echo(f"  {row['name']:<{width}}  {verdict}{row['origin']}")
            if row["problem"]:
                click.echo(f"  {'':<{width}}  {row['problem']}")
        if not rows:
            click.echo(f"  no name matches '{pattern}'")
    return None


@cli.command(short_help="Show a model's options, paper and size.")
@click.argument("model")
@CONTEXT_LENGTH
@click.option("--vocab", default=27, show_default=True, type=click.IntRange(1), help="Vocabulary size.")
@JSON
def describe(model: str, context: int, vocab: int, as_json: bool) -> None:
    """Show the options, paper and size of MODEL, which may have options: 'wavenet(hidden=128)'."""
    from zoo.experiments.describe import describe_model
    from zoo.reports.description import print_description

    description = describe_model(model, context=context, vocab_size=vocab)
    print_json(description) if as_json else print_description(description)


@cli.command(cls=LateCommand, late=make_corpus_options, before="trust", short_help="Show what a model computes.")
@click.argument("model")
@click.option("--batch", default=32, show_default=True, type=click.IntRange(1), help="Number of rows.")
@click.option("--length", type=click.IntRange(1), help="Tokens of a row. [the context]")
@click.option("--context", type=click.IntRange(1), help="Tokens from which models with a window predict. [8]")
@click.option(
    "--as",
    "form",
    type=click.Choice(["rows", "tree", "packed", "step"]),
    help="What runs: whole rows, windows alone, rows without padding, or one token of a stream. "
    "[rows; tree where a model cuts rows into windows]",
)
@click.option("--stats", is_flag=True, help="Show activations and gradients, and which rules of thumb they break.")
@click.option("--nan", is_flag=True, help="Name the first number that is not finite, forward or backward.")
@click.option("--embedding", is_flag=True, help="Draw the characters of a run's embedding, in RUN.embedding.svg.")
@click.option("--html", type=click.Path(), metavar="FILE", help="Write a page with the network as a picture.")
@click.option("--layer", "pattern", metavar="PATTERN", help="Show the layers with such a name: 'levels.0*'.")
@click.option("--expect", type=click.Path(), metavar="FILE", help="Fail at the first layer unlike a trace of --json.")
@TRUST
@JSON
def trace(
    model: str,
    batch: int,
    length: int | None,
    context: int | None,
    form: Any,
    stats: bool,
    nan: bool,
    embedding: bool,
    html: str | None,
    pattern: str | None,
    expect: str | None,
    trust: bool,
    as_json: bool,
    **data: Any,
) -> None:
    """Show every layer of MODEL in the order in which it is called: shapes, size and cost, on a batch of the text.

    MODEL is a model, with fresh weights, or the directory of a run. Shapes are those of tensors that pass, with
    names: b rows, t tokens, c24 channels.
    """
    from zoo.experiments.study.parse import read_flags
    from zoo.experiments.tracing import choose_layers, find_difference, trace_named
    from zoo.reports.outcome import print_path
    from zoo.reports.trace import print_trace, write_plane

    asked = {"stats": stats, "nan": nan, "embedding": embedding, "trust": trust}
    traced = trace_named(model, read_flags(data | {"context": context}), rows=batch, length=length, form=form, **asked)
    layers = choose_layers(traced.trace, pattern)
    if as_json:
        print_json(traced.model_dump(mode="json"))
    else:
        print_trace(traced, layers)
    if traced.plane:
        drawn = write_plane(traced.plane, Path(model))
        if not as_json:
            print_path(f"embedding, {traced.plane.method}", drawn)
    if html:
        from zoo.reports.trace_page import write_trace_page

        write_trace_page(traced, Path(html))
        if not as_json:
            print_path("page", Path(html))
    unlike = find_difference(traced.trace, Path(expect)) if expect else None
    if unlike:
        click.echo(f"The trace differs from '{expect}': {unlike}.", err=True)
    elif expect:
        click.echo(f"The trace equals '{expect}'.", err=True)
    if unlike or traced.nonfinite:
        raise click.exceptions.Exit(1)


@cli.command(short_help="Check a model against the contract: does it cheat?")
@click.argument("model")
@CONTEXT_LENGTH
@click.option("--vocab", default=27, show_default=True, type=click.IntRange(8), help="Vocabulary size.")
@click.option(
    "--compile", is_flag=True, help="Also torch.compile and torch.export (needs a minute and a C++ compiler)."
)
@JSON
def check(model: str, context: int, vocab: int, compile: bool, as_json: bool) -> None:
    """Check MODEL against the contract: shapes, causality, streaming, learning and more; exit code 1 if it fails.

    MODEL may have options, and may stand in a file of your own: './mine.py:Mine(hidden=96)'.
    """
    from zoo.conformance.contract import check_model
    from zoo.reports.conformance import conformance_lines

    document = check_model(model, context=context, vocab_size=vocab, compile=compile)
    print_json(document) if as_json else click.echo("\n".join(conformance_lines(document)))
    if not document["passed"]:
        raise click.exceptions.Exit(1)


@cli.command(short_help="Write a package for a model of your own.")
@click.argument("name")
@click.option("--out", default=".", show_default=True, type=click.Path(), help="Folder in which NAME is created.")
def new(name: str, out: str) -> None:
    """Write the folder NAME: a working model with its test, README and entry point.

    An existing folder is never overwritten.
    """
    from zoo.scaffold import write_package

    package = write_package(name, out)
    for file in package.files:
        click.echo(file)
    click.echo("\n".join(["\nnext:", *(f"  {command}" for command in package.commands)]), err=True)


@cli.command(
    cls=LateCommand, late=make_setting_options, before="out", short_help="Train one model once, or train a run further."
)
@click.argument("model")
@click.option(
    "--seed", type=make_type(parse_seed), metavar="INTEGER", help="Seed of weights and batches. [1, or the run's]"
)
@click.option("--from", "start", metavar="RUN|FILE", help="Initial weights: a run or a .safetensors file.")
@TRUST
@take_run_options
def train(model: str, seed: int | None, start: str | None, trust: bool, **flags: Any) -> None:
    """Train MODEL once and print its run directory.

    MODEL may be the directory of a run to train further: with a larger budget it continues as the same run if its
    schedule is constant or wsd; otherwise a new run starts from its weights.
    """
    from zoo.commands import describe_training
    from zoo.experiments.study.parse import read_flags
    from zoo.reports.console import PlainConsole

    console = PlainConsole(stderr=True)
    training = describe_training(model, read_flags(flags), console, seed=seed, start=start, trust=trust)
    outcome = _run(training.study, flags, report=False, samples=True, origin=training.origin)
    if outcome:
        from zoo.commands import finish_run
        from zoo.reports.outcome import print_next, print_path

        place, summary, page = finish_run(outcome)
        if page:
            print_path("report", page)
        if not flags["as_json"]:
            click.echo(place)
            print_next(str(place), summary)
    if outcome and outcome.comparison.models[0].without_mean:
        raise click.exceptions.Exit(1)


@cli.command(
    cls=LateCommand,
    late=make_setting_options,
    before="out",
    short_help="Train models under the same seeds: which is better?",
)
@click.option(
    "--sizes",
    type=make_type(parse_sizes),
    metavar="10k,30k,...",
    help="Compare all models at each of these numbers of parameters.",
)
@take_study_options
def compare(
    study: str | None,
    models: str | None,
    seeds: int | tuple[int, int] | None,
    splits: int | None,
    target: list[float] | None,
    sizes: list[int] | None,
    recipe: str | None,
    form: str | None,
    **flags: Any,
) -> None:
    """Train several models under the same seeds and say which is better.

    STUDY is a file that declares a comparison (studies/*.toml); flags override its values.
    """
    return _compare(study, models, seeds, splits, target, sizes, recipe, form, flags)


@cli.command(
    cls=LateCommand,
    late=make_setting_options,
    before="out",
    short_help="Change the pieces of a model: which one does the work?",
)
@click.argument("model", metavar="MODEL|STUDY")
@click.option("--drop", multiple=True, metavar="A,B,...", help="Pieces to leave out, each alone: norm,residual.")
@click.option(
    "--swap", multiple=True, metavar="A=X,Y", help="Other values of a piece: 'activation=relu,gelu gate=true'."
)
@click.option("--scale", multiple=True, metavar="A=X,Y", help="Factors of a size: 'hidden=0.5,2'.")
@click.option(
    "--pairs",
    is_flag=False,
    flag_value="",
    metavar="[A,B,...]",
    help="Also change every two of these pieces together: do they interact? [those of --drop]",
)
@take_count_options
def ablate(
    model: str,
    drop: tuple[str, ...],
    swap: tuple[str, ...],
    scale: tuple[str, ...],
    pairs: str | None,
    seeds: int | tuple[int, int] | None,
    splits: int | None,
    target: list[float] | None,
    recipe: str | None,
    form: str | None,
    **flags: Any,
) -> None:
    """Train MODEL and its variants, each with one piece changed, and say what every change does to the loss.

    \b
    ablate wavenet --drop norm --swap activation=relu,gelu --scale hidden=0.5,2

    Pieces are the options of a model (`describe MODEL`). All variants train under the same seeds, batches and budget;
    --tune 8 gives each its own learning rate. STUDY is a file with a table [ablation] (studies/ablate-*.toml).
    """
    from zoo.commands import describe_ablation
    from zoo.experiments.study.ablation import parse_factors, parse_names, parse_values
    from zoo.experiments.study.parse import read_flags

    check_form(form, flags["as_json"])
    if isinstance(seeds, tuple):
        raise click.UsageError("An ablation has one number of seeds: --seeds 5.")
    study = describe_ablation(
        model,
        read_flags(flags),
        drop=parse_names(drop) or None,
        swap=parse_values(swap, "--swap") or None,
        scale=parse_factors(scale) or None,
        pairs=None if pairs is None else parse_names((pairs,)) or True,
        recipe=recipe,
        seeds=list(range(1, seeds + 1)) if seeds else None,
        splits=splits,
        target=target,
    )
    outcome = _run(study, flags, report=True, form=form)
    if outcome and any(row.refused or row.failed for row in outcome.comparison.models):
        raise click.exceptions.Exit(1)


@cli.command(
    cls=LateCommand,
    late=make_setting_options,
    before="out",
    short_help="Search the settings of models, and compare them at their best.",
)
@click.option("--trials", type=make_type(parse_count), metavar="COUNT", help="Trials of each model; --tune. [16]")
@take_study_options
def sweep(
    study: str | None,
    models: str | None,
    trials: int | None,
    seeds: int | tuple[int, int] | None,
    splits: int | None,
    target: list[float] | None,
    recipe: str | None,
    form: str | None,
    **flags: Any,
) -> None:
    """Search the settings of several models with equal trials for each, then compare them at their best.

    
    sweep --models wavenet,lstm --search "lr=log(1e-4,1e-1) hidden=choice(64,128)"

    Trials use one extra seed and validation alone; the best settings, and those as written, are then trained under the
    reported seeds. `compare --tune 16` is the same with the usual space.
    """
    if trials is not None and flags["tune"] is not None:
        raise click.UsageError("--trials and --tune are two names of one setting: give one of them.")
    flags["tune"] = trials or flags["tune"]
    return _compare(study, models, seeds, splits, target, None, recipe, form, flags, searches=True)


def _compare(
    study: str | None,
    models: str | None,
    seeds: int | tuple[int, int] | None,
    splits: int | None,
    target: list[float] | None,
    sizes: list[int] | None,
    recipe: str | None,
    form: str | None,
    flags: dict[str, Any],
    *,
    searches: bool = False,
) -> None:
    """Run a comparison; exit code 1 if a run failed or was refused.

    Args:
        searches: search the settings even if nothing says how.
    """
    from zoo.catalog import expand_names, require_models
    from zoo.experiments.study.parse import build_study, limit_looks, read_flags
    from zoo.experiments.study.search import DEFAULT_TRIALS

    check_form(form, flags["as_json"])
    if study is None and not models:
        raise click.UsageError("Nothing to compare: give --models A,B,... or a study file.")
    if study is None and recipe is not None:
        raise click.UsageError("--recipe chooses a recipe of a study file: give the file.")
    names = require_models(expand_names(models)) if models is not None else None
    least, most = seeds if isinstance(seeds, tuple) else (None, seeds)
    numbers = list(range(1, most + 1)) if most else None
    own: dict[str, Any] = {
        "models": names,
        "seeds": numbers,
        "splits": splits,
        "target": target,
        "file": study,
        "recipe": recipe,
    }
    given = read_flags(flags)
    if least is not None:
        given = limit_looks(given, least, most or least)
    config = build_study(given, **own)
    if searches and not config.search.wanted:
        config = build_study({**given, "tune": DEFAULT_TRIALS}, **own)
    if sizes:
        if form:
            raise click.UsageError(
                f"--{form} prints one table, but --sizes makes one for each size: leave one of the flags out."
            )
        return _run_sizes(config, sizes, flags)
    outcome = _run(config, flags, report=True, form=form)
    if outcome and any(model.refused or model.failed for model in outcome.comparison.models):
        raise click.exceptions.Exit(1)
    return None


def _run_sizes(study: "StudyConfig", sizes: list[int], flags: dict[str, Any]) -> None:
    """Run a study at several sizes and print the results; or print only its configurations or forecasts."""
    from zoo.trackers.find import find_trackers

    trackers = find_trackers(flags["track"])
    studies = study.at_sizes(sizes)
    if flags["print_config"]:
        return print_json([one.model_dump(mode="json", exclude_none=True) for one in studies])
    from zoo.commands import plan_study, run_sizes
    from zoo.reports.console import PlainConsole
    from zoo.reports.outcome import print_path
    from zoo.reports.scaling import print_scaling

    console = PlainConsole(stderr=True)
    engine, where = choose_engine(flags), {"fresh": flags["fresh"], "storage": flags["storage"]}
    plans = [plan_study(one, flags["out"], console, engine=engine, **where) for one in studies]
    if flags["dry_run"]:
        from zoo.experiments.forecast import forecast
        from zoo.reports.description import print_forecast

        rows = [{**row, "label": f"{row['label']} {plan.study.match.target:,.0f}" if plan.study.match else row["label"]}
                for plan in plans for row in forecast(plan)]  # fmt: skip
        return print_json(rows) if flags["as_json"] else print_forecast(rows)
    stop = flags["stop_at_first_failure"]
    scaling, outcomes, page = run_sizes(plans, flags["out"], console, stop_at_first_failure=stop, trackers=trackers)
    if flags["as_json"]:
        print_json(scaling.model_dump(mode="json"))
    else:
        print_scaling(scaling, PlainConsole(width=None if sys.stdout.isatty() else 160), bits=flags["bits"])
    print_path("sizes", page)
    if any(model.refused or model.failed for outcome in outcomes for model in outcome.comparison.models):
        raise click.exceptions.Exit(1)
    return None


def check_form(form: str | None, as_json: bool) -> None:
    """Refuse --json together with --latex or --csv."""
    if form and as_json:
        raise click.UsageError(f"--{form} and --json are two ways to print one result: give one of them.")


def _run(
    study: "StudyConfig",
    flags: dict[str, Any],
    *,
    report: bool,
    samples: bool = False,
    origin: "Run | None" = None,
    form: str | None = None,
) -> "Outcome | None":
    """Run a study and print the results; or print only its configuration or a forecast, and return None."""
    from zoo.trackers.find import find_trackers

    trackers = find_trackers(flags["track"])
    if flags["print_config"]:
        print_json(study.model_dump(mode="json", exclude_none=True))
        return None
    from zoo.commands import begin_at_origin, plan_study, run_plan
    from zoo.reports.console import PlainConsole
    from zoo.reports.outcome import print_outcome

    console = PlainConsole(stderr=True)
    where = {"fresh": flags["fresh"], "storage": flags["storage"], "engine": choose_engine(flags)}
    plan = plan_study(study, flags["out"], console, **where)
    if flags["dry_run"]:
        from zoo.experiments.forecast import forecast
        from zoo.reports.description import print_forecast

        rows = forecast(plan)
        print_json(rows) if flags["as_json"] else print_forecast(rows)
        return None
    if origin and not flags["fresh"]:
        begin_at_origin(plan, origin, console)
    stop = flags["stop_at_first_failure"]
    outcome = run_plan(plan, console, report=report, stop_at_first_failure=stop, trackers=trackers, samples=samples)
    print_outcome(*outcome, bits=flags["bits"], as_json=flags["as_json"], form=form)
    return outcome


@cli.command(short_help="Judge scores that somebody else measured.")
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE...")
@click.option("--model", metavar="COLUMN", help="Column of the model. [guessed]")
@click.option("--seed", metavar="COLUMN", help="Column of the seed. [guessed]")
@click.option("--item", metavar="COLUMN", help="Column of the item: document, example, question. [guessed]")
@click.option("--score", metavar="COLUMN", help="Column of the score. [guessed]")
@click.option("--weight", metavar="COLUMN", help="Column of an item's weight, such as its tokens. [guessed]")
@click.option("--task", metavar="COLUMN", help="Column of the task; each is judged by itself. [guessed]")
@click.option("--cluster", metavar="COLUMN", help="Column of groups of items that are alike. [guessed]")
@click.option("--reader", help="Reader of the files. [the one that recognises them; see `list`]")
@click.option("--higher/--lower", default=None, help="Whether a higher score is better. [by its name]")
@click.option("--unpaired", is_flag=True, help="The seeds of every model are its own.")
@click.option("--ordered", is_flag=True, help="Items are neighbouring stretches of one stream, in this order.")
@click.option(
    "--margin",
    type=make_type(parse_positive),
    metavar="SCORE",
    help="Difference within which models count as equal. [none does]",
)
@click.option(
    "--alpha",
    default=0.05,
    show_default=True,
    type=make_type(parse_positive),
    metavar="SHARE",
    help="Error rate of all verdicts together.",
)
@click.option("--solved", metavar="'ACCURACY>=0.99'", help="What solved means: count the seeds that solve the task.")
@click.option(
    "--power",
    "planned",
    type=make_type(parse_positive),
    metavar="DIFFERENCE",
    help="How many seeds or items it takes to find a difference of this size.",
)
@click.option("--out", type=click.Path(), help="Folder for report.html, report.md and judgement.json. [none]")
@JSON
@click.option("--csv", "as_csv", is_flag=True, help="Print the means as CSV, with all digits.")
def judge(
    files: tuple[str, ...],
    reader: str | None,
    higher: bool | None,
    unpaired: bool,
    ordered: bool,
    margin: float | None,
    alpha: float,
    solved: str | None,
    planned: float | None,
    out: str | None,
    as_json: bool,
    as_csv: bool,
    **columns: str | None,
) -> None:
    """Judge scores that somebody else measured: which model is better, by how much, how surely.

    FILE is a table (.csv, .tsv, .jsonl, .parquet) with a score a row, sample logs of lm-evaluation-harness, or a run or
    study of zoo. Verdicts count new seeds, new items, or both: whatever the files hold.
    """
    from zoo import commands
    from zoo.reports.console import PlainConsole
    from zoo.reports.judged.console import print_judgements

    check_form("csv" if as_csv else None, as_json)
    judged = commands.judge(
        files,
        reader=reader,
        columns={what: name for what, name in columns.items() if name is not None},
        higher=higher,
        unpaired=unpaired,
        ordered=ordered,
        margin=margin,
        alpha=alpha,
        solved=solved,
        planned=planned,
    )
    for note in judged.notes:
        click.echo(one_line(note), err=True)
    if as_json:
        print_json(judged.model_dump(mode="json"))
    elif as_csv:
        from zoo.reports.judged.documents import render_csv

        click.echo(render_csv(judged.tasks))
    else:
        print_judgements(judged.tasks, PlainConsole(width=None if sys.stdout.isatty() else 160))
    if out:
        from zoo.reports.judged.documents import write_judged
        from zoo.reports.outcome import print_path

        print_path("report", write_judged(judged, Path(out)))


@cli.command(cls=LateCommand, late=make_corpus_options, before="device", short_help="Evaluate the loss of a run again.")
@click.argument("run", type=click.Path())
@click.option(
    "--split",
    "splits",
    type=make_type(parse_split),
    multiple=True,
    metavar="NAME|A/B/C",
    help="train, validation or test [validation and test]; or shares to split another corpus, such as 90/10/0.",
)
@TRUST
@DEVICE
@BITS
@JSON
def evaluate(
    run: str, splits: tuple[str, ...], trust: bool, device: str, bits: bool, as_json: bool, **data: Any
) -> None:
    """Evaluate the loss of RUN (a run directory) again, on its own corpus or another."""
    from zoo.commands import evaluate_run
    from zoo.experiments.study.parse import read_flags
    from zoo.experiments.study.settings import nest_corpus
    from zoo.reports.description import print_evaluation

    names = [split for split in splits if "/" not in split] or ("validation", "test")
    shares = [split for split in splits if "/" in split]
    if len(shares) > 1:
        raise click.UsageError(f"--split takes one way to split a text, not {' and '.join(shares)}.")
    corpus = nest_corpus(read_flags(data | {"split": shares[-1] if shares else None}))
    document = evaluate_run(run, names, device=device, data=corpus, trust=trust)
    print_json(document) if as_json else print_evaluation(document, bits=bits)


@cli.command(short_help="Draw samples from a run.")
@click.argument("run", type=click.Path())
@click.option("-n", "--count", default=10, show_default=True, type=click.IntRange(1), help="Number of samples.")
@click.option(
    "--temperature",
    default=1.0,
    show_default=True,
    type=make_type(parse_not_negative),
    metavar="FLOAT",
    help="0: the likeliest token.",
)
@click.option("--top-k", type=click.IntRange(1), help="Draw from the k likeliest tokens.")
@click.option(
    "--top-p",
    type=make_type(parse_share),
    metavar="FLOAT",
    help="Draw from the fewest tokens that hold this share of the probability.",
)
@click.option("--prompt", default="", help="Text that every sample starts with.")
@click.option(
    "--seed",
    default="0",
    show_default=True,
    type=make_type(parse_seed),
    metavar="INTEGER",
    help="The same seed gives the same samples.",
)
@click.option("--length", type=click.IntRange(1), help="Maximum tokens after the prompt. [100; 300 for a stream]")
@click.option("--stream", "streams", is_flag=True, help="Print samples while they are drawn.")
@TRUST
@JSON
def sample(run: str, streams: bool, trust: bool, as_json: bool, **options: Any) -> None:
    """Draw samples from RUN (a run directory), and mark those that also occur in its training text."""
    from zoo.experiments.runs.samples import open_samples
    from zoo.reports.samples import print_pieces, print_samples

    if streams and as_json:
        raise click.UsageError("--stream prints text as it comes, --json one document at the end: give one of them.")
    samples = open_samples(run, trust=trust)
    for notice in samples.notices:
        click.echo(one_line(notice), err=True)
    if streams:
        print_pieces(samples.stream(**options))
    elif as_json:
        print_json(samples.draw(**options))
    else:
        print_samples(samples.draw(**options))


@cli.command(short_help="Write the model of a run for other programs.")
@click.argument("run", type=click.Path())
@click.option(
    "--to",
    "form",
    required=True,
    type=click.Choice(["torch-export", "onnx"]),
    help="A program of torch.export, or ONNX.",
)
@click.option("--streaming", is_flag=True, help="One step of a stream, with its state as inputs and outputs.")
@click.option("--out", type=click.Path(), help="Folder to write, which must not exist. [beside the run]")
@TRUST
@JSON
def export(run: str, form: Any, streaming: bool, out: str | None, trust: bool, as_json: bool) -> None:
    """Write the model of RUN (a run directory) for other programs, with a model card.

    It takes any number of rows and tokens. The written file is checked against the model at other numbers of both.
    """
    from zoo.exporting.export import export_run
    from zoo.reports.outcome import print_path

    place = Path(out) if out is not None else None
    made = export_run(Path(run), to=form, streaming=streaming, out=place, trust=trust, say=print_notice)
    if as_json:
        return print_json(made.document)
    print_notice(f"checked: its logits are the model's within {made.checked.difference:.2g}")
    print_path("card", made.card)
    click.echo(made.directory)
    return None


def print_notice(line: str) -> None:
    """Print a line on standard error."""
    click.echo(one_line(line), err=True)


@cli.command("runs", short_help="List finished runs with their results.")
@click.argument("pattern", default="*")
@OUT
@BITS
@JSON
def list_runs(pattern: str, out: str, bits: bool, as_json: bool) -> None:
    """List finished runs whose directory below --out matches the shell pattern PATTERN: '*gru*'."""
    from zoo.experiments.records.listing import list_runs as read
    from zoo.reports.description import print_runs

    rows = read(out, pattern)
    print_json(rows) if as_json else print_runs(rows, bits=bits)


@cli.command(short_help="Draw the report of a comparison or a run again.")
@click.argument("directory", type=click.Path())
@BITS
@JSON
@LATEX
@CSV
def report(directory: str, bits: bool, as_json: bool, form: str | None) -> None:
    """Draw the tables and the report of a comparison or a run again, from records alone.

    DIRECTORY is a study's folder (its last comparison is drawn), one of the study-*.json in it, or a run's directory.
    """
    from zoo.commands import draw_report, draw_run_report, is_run
    from zoo.reports.outcome import print_outcome, print_run

    check_form(form, as_json)
    if is_run(directory):
        place, summary, page = draw_run_report(directory)
        print_run(str(place), summary, page, bits=bits, as_json=as_json, form=form)
    else:
        print_outcome(*draw_report(directory), bits=bits, as_json=as_json, form=form)


@cli.command(short_help="Send finished runs to a tracker.")
@click.argument("directory", type=click.Path())
@click.option(
    "--to", "trackers", multiple=True, required=True, metavar="TRACKER", help="tensorboard, 'mlflow(uri=...)', ..."
)
def track(directory: str, trackers: tuple[str, ...]) -> None:
    """Send a run, or all runs and the summary of a study, from their records to trackers that lack them.

    DIRECTORY is a run's directory, a study's folder, or one of the study-*.json in it. What is sent is the same as with
    --track while they train. Exit code 1 if anything was not sent.
    """
    from zoo import commands

    outcomes = commands.track(directory, trackers)
    for own in outcomes:
        there = f", {own.there} there already" if own.there else ""
        lost = f", {own.unsent} not sent: {own.trouble}" if own.unsent else f"; {own.where}" if own.where else ""
        click.echo(one_line(f"{own.tracker}: {own.sent} sent{there}{lost}"))
    if any(own.unsent for own in outcomes):
        raise click.exceptions.Exit(1)


@cli.command(short_help="Compute the numbers of runs again and compare.")
@click.argument("directory", type=click.Path())
@TRUST
@DEVICE
def verify(directory: str, trust: bool, device: str) -> None:
    """Compute the numbers of a run, or of all runs and comparisons below DIRECTORY, again from weights and corpus.

    Prints the first number of each that differs; exit code 1 if any does.
    """
    from pathlib import Path

    from zoo.experiments.verify.folder import verify as compute_again

    wrong = 0
    for path, difference in compute_again(Path(directory), device=device, trust=trust):
        click.echo(one_line(f"{path}: {difference or 'ok'}"))
        wrong += difference is not None
    if wrong:
        raise click.exceptions.Exit(1)


@cli.command(short_help="Remove leftovers of interrupted runs.")
@OUT
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(out: str, dry_run: bool, yes: bool) -> None:
    """Remove leftovers of interrupted runs, and files that can be computed again.

    These are: folders of interrupted runs, with their checkpoints; partly written failures and files; checkpoints and
    locks of finished runs, and the states from which longer runs would continue; and the tokens of large texts in the
    cache. The list, with sizes, is shown before you are asked. Finished runs stay, and so do files that a process works
    on. A run whose folder is removed starts from the beginning.
    """
    from pathlib import Path

    from zoo.experiments.leftovers import find_leftovers, remove
    from zoo.reports.numbers import storage

    found = find_leftovers(Path(out))
    for path, what, size in found:
        click.echo(one_line(f"{storage(size):>8}  {path}  ({what})"))
    if not found:
        return click.echo("Nothing is left over.")
    total = storage(sum(size for _, _, size in found))
    if dry_run:
        return click.echo(f"{total} would be removed.")
    if yes or click.confirm(f"Remove {total}?"):
        remove(found)
    return None


def main() -> None:
    """Console script: the project's own errors become one line and an exit code; a bug keeps its traceback."""
    from zoo import interrupt
    from zoo.farewell import describe_end

    interrupt.listen(describe_end)
    gc.set_threshold(100_000, 50, 50)  # importing torch makes 250,000 objects, none of them garbage
    code = _run_command()
    gc.freeze()  # otherwise the interpreter looks for garbage among them at its end, for half a second
    sys.exit(code)


def _run_command() -> int:
    """Run the command of `sys.argv`; returns its exit code."""
    from registry import RegistryError, UnknownNameError
    from zoo import interrupt
    from zoo.errors import ZooError
    from zoo.farewell import describe_end

    if sys.stderr is None:  # closed by the parent process
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    write_plainly(sys.stdout, sys.stderr)
    try:
        with interrupt.raising():
            if sys.stdout is None:
                raise ZooError(
                    "The result has nowhere to go: standard output is closed. Add '> FILE', or '> /dev/null'."
                )
            code = cli(standalone_mode=False)
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (click.Abort, interrupt.Interrupted) as error:
        code = interrupt.exit_code(error)
        click.echo(describe_end(code), err=True)
        return code
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption):
            from zoo.hints import find_hint

            hint = find_hint(error.option_name, sys.argv[1:])
            error = click.UsageError(f"{error.format_message()} {hint}".rstrip(), ctx=error.ctx)
        text = io.StringIO()
        error.show(text)
        click.echo(bounded_text(text.getvalue()), nl=False, err=True)
        return error.exit_code
    except ZooError as error:
        click.echo(f"Error: {bounded_text(error)}", err=True)
        return error.exit_code
    except RegistryError as error:
        click.echo(f"Error: {bounded_text(error)}", err=True)
        return 2 if isinstance(error, UnknownNameError) else 1
    except OSError as error:
        if error.strerror is None:
            raise
        if isinstance(error, BrokenPipeError):  # the reader closed the pipe, as `| head` does
            discard(sys.stdout, sys.stderr)
        elif error.filename is None and not can_write(sys.stdout):
            discard(sys.stdout)
            click.echo(f"Error: Cannot write to standard output: {error.strerror}.", err=True)
        else:
            where = f" '{error.filename}'" if error.filename else ""
            click.echo(bounded_text(f"Error: {error.strerror}{where}."), err=True)
        return 1


if __name__ == "__main__":
    main()
