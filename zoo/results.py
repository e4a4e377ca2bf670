"""Results of the functions of `zoo.api`, for notebooks: a run, a comparison, a check and a figure."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import torch

from zoo.config import RunConfig
from zoo.data.vocabulary import Vocabulary
from zoo.errors import RunError, UsageError, ZooError
from zoo.experiments.judge.ablation import Ablated, Effect
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import Answers, ModelRow, RunRow
from zoo.experiments.judge.scaling import Scaling
from zoo.experiments.judge.single import summarise_run
from zoo.experiments.records.run import CurvePoint, Result, Run, read_run
from zoo.experiments.runs.load import load_model
from zoo.experiments.runs.trust import Trust
from zoo.experiments.runs.vocabulary import read_vocabulary
from zoo.models.interface import SequenceModel
from zoo.output import notify
from zoo.probes.values import Layer, Signals, Traced
from zoo.reports import notebook
from zoo.reports.conformance import conformance_lines
from zoo.reports.console import capture
from zoo.reports.figures.draw import draw, standalone
from zoo.reports.figures.run import draw_run
from zoo.reports.figures.scaling import draw_scaling
from zoo.reports.run_page import page_of
from zoo.reports.scaling import print_scaling
from zoo.reports.table import print_comparison
from zoo.reports.trace import print_trace


class TrainedRun:
    """A finished run: its settings, its results and its model.

    Args:
        record: the run as read from its directory, with its curve and environment.
        trust: import the model's file even if it has changed since the run.
    """

    def __init__(self, record: Run, *, trust: bool = False) -> None:
        self.record = record
        self._trust = trust

    @property
    def directory(self) -> Path:
        """Directory of the run."""
        return self.record.directory

    @property
    def config(self) -> RunConfig:
        """Settings of the run, as they were given."""
        return self.record.recorded.run

    @property
    def result(self) -> Result:
        """Losses (nats per token), and steps, tokens, seconds and FLOPs used."""
        return self.record.result

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """Training and validation loss (nats per token) at every evaluation, the first before training."""
        return self.record.curve

    @property
    def report(self) -> Path | None:
        """Page of the run, if it exists; `train` and `report` write it beside the directory."""
        page = page_of(self.directory)
        return page if page.is_file() else None

    def plot(self, figure: str = "curve") -> "Figure":
        """Draw a figure: "curve", training and validation loss; or "position", loss by position in context.

        Raises:
            UsageError: the run has no such figure; the message lists its figures.
        """
        return _choose(figure, draw_run(summarise_run(self.directory)), "run")

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Vocabulary of the run, with `encode` and `decode`."""
        return read_vocabulary(self.record.directory, self.record.recorded.data)

    @cached_property
    def model(self) -> SequenceModel:
        """The model with its best weights on validation, on the CPU, in evaluation mode.

        Raises:
            RegistryError, RunError: the model's name is unknown, its file is not trusted, or no weights fit the model.
        """
        model, notice = load_model(self.record, Trust(everything=self._trust))
        if notice:
            notify(notice)
        model.register_forward_pre_hook(_check_tokens)
        return model

    def __repr__(self) -> str:
        result, losses = self.result, {"validation": self.result.validation_loss, "test": self.result.test_loss}
        outcome = [f"{split} {loss:.4f}" for split, loss in losses.items() if loss is not None]
        if result.status == "diverged":
            outcome = [f"diverged at step {result.diverged_at:,}"]
        elif result.status in ("refused", "failed"):
            outcome = [f"{result.status}: {result.reason}"]
        model = f"{self.config.label} on {self.record.recorded.data.name}, seed {self.config.seed}"
        return f"TrainedRun({', '.join([model, *outcome, str(self.directory)])})"

    def _repr_html_(self) -> str | None:
        """Losses, curve and setting in a notebook; None if the run no longer exists."""
        try:
            return notebook.render_run(summarise_run(self.directory), self.report)
        except RunError:
            return None


def _check_tokens(model: SequenceModel, given: tuple[Any, ...]) -> None:
    """Check that a run's model is called with tokens (B, T) of its vocabulary.

    Raises:
        UsageError: it is called with something else; the message describes it.
    """
    tokens = given[0] if given else None
    if not isinstance(tokens, torch.Tensor):
        what = f"a {type(tokens).__name__}"
    elif tokens.dim() != 2 or tokens.dtype not in (torch.long, torch.int):
        what = f"{str(tokens.dtype).removeprefix('torch.')} of shape {tuple(tokens.shape)}"
    elif tokens.numel() and not 0 <= tokens.min() <= tokens.max() < model.vocab_size:
        what = f"numbers from {tokens.min()} to {tokens.max()}"
    else:
        return
    raise UsageError(
        f"{type(model).__name__} takes tokens, a tensor (B, T) of integers from 0 to {model.vocab_size - 1}; not "
        f"{what}. Those of a text: torch.tensor([[0, *run.vocabulary.encode(text)]])."
    )


@dataclass(frozen=True)
class Checked:
    """Result of checking a model against the contract, shown as `check` prints it; true if the model passed."""

    document: dict[str, Any] = field(repr=False)

    def __bool__(self) -> bool:
        return bool(self.document["passed"])

    def __repr__(self) -> str:
        return click.unstyle("\n".join(conformance_lines(self.document)))

    def _repr_html_(self) -> str:
        return notebook.render_check(self.document)


@dataclass(frozen=True)
class TracedModel:
    """What a model computes, shown as `trace` prints it."""

    traced: Traced = field(repr=False)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers in the order in which they were called; the first is the model itself."""
        return self.traced.trace.layers

    @property
    def signals(self) -> Signals | None:
        """Activations and gradients, with `stats=True`."""
        return self.traced.signals

    def __repr__(self) -> str:
        return capture(lambda console: print_trace(self.traced, self.layers, console), 80)

    def _repr_html_(self) -> str:
        return notebook.render_trace(self.traced)


@dataclass(frozen=True)
class Figure:
    """An SVG figure, which a notebook displays."""

    name: str
    drawing: str = field(repr=False)

    @property
    def svg(self) -> str:
        """The figure as a file of its own, light or dark as the reader's system is."""
        return standalone(self.drawing)

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        """The figure in a notebook, light or dark as the notebook is."""
        return notebook.render_figure(self.drawing)

    def save(self, path: str | Path) -> Path:
        """Write the figure to a file and return its path.

        Raises:
            UsageError: the file's name does not end in .svg.
        """
        file = Path(path)
        if file.suffix != ".svg":
            raise UsageError(f"A figure is written as SVG: name it '{file.with_suffix('.svg')}', not '{file}'.")
        file.write_text(self.svg, encoding="utf-8")
        return file


def _choose(name: str, figures: Mapping[str, str], what: str) -> Figure:
    if name not in figures:
        raise UsageError(f"No figure '{name}' of this {what}. Figures: {', '.join(figures) or 'none'}.")
    return Figure(name, figures[name])


class Compared:
    """A finished comparison, shown as its table.

    Args:
        directory: folder of the study.
        comparison: all numbers of the comparison.
        report: path of report.html; None if it was not written.
    """

    def __init__(self, directory: Path, comparison: Comparison, report: Path | None) -> None:
        self.directory = directory
        self.comparison = comparison
        self.report = report

    @property
    def verdict(self) -> str:
        """Sentence that says which model is better, by how much and how surely; empty for a single model."""
        return self.comparison.verdict

    @property
    def runs(self) -> list[TrainedRun]:
        """All runs; those of the first seed first.

        Raises:
            RunError: a run no longer exists or is damaged.
        """
        return [TrainedRun(read_run(self.directory / row.directory)) for row in self.comparison.runs]

    def table(self, *, bits: bool = False, width: int = 80) -> str:
        """The tables and the verdict as `compare` prints them."""
        return capture(lambda console: print_comparison(self.comparison, bits=bits, console=console), width)

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        """Verdict, tables and figures in a notebook."""
        return notebook.render_comparison(self.comparison, self.report)

    def plot(self, figure: str = "forest") -> Figure:
        """Draw a figure of the report.

        Raises:
            UsageError: the comparison has no such figure; the message lists its figures.
        """
        return _choose(figure, draw(self.comparison), "comparison")

    def to_pandas(self, rows: str = "models") -> Any:
        """A pandas DataFrame with one row per model, best first; or per pair, run or curve point.

        Losses are in nats per token, NaN if missing; an unbounded receptive field is infinite.

        Args:
            rows: "models", "pairs", "effects" (of an ablation), "runs" or "curves".

        Raises:
            UsageError: `rows` is none of these.
            ZooError: pandas is not installed.
        """
        if rows not in FRAMES:
            raise UsageError(f"No rows '{rows}'. Rows: {', '.join(FRAMES)}.")
        try:
            import pandas
        except ModuleNotFoundError:
            raise ZooError(
                "to_pandas needs pandas, which is not installed: pip install 'sequence-zoo[notebook]'."
            ) from None
        found = [
            {name: NOTHING.get(name, math.nan) if value is None else value for name, value in row.items()}
            for row in FRAMES[rows](self)
        ]
        return pandas.DataFrame(found)


@dataclass(frozen=True, repr=False)
class ComparedSizes:
    """A finished comparison at several sizes, shown as its tables.

    Args:
        scaling: losses and differences at every size.
        comparisons: the comparison at each size, smallest first.
        report: path of sizes.md.
    """

    scaling: Scaling
    comparisons: list[Compared]
    report: Path

    def table(self, *, bits: bool = False, width: int = 80) -> str:
        """The tables and verdicts as `compare --sizes` prints them."""
        return capture(lambda console: print_scaling(self.scaling, bits=bits, console=console), width)

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        """Verdicts, tables and figures in a notebook."""
        return notebook.render_scaling(self.scaling, self.report)

    def plot(self, against: str = "parameters") -> Figure:
        """Draw the test losses against "parameters" or training "flops".

        Raises:
            UsageError: there is no such figure; the message lists the figures.
        """
        return _choose(against, draw_scaling(self.scaling), "comparison of sizes")


NOTHING = {"receptive_field": math.inf}
"""Column -> value that replaces None in a frame, if it is not NaN."""


def _model_row(row: ModelRow, comparison: Comparison) -> dict[str, Any]:
    test, validation = row.test, row.validation
    bytewise = comparison.bits_per_byte(test.mean) if test else None
    return {
        "label": row.label,
        "group": row.letters,
        "test": test and test.mean,
        "low": test and test.low,
        "high": test and test.high,
        "validation": validation and validation.mean,
        "above_floor": row.above_floor,
        **({"bits_per_byte": bytewise} if comparison.bytes_per_token else {}),
        **_answer_columns(row.answers),
        "parameters": row.parameters,
        "buffers": row.buffers,
        "receptive_field": row.receptive_field,
        "tokens_per_second": row.tokens_per_second,
        **row.used.model_dump(exclude={"flops_uncounted", "flops_fitted"}),
        "flops_are": "at least" if row.used.flops_uncounted else "about" if row.used.flops_fitted else "counted",
        "lr": row.lr,
        "seeds": row.seeds,
        "diverged": row.diverged,
        "refused": row.refused,
        "failed": row.failed,
    }


def _answer_columns(own: Answers | None) -> dict[str, Any]:
    """The columns of a task; none for text."""
    if own is None:
        return {}
    return {
        "accuracy": own.accuracy and own.accuracy.mean,
        "answers": own.whole and own.whole.mean,
        "solved": own.solved,
        "judged": own.seeds,
    }


def _run_row(row: RunRow, directory: Path) -> dict[str, Any]:
    columns = row.model_dump(exclude={"schema_version", "weights_sha256"})
    columns["split"] = row.split or 1
    return {"label": row.label, "seed": row.seed, **columns, "directory": str(directory / row.directory)}


def _effect_rows(ablated: Ablated | None) -> list[dict[str, Any]]:
    return [_effect_row(effect) for effect in ablated.effects] if ablated else []


def _effect_row(effect: Effect) -> dict[str, Any]:
    pair = effect.pair
    low, high = pair.interval if pair else (None, None)
    return {
        "label": effect.label,
        "effect": pair.difference if pair else None,
        "low": low,
        "high": high,
        "p": pair.p if pair else None,
        "verdict": effect.kind,
        **effect.model_dump(include={"parameters", "parameters_off", "flops", "flops_off"}),
    }


FRAMES: dict[str, Callable[[Compared], list[dict[str, Any]]]] = {
    "models": lambda compared: [_model_row(row, compared.comparison) for row in compared.comparison.models],
    "pairs": lambda compared: [pair.model_dump() for pair in compared.comparison.pairs],
    "effects": lambda compared: _effect_rows(compared.comparison.ablation),
    "runs": lambda compared: [_run_row(row, compared.directory) for row in compared.comparison.runs],
    "curves": lambda compared: [
        {"label": row.label, **point.model_dump()} for row in compared.comparison.models for point in row.curve
    ],
}
