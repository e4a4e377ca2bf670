"""Frozen, validated settings of runs, stored verbatim in records. Imports no torch."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from zoo.byte_level import parse_size
from zoo.calls import Call, Value, parse_call
from zoo.errors import UsageError, shorten
from zoo.settings.flag import Flag, Internal
from zoo.settings.values import parse_count, parse_large, parse_seed

Positive = Annotated[int, Field(ge=1)]
BUDGETS = ("steps", "tokens", "seconds", "flops")
Seed = Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)]
DEFAULT_STEPS = 1000
"""Default budget."""
DEFAULT_LENGTH = 64
MOST_STEPS = 10**12
MOST_EVALUATIONS = 100_000

__all__ = [
    "BUDGETS",
    "DEFAULT_LENGTH",
    "DEFAULT_STEPS",
    "Call",
    "DataConfig",
    "Frozen",
    "Multiples",
    "Recipe",
    "RunConfig",
    "Seed",
    "Start",
    "TrainingConfig",
    "Value",
    "Way",
    "as_json",
]


class Frozen(BaseModel):
    """Base of frozen models: unknown keys, infinities and NaN are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Recipe(Frozen):
    """Training settings that suit a model, a class attribute of it; docs/results/recipes.md has the built-in ones."""

    optimizer: str = Field(default="adamw", description="optimizer that the other settings are for")
    lr: float = Field(default=3e-3, gt=0, description="peak learning rate")
    weight_decay: float = Field(default=0.01, ge=0, description="decoupled weight decay of matrices")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="share of the run in which the learning rate rises")
    targets: int | None = Field(default=None, ge=1, description="budget in target tokens for which it was found")


class Multiples(Frozen):
    """How some parameters of a model are trained: multiples of the run's learning rate and weight decay."""

    rate: float = Field(default=1.0, ge=0, strict=True, description="multiple of the learning rate")
    decay: float | None = Field(
        default=None, ge=0, strict=True, description="multiple of the weight decay; None: 1 for matrices, 0 for others"
    )


USUAL_SPLIT = "80/10/10"
"""Default percent of training, validation and test."""
USUAL_FIELD = "text"
"""Default key or column of a document."""
ONLY_SPLIT = "1/1"
"""Rotation of the first split, which begins where the text, or its shuffled order, begins."""

STANDARDS = {"text8": {"split": "90/5/5"}, "enwik8": {"split": "90/5/5", "tokens": "bytes"}}
"""Corpus -> settings that published results on it share, its defaults."""


class DataConfig(Frozen):
    """The text of a run, its tokenization and its splits."""

    corpus: Annotated[Call, Flag("data", metavar="NAME|PATH|hf:NAME|-", default="")] = Field(
        Call(name="invented"),
        description="Corpus, file, directory or pattern of files, hf:NAME:SPLIT, or - for standard input.",
    )
    documents: Annotated[Literal["auto", "line", "none"], Flag(default="")] = Field(
        "auto", description="line: one document per line; none: one stream; auto: judge by the lines."
    )
    tokens: Annotated[str, Flag("tokenizer", metavar="characters|bytes|bpe:N")] = Field(
        "characters", description="Unit of a token; bpe:512: byte pairs, trained on the training split."
    )
    split: Annotated[str, Flag(metavar="A/B/C", after="dedupe")] = Field(
        USUAL_SPLIT, description="Percent of training/validation/test; with 0 for test, validation serves as test."
    )
    split_seed: Annotated[Seed, Flag(parse=parse_seed, metavar="INTEGER")] = Field(
        42, description="Seed of the shuffle before the split."
    )
    rotation: Annotated[str, Internal()] = Field(
        ONLY_SPLIT, description="Which of several splits; 2/5: the second of five, beginning a fifth into the text."
    )
    dedupe: Annotated[bool, Flag()] = Field(False, description="Remove documents that also occur in an earlier split.")
    field: Annotated[str, Flag(metavar="NAME", after="documents")] = Field(
        USUAL_FIELD, min_length=1, description="Key or column of a document in JSON lines, Parquet and hf: data."
    )

    @model_validator(mode="before")
    @classmethod
    def _take_standards(cls, given: Any) -> Any:
        """Fill in the standard settings of a corpus that has some."""
        corpus = given.get("corpus") if isinstance(given, dict) else None
        name = corpus.get("name") if isinstance(corpus, dict) else getattr(corpus, "name", corpus)
        return STANDARDS[name] | given if isinstance(name, str) and name in STANDARDS else given

    @field_validator("tokens", mode="before")
    @classmethod
    def _tokens_are_known(cls, unit: Any) -> Any:
        text = str(unit)
        if parse_size(text) is None and text not in ("characters", "bytes"):
            raise ValueError(f"'{shorten(text)}' is no unit of a token: characters, bytes, or bpe:512 for byte pairs")
        return unit

    @field_validator("split")
    @classmethod
    def _split_adds_up(cls, text: str) -> str:
        percent = [int(part) for part in text.split("/") if part.isascii() and part.isdigit() and len(part) <= 3]
        if (len(percent), text.count("/")) != (3, 2) or sum(percent) != 100 or not all(percent[:2]):
            raise ValueError(
                f"'{shorten(text)}' is not a split: give whole percentages of training/validation/test that add up to "
                "100, such as 80/10/10 or 90/10/0 (only test may be 0)"
            )
        return "/".join(map(str, percent))

    @field_validator("rotation")
    @classmethod
    def _rotation_is_one_of_several(cls, text: str) -> str:
        parts = [int(part) for part in text.split("/") if part.isascii() and part.isdigit() and len(part) <= 3]
        if (len(parts), text.count("/")) != (2, 1) or not 1 <= parts[0] <= parts[1]:
            raise ValueError(f"'{shorten(text)}' is not one of several splits, written as 2/5 for the second of five")
        return ONLY_SPLIT if parts[0] == 1 else f"{parts[0]}/{parts[1]}"

    @model_validator(mode="after")
    def _splits_fit(self) -> "DataConfig":
        self.check_splits(self.turn[1])
        return self

    @model_serializer(mode="wrap")
    def _without_the_usual_split(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out defaults, so that records older than these fields keep their names and contents."""
        split = STANDARDS.get(self.corpus.name, {}).get("split", USUAL_SPLIT)
        usual = {"split": split, "rotation": ONLY_SPLIT, "field": USUAL_FIELD}
        return {key: value for key, value in dump(self).items() if value != usual.get(key)}

    @property
    def shares(self) -> tuple[int, int, int]:
        """Percent of training, validation and test."""
        train, validation, test = map(int, self.split.split("/"))
        return train, validation, test

    @property
    def has_test(self) -> bool:
        """Whether there is a test split; otherwise validation serves as test."""
        return self.shares[2] > 0

    @property
    def turn(self) -> tuple[int, int]:
        """Number of this split, from 1, and number of splits."""
        number, of = map(int, self.rotation.split("/"))
        return number, of

    def rotated(self, number: int, of: int) -> "DataConfig":
        """The same text and shares, in split `number` (from 1) of `of`."""
        return self.model_copy(update={"rotation": ONLY_SPLIT if number == 1 else f"{number}/{of}"})

    def check_splits(self, splits: int) -> None:
        """Check that no two of this many splits score the same text.

        Raises:
            ValueError: two would; the message gives the largest possible number of splits.
        """
        name, share = ("test", self.shares[2]) if self.has_test else ("validation", self.shares[1])
        if splits * share > 100:
            raise ValueError(
                f"{splits} splits with {share}% for {name} each would overlap: give at most {100 // share}, "
                "or give a smaller share (--split)"
            )


class TrainingConfig(Frozen):
    """Training settings of a comparison, never of a model. None: the default, or the model's recipe."""

    steps: Annotated[int | None, Flag(parse=parse_count, metavar="COUNT", default=str(DEFAULT_STEPS))] = Field(
        None, ge=1, le=MOST_STEPS, description="Budget in steps, such as 200k; or --train-tokens, --seconds, --flops."
    )
    tokens: Annotated[int | None, Flag("train_tokens", parse=parse_count, metavar="COUNT")] = Field(
        None, ge=1, le=10**18, description="Budget in target tokens, such as 6.4M."
    )
    seconds: Annotated[float | None, Flag()] = Field(
        None, gt=0, le=1e12, description="Budget in seconds of training; evaluation is not counted."
    )
    flops: Annotated[float | None, Flag(parse=parse_large, metavar="NUMBER")] = Field(
        None, gt=0, le=1e30, description="Budget in FLOPs of training, such as 2e12 or 2T."
    )
    batch_size: Annotated[int, Flag()] = Field(128, ge=1, le=1_000_000, description="Rows per step.")
    rows: Literal["whole", "windows"] = Field(
        "whole",
        description="whole: a row is a document or a crop of a stream; windows: one target and the tokens before it.",
    )
    length: Annotated[int | None, Flag(default=str(DEFAULT_LENGTH), after="flops")] = Field(
        None, ge=1, description="Tokens in a row of a stream, or in a window."
    )
    optimizer: Annotated[
        str | None, Flag(metavar="NAME|NAME(OPTION=VALUE)", default="each model's recipe", after="flops")
    ] = Field(None, description="Optimizer: adamw, sgd, muon, or one of your own; muon(momentum=0.9) gives it options.")
    schedule: Literal["cosine", "linear", "constant", "step", "wsd", "one-cycle"] = Field(
        "linear",
        description="Learning rate after warm-up; step: a tenth in the last quarter; wsd: falls in the last fifth; "
        "one-cycle: up from 1/25, down to 0.",
    )
    lr: Annotated[float | None, Flag(default="each model's recipe")] = Field(
        None, gt=0, description="Peak learning rate of all models."
    )
    weight_decay: float | None = Field(None, ge=0, description="Weight decay of matrices, instead of the recipe's.")
    warmup: float | None = Field(
        None, ge=0, lt=1, description="Share of the run in which the learning rate rises, instead of the recipe's."
    )
    clip: float = Field(1.0, ge=0, description="Maximum gradient norm; 0: no clipping.")
    evaluations: int = Field(10, ge=1, le=MOST_EVALUATIONS, description="Number of evaluations on validation in a run.")
    score_train: bool = Field(False, description="Also evaluate the whole training split at the end.")
    device: Annotated[str, Flag()] = Field("auto", description="auto, cpu, cuda, cuda:1.")
    dtype: Annotated[Literal["float32", "bfloat16"], Flag()] = Field("float32", description="bfloat16: autocast.")
    compile: Annotated[bool, Flag(after="threads")] = Field(
        False, description="torch.compile the models; compilation counts as training time."
    )
    threads: Annotated[int | None, Flag(default="chosen by a probe")] = Field(
        None, ge=1, le=1024, description="CPU threads of a run."
    )
    checkpoint_every: Annotated[float, Flag(after="threads")] = Field(
        30.0,
        gt=0,
        description="Seconds between checkpoints of a run; longer if they would take more than 1% of the time.",
    )
    watch: Annotated[bool, Flag(after="threads")] = Field(
        False,
        description="Record activations, gradients and updates at every evaluation; trains the same, takes longer.",
    )
    stop_when_solved: bool = Field(
        False, description="End a run when it has solved its task: validation is at its goal twice in a row."
    )
    execution: Literal["auto", "sequential", "side-by-side", "stacked"] = Field(
        "auto",
        description="Runs one after the other, one process per run, or all seeds of a model as one; auto: by a probe.",
    )

    @field_validator("optimizer")
    @classmethod
    def _optimizer_is_a_call(cls, text: str | None) -> str | None:
        try:
            return None if text is None else str(parse_call(text))
        except UsageError as error:
            raise ValueError(str(error).rstrip(".")) from None

    @model_validator(mode="after")
    def _one_budget(self) -> "TrainingConfig":
        given = [f"{name}={getattr(self, name):,g}" for name in BUDGETS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are {len(given)} budgets: give one")
        return self

    @property
    def budget(self) -> str | None:
        """Name of the budget that is set, one of `BUDGETS`; None if none is."""
        return next((name for name in BUDGETS if getattr(self, name) is not None), None)


class Way(Frozen):
    """How the runs of a model are executed, and on how many CPU threads."""

    how: Literal["sequential", "side-by-side", "stacked"] = "sequential"
    threads: int = 1


class Start(Frozen):
    """Weights that a run starts from instead of random ones."""

    weights: str
    """Path of the weights file."""
    sha256: str
    run: str | None = None
    """Fingerprint of the run that trained them; None for a bare file."""
    steps: int | None = None
    """Number of steps that they were trained for."""
    characters: str | None = None
    """Characters of their vocabulary, if known."""
    tokenizer: str | None = None
    """SHA-256 of their tokenizer, of a run on byte pairs."""

    @property
    def name(self) -> str:
        """Name of the weights: the fingerprint of their run, or the name of their file."""
        return self.run or Path(self.weights).stem


class RunConfig(Frozen):
    """All settings of one run: one model, one corpus, one seed."""

    model: Call
    label: str
    data: DataConfig = DataConfig()
    training: TrainingConfig = TrainingConfig()
    context: int = Field(8, ge=1, description="N, how many tokens back a model may look")
    seed: Seed = 1
    stack: tuple[tuple[Seed, float | None], ...] = Field((), description="seeds and learning rates of the stack")
    chosen_from: tuple[float, ...] = Field((), description="grid that the learning rate was chosen from, if any")
    trial: bool = Field(False, description="only chooses settings: never sees the test split")
    prune_above: tuple[float | None, ...] = Field((), description="losses above which evaluations prune a trial")
    searched: tuple[str, ...] = Field((), description="names of the settings that a search chose, if any")
    start: Start | None = Field(None, description="initial weights instead of random ones")
    weights_seed: Seed | None = Field(None, description="seed of the initial weights, if not `seed`")
    data_seed: Seed | None = Field(None, description="seed of batches and dropout, if not `seed`")

    @property
    def init_seed(self) -> int:
        """Seed of the initial weights."""
        return self.seed if self.weights_seed is None else self.weights_seed

    @property
    def batch_seed(self) -> int:
        """Seed of batches and dropout."""
        return self.seed if self.data_seed is None else self.data_seed


def as_json(value: BaseModel) -> dict[str, Any]:
    """The value as plain JSON types, for a record or a fingerprint."""
    return value.model_dump(mode="json")
