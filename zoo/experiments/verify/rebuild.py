"""Rebuild the inputs of runs for verification: corpora, splits, models, batches and FLOP counters, each once."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

import torch

from zoo.config import DataConfig, RunConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.data.rows import Batch, Rows, Shape
from zoo.errors import DataError, RunError
from zoo.experiments.runs.budget import row_layout, row_length
from zoo.experiments.runs.model import FoundModel, find_model
from zoo.experiments.runs.resolve import Cell, resolve
from zoo.experiments.runs.trust import Trust
from zoo.probes.flops import FlopCounter
from zoo.training.loop import Settings, draw

Value = TypeVar("Value")
CPU = torch.device("cpu")
MOST_HELD = 1024
"""Maximum number of rebuilt things that are held."""
MOST_STEPS = 10**8
"""Maximum steps whose batches are drawn again, half an hour; a forged record could claim any number."""


class Batches:
    """The batches of one seed, drawn without training, each when it is first needed.

    Args:
        rows: the training split.
        settings: of the run.
        seed: the seed of the batches.
        alike: whether all batches have one shape and number of targets.
    """

    def __init__(self, rows: Rows, settings: Settings, seed: int, *, alike: bool) -> None:
        self._draw: Callable[[int], Batch] = lambda step: draw(rows, settings, seed, step)
        self._alike = alike
        self._shapes: list[Shape] = []
        self._tokens = [0]

    def tokens(self, steps: int) -> int:
        """Number of target tokens of the first `steps` steps."""
        if self._alike:
            return steps * self._until(1)[1][1]
        return self._until(steps)[1][steps]

    def shapes(self, steps: int) -> Counter[Shape]:
        """Count the batches of each shape in the first `steps` steps."""
        if self._alike:
            return Counter({self._until(1)[0][0]: steps})
        return Counter(self._until(steps)[0][:steps])

    def _until(self, steps: int) -> tuple[list[Shape], list[int]]:
        if steps > MOST_STEPS:
            raise RunError(f"{steps:,} steps are recorded; batches are drawn again for at most {MOST_STEPS:,}.")
        for step in range(len(self._shapes), steps):
            batch = self._draw(step)
            self._shapes.append(batch.shape)
            self._tokens.append(self._tokens[-1] + batch.target_count)
        return self._shapes, self._tokens


class Rebuild:
    """Cache of corpora, splits, models and batches rebuilt for verification, each when it is first needed.

    It holds the last `MOST_HELD` of them, so memory does not grow with the number of runs.

    Args:
        device: where losses are recomputed.
        trust: decides which files may be imported for records.
    """

    def __init__(self, device: torch.device, trust: Trust | None = None) -> None:
        self.device, self.trust = device, trust or Trust()
        self._cache: OrderedDict[Hashable, Any] = OrderedDict()

    def corpus(self, data: DataConfig) -> Corpus:
        """Read the text again, in its own vocabulary.

        Raises:
            DataError, UsageError, RegistryError: it cannot be read.
        """
        if data.corpus.name == "-":
            raise DataError("The text is needed again, but it came from standard input, which cannot be read again.")
        self.trust.check(data.corpus.name)
        return self._once(("corpus", data.model_dump_json()), lambda: load_corpus(data))

    def rows(self, config: RunConfig, split: str, device: torch.device) -> Rows:
        """The rows of a split, as the run had them."""
        corpus, length = self.corpus(config.data), row_length(config)
        key = ("rows", config.data.model_dump_json(), split, length if corpus.is_stream else None, device)
        return self._once(key, lambda: corpus.rows(split, length=length, device=device))

    def cell(self, config: RunConfig) -> Cell:
        """Resolve the run with today's code and corpus, on the CPU whichever device it ran on.

        Raises:
            RegistryError, UsageError, RunError, DataError: it cannot be resolved.
        """
        self.trust.check_run(config)
        here = config.model_copy(update={"training": config.training.model_copy(update={"device": "cpu"})})
        return self._once(
            ("cell", config.model_dump_json()), lambda: resolve(here, self.corpus(config.data), Path("."))
        )

    def model(self, config: RunConfig) -> FoundModel:
        """Find the model of a run.

        Raises:
            RegistryError, UsageError, DataError: it cannot be found.
        """
        self.trust.check(config.model.name)
        vocab_size = len(self.corpus(config.data).vocabulary)
        return self._once(
            ("model", config.model.model_dump_json(), config.context, vocab_size),
            lambda: find_model(config.model, vocab_size=vocab_size, context=config.context),
        )

    def batches(self, config: RunConfig, settings: Settings) -> Batches:
        """The training batches of a run, shared by all models of a seed."""
        rows, alike = self.rows(config, "train", CPU), self.corpus(config.data).has_equal_rows
        drawn = (settings.batch_size, settings.window, row_length(config) if alike else None)
        return self._once(
            ("batches", config.data.model_dump_json(), config.batch_seed, *drawn),
            lambda: Batches(rows, settings, config.batch_seed, alike=alike or settings.window is not None),
        )

    def flops(self, config: RunConfig) -> FlopCounter:
        """The FLOP counter of a run's model."""
        corpus = self.corpus(config.data)
        vocab_size, layout = len(corpus.vocabulary), row_layout(config, corpus)
        return self._once(
            ("flops", config.model.model_dump_json(), config.context, vocab_size, layout),
            lambda: FlopCounter(self.model(config).build(config.init_seed), layout),
        )

    def _once(self, key: Hashable, make: Callable[[], Value]) -> Value:
        if key not in self._cache:
            value = make()
            self._cache[key] = value  # `make` may have added others
            if len(self._cache) > MOST_HELD:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]
