"""Costs measured by the probe, against known values; timings decide nothing."""

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from trained_models import COUNTED, TRAINED

from zoo.calls import parse_call
from zoo.catalog import MODELS
from zoo.config import Call, DataConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.experiments.records.study import Cost
from zoo.experiments.runs import cost as costs_of
from zoo.experiments.runs import timing as speed
from zoo.experiments.runs.budget import FLOP_BATCHES
from zoo.experiments.runs.cost import count_flops, draw_batches, measure_costs, measure_state
from zoo.experiments.runs.resolve import Cell, resolve
from zoo.experiments.runs.timing import Speed, measure_in_turns, measure_training, take_validation_part
from zoo.experiments.study.parse import make_study
from zoo.models.build import build, model_config
from zoo.models.interface import SequenceModel, State
from zoo.probes import memory
from zoo.probes.flops import FlopCounter
from zoo.probes.memory import peak_memory
from zoo.probes.receptive_field import CPU, find_receptive_field, gradient_by_position

MODEL_CONTEXTS = [
    ("bigram", 8),
    ("bow", 3),
    ("bow(hidden=1)", 8),
    ("mlp", 1),
    ("mlp", 6),
    ("mlp(hidden=3)", 40),
    ("wavenet", 8),
    ("wavenet", 2),
    ("wavenet(n=3)", 27),
    ("wavenet(tree=true)", 8),
    ("wavenet(tree=true,norm=per-position)", 16),
    ("dilated-wavenet", 8),
    ("dilated-wavenet", 31),
    ("dilated-wavenet(kernel=3,stacks=2)", 8),
    ("dilated-wavenet(kernel=4)", 30),
    ("rnn", 8),
    ("rnn(layers=2)", 100),
    ("gru(dropout=0.5)", 8),
    ("lstm(layers=2,dropout=0.5)", 8),
    ("transformer", 8),
    ("transformer(tied=true,dropout=0.5)", 20),
    ("transformer(positions=learned,places=4)", 8),
    ("transformer(positions=learned,places=27,heads=2)", 8),  # as many positions as tokens
    ("transformer(positions=learned,places=500)", 8),
]


def make(text: str, context: int) -> SequenceModel:
    call = parse_call(text)
    kind = MODELS.get(call.name)
    return build(kind, model_config(kind, call.options, call.name), vocab_size=27, context=context, seed=0)


def stranger(kind: type[SequenceModel], context: int = 8) -> SequenceModel:
    return build(kind, kind.Config(), vocab_size=27, context=context, seed=0)


@pytest.mark.parametrize(("text", "context"), MODEL_CONTEXTS)
def test_the_field_that_is_found_is_the_field_that_is_declared(text: str, context: int) -> None:
    declared = make(text, context).receptive_field
    found = find_receptive_field(lambda: make(text, context))
    assert found.field == declared
    assert found.length >= max(2 * (declared or 0) + 3, 3 * context)


@pytest.mark.parametrize(("text", "context"), [("rnn(hidden=8)", 1000), ("bigram", 3000)])
def test_a_field_that_fades_is_told_from_one_that_ends(text: str, context: int) -> None:
    assert find_receptive_field(lambda: make(text, context)).field == make(text, context).receptive_field


class Embedded(SequenceModel):
    """An embedding and a head; subclasses define the layer between."""

    def __init__(self, config: Any, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.embedding = nn.Embedding(vocab_size, 6)
        self.head = nn.Linear(6, vocab_size)
        nn.init.zeros_(self.head.weight)  # nothing of the past reaches the logits of a fresh model

    def mix(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        return sum(F.pad(x, (0, 0, back, 0))[:, : x.shape[1]] for back in range(5))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.mix(self.embedding(tokens)))


class Modest(Embedded):
    """Sees five tokens, but declares three."""

    receptive_field = 3


class OneByOne(Embedded):
    """Embeds token by token in a loop, with short memory."""

    def forward(self, tokens: Tensor) -> Tensor:
        state, outputs = torch.zeros(len(tokens), 6), []
        for t in range(tokens.shape[1]):
            embedded = self.embedding(tokens[:, t])
            state = torch.tanh(0.1 * state.to(embedded) + embedded)
            outputs.append(self.head(state))
        return torch.stack(outputs, dim=1)


class Tied(Embedded):
    """Ties the weights of embedding and head."""

    receptive_field = 5

    def forward(self, tokens: Tensor) -> Tensor:
        return self.mix(self.embedding(tokens)) @ self.embedding.weight.T


class OneHot(Embedded):
    """Uses one-hot tokens, without an embedding."""

    receptive_field = 5

    def forward(self, tokens: Tensor) -> Tensor:
        return self.mix(F.one_hot(tokens, 27).to(self.head.weight)) @ torch.eye(27).to(self.head.weight)


class OneByOneHot(Embedded):
    """Has short memory, and no gradient with respect to an embedding."""

    def forward(self, tokens: Tensor) -> Tensor:
        state, outputs = torch.zeros(len(tokens), 27), []
        for each in F.one_hot(tokens, 27).to(self.head.weight).unbind(1):
            state = torch.tanh(0.3 * state.to(each) + each)
            outputs.append(state)
        return torch.stack(outputs, dim=1)


class Counts(Embedded):
    """Embeds the last token, and counts odd ones without a gradient."""

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embedding(tokens)) + (tokens % 2).cumsum(1).unsqueeze(-1)


class LargerTable(Embedded):
    """Its embedding has more entries than tokens."""

    receptive_field = 5

    def __init__(self, config: Any, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.embedding = nn.Embedding(vocab_size + 3, 6)


class SingleOnly(Embedded):
    """Refuses float64."""

    receptive_field = 5

    def forward(self, tokens: Tensor) -> Tensor:
        return self.mix(self.embedding(tokens)) @ torch.ones(6, 27, dtype=torch.float32)


class SingleOnlyWithATable(SingleOnly):
    """Keeps a table in the type of its first call."""

    table: Tensor | None = None

    def mix(self, x: Tensor) -> Tensor:
        if self.table is None:
            self.table = torch.ones(6, dtype=x.dtype)
        return super().mix(x * self.table)


class Noisy(Embedded):
    """Draws random numbers, in evaluation mode too."""

    receptive_field = 5

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens) + torch.rand(1)


@pytest.mark.parametrize("kind", [Tied, OneHot, LargerTable, SingleOnly, SingleOnlyWithATable, Noisy])
def test_the_field_of_a_model_with_its_own_ways_is_found(kind: type[SequenceModel]) -> None:
    assert find_receptive_field(lambda: stranger(kind)).field == 5


@pytest.mark.parametrize("kind", [OneByOne, OneByOneHot, Counts])
def test_a_model_without_bound_reaches_all_in_its_own_ways(kind: type[SequenceModel]) -> None:
    assert find_receptive_field(lambda: stranger(kind)).field is None


def test_a_model_that_depends_on_nothing_has_no_field() -> None:
    class Constant(Embedded):
        def forward(self, tokens: Tensor) -> Tensor:
            return torch.zeros(*tokens.shape, 27, dtype=self.head.weight.dtype)

    assert find_receptive_field(lambda: stranger(Constant)).field == 0


def test_the_probe_of_a_field_leaves_a_wrapped_embedding_wrapped() -> None:
    model = stranger(Modest).eval()
    wrapped = model.embedding.forward
    model.embedding.forward = wrapped
    gradient_by_position(model, rows=2, length=12)
    assert model.embedding.__dict__["forward"] is wrapped


def test_the_probe_of_a_field_leaves_random_numbers_alone() -> None:
    before = torch.get_rng_state()
    find_receptive_field(lambda: make("gru(dropout=0.5)", 8))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("declared", "agrees"), [(5, True), (3, False), (None, False)])
def test_a_wrong_declaration_is_seen(declared: int | None, agrees: bool) -> None:
    found = find_receptive_field(lambda: stranger(Modest))
    assert found.field == 5
    cost = cost_with(receptive_field=found.field, probed_tokens=found.length, declared_field=declared)
    assert cost.field_agrees is agrees


def cost_with(**fields: Any) -> Cost:
    """A cost with these fields; the others are arbitrary."""
    unknown: dict[str, Any] = dict.fromkeys(name for name, field in Cost.model_fields.items() if field.is_required())
    return Cost(**{**unknown, "parameters": 1, "state_tokens": 64, "memory": "RSS", "unmeasured": {}, **fields})


def test_where_the_field_was_not_probed_nothing_is_said_of_it() -> None:
    assert cost_with(declared_field=3).field_agrees is None


POSITION = 8
"""Bytes of the state's counter of positions."""


@pytest.mark.parametrize(
    ("text", "tokens", "bytes_", "grows"),
    [
        ("bigram", 64, 0, False),
        ("mlp", 64, 8 * 7, False),
        ("mlp", 4, 8 * 4, True),
        ("wavenet", 64, POSITION + 4 * (1 * 10 + (2 + 4) * 68), False),
        ("wavenet(tree=true,norm=per-position)", 64, 8 * 7, False),
        ("dilated-wavenet(kernel=3)", 64, POSITION + 4 * 2 * (1 + 3) * 32, False),
        ("bow", 64, POSITION + 4 * 64, False),
        ("transformer", 64, POSITION + 4 * 2 * 2 * 64 * 32, True),
        ("transformer", 65, POSITION + 4 * 2 * 2 * 128 * 32, True),
        ("gru(layers=2)", 1, 4 * 2 * 72, False),
        ("lstm", 1, 4 * 2 * 64, False),
    ],
)
def test_a_state_is_what_the_kind_of_model_needs(text: str, tokens: int, bytes_: int, grows: bool) -> None:
    """Token window, ring per level, running sum, key-value cache, hidden vectors."""
    assert measure_state(make(text, 8), tokens) == (bytes_, grows)


def test_a_state_of_its_own_is_counted_by_the_bytes_of_its_numbers() -> None:
    class Stateful(Embedded):
        def begin(self, batch_size: int) -> State:
            return {"hidden": torch.zeros(batch_size, 3, 5), "half": torch.zeros(batch_size, 7, dtype=torch.float16)}

        def prefill(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
            return torch.zeros(len(tokens), 27), state

    assert measure_state(stranger(Stateful), 64) == (3 * 5 * 4 + 7 * 2, False)


@pytest.fixture(scope="session")
def documents() -> Corpus:
    return load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 1000})))


@pytest.fixture(scope="session")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("cost") / "stream.txt"
    path.write_text("the tree sees the bees\n" * 200)
    return load_corpus(DataConfig(corpus=Call(name=str(path), options={}), documents="none"))


@pytest.fixture
def cells(tmp_path: Path) -> Callable[..., list[Cell]]:
    """Make the cells of models on a corpus, one per label, without writing anything."""

    def make(corpus: Corpus, *models: str, **training: Any) -> list[Cell]:
        settings = {"steps": 5, "batch_size": 16, "length": 16, "threads": 1, "device": "cpu", **training}
        study = make_study({}, {"models": models, "data": {}, "training": settings, "seeds": [1]})
        return [resolve(run, corpus, tmp_path) for run in study.runs()]

    return make


@pytest.fixture(autouse=True)
def _short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the probes: no test is about speed, and one about the FLOPs of many batches."""
    monkeypatch.setattr(costs_of, "FLOP_BATCHES", 2)
    monkeypatch.setattr(speed, "TURNS", 2)
    monkeypatch.setattr(speed, "SECONDS_A_TURN", 0.001)
    monkeypatch.setattr(speed, "EVALUATED", 300)


MEASURED = {"train_tokens_per_second", "evaluation_tokens_per_second", "peak_bytes"}


@pytest.mark.parametrize("corpus", ["documents", "stream"])
def test_a_probe_tells_everything_of_every_model(
    corpus: str, cells: Callable[..., list[Cell]], request: pytest.FixtureRequest
) -> None:
    data: Corpus = request.getfixturevalue(corpus)
    prepared = cells(data, *TRAINED)
    costs = measure_costs(prepared, data)
    assert list(costs) == TRAINED
    for cell, cost in zip(prepared, costs.values(), strict=True):
        assert cost.unmeasured == {}
        assert cost.parameters == cell.model.parameters
        assert cost.field_agrees
        assert cost.declared_field == cell.model.receptive_field
        assert cost.train_tokens_per_second > 0
        assert cost.evaluation_tokens_per_second > 0
        assert cost.state_tokens == 64
        assert cost.state_grows == (cell.config.label == "transformer")
        assert (cost.flops_forward == 0) == (cell.config.label == "bigram")
        most = 3.2 if cell.config.label == "mamba" else 3  # its gradients have more products than its scan
        assert most * cost.flops_forward >= cost.flops_training >= cost.flops_forward
        assert Cost.model_validate_json(cost.model_dump_json()) == cost


def test_a_model_of_counts_is_probed_with_its_counts_and_has_no_costs_of_training(
    documents: Corpus, cells: Callable[..., list[Cell]]
) -> None:
    prepared = cells(documents, *COUNTED)
    for cost in measure_costs(prepared, documents).values():
        assert cost.unmeasured == {}
        assert cost.evaluation_tokens_per_second > 0
        assert (cost.flops_training, cost.train_tokens_per_second, cost.peak_bytes) == (None, None, None)
        assert cost.state_grows is False


def test_a_probe_finds_the_same_twice_but_for_time_and_memory(
    documents: Corpus, cells: Callable[..., list[Cell]]
) -> None:
    prepared = cells(documents, "gru(dropout=0.5)", "wavenet")
    first, second = (measure_costs(prepared, documents) for _ in range(2))
    assert {label: cost.model_dump(exclude=MEASURED) for label, cost in first.items()} == {
        label: cost.model_dump(exclude=MEASURED) for label, cost in second.items()
    }


@pytest.mark.parametrize(("text", "more"), [("gru(dropout=0.5)", 0), ("bigram", 1)])
def test_a_probe_leaves_random_numbers_and_threads_alone(
    text: str, more: int, documents: Corpus, cells: Callable[..., list[Cell]]
) -> None:
    threads, random_numbers = torch.get_num_threads(), torch.get_rng_state()
    measure_costs(cells(documents, text, threads=threads + more), documents)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), random_numbers)


def test_flops_are_those_of_a_position_at_the_length_of_the_stream_s_rows(
    stream: Corpus, cells: Callable[..., list[Cell]]
) -> None:
    (cell,) = cells(stream, "transformer")
    model = make("transformer", 8)
    counter = FlopCounter(type(model)(model.config, vocab_size=len(stream.vocabulary), context=8))
    cost = measure_costs([cell], stream)["transformer"]
    assert (cost.flops_forward, cost.flops_training) == (counter.forward(16) / 16, counter.training(16) / 16)


def test_flops_of_documents_are_those_of_whole_chunks_and_of_targets(
    documents: Corpus, cells: Callable[..., list[Cell]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs_of, "FLOP_BATCHES", FLOP_BATCHES)
    (cell,) = cells(documents, "transformer")
    rows = documents.rows("train", length=16)
    shapes = [batch.shape for batch in draw_batches(cell, rows)]
    assert {rows for rows, _, _ in shapes} == {16}
    assert len({length for _, length, _ in shapes}) > 3
    model = make("transformer", 8)
    C, layers, V = model.config.channels, model.config.layers, model.vocab_size
    expected = scored = 0
    for _, length, tokens in shapes:
        S = math.ceil(length / 16) * 16
        chunks = math.ceil(tokens / S)
        expected += chunks * S * layers * (2 * 12 * C * C + 4 * C * 2 * S) + tokens * 2 * C * V
        scored += tokens
    assert count_flops(model, cell, rows).forward == pytest.approx(expected / scored)


def test_flops_of_windows_are_those_of_their_one_target(stream: Corpus, cells: Callable[..., list[Cell]]) -> None:
    (cell,) = cells(stream, "mlp", rows="windows", length=8)
    flops = count_flops(make("mlp", 8), cell, stream.rows("train", length=8))
    assert flops.forward == 2 * (8 * 10 * 200 + 200 * 27)


def test_the_part_of_validation_is_what_evaluation_takes_its_time_for(documents: Corpus, stream: Corpus) -> None:
    assert 300 <= take_validation_part(documents, 16, CPU).targets < 330
    assert take_validation_part(stream, 16, CPU).targets == 300


class Broken(Embedded):
    """Can be built and checked, but neither trained nor streamed."""

    def forward(self, tokens: Tensor) -> Tensor:
        if self.training or tokens.shape[1] not in (1, 5):
            raise RuntimeError("out of luck\nand more")
        return super().forward(tokens)

    def begin(self, batch_size: int) -> State:
        raise KeyError("state")


def test_what_a_model_cannot_do_is_told_and_costs_the_others_nothing(
    documents: Corpus, cells: Callable[..., list[Cell]], tmp_path: Path
) -> None:
    broken = Path(__file__).resolve()
    costs = measure_costs(cells(documents, f"{broken}:Broken", "gru"), documents)
    cost, other = costs.values()
    assert other.unmeasured == {}
    told = {"FLOPs", "buffers", "state", "receptive field", "training speed", "evaluation speed"}
    assert set(cost.unmeasured) - {"peak memory"} == told
    assert cost.unmeasured["training speed"] == "RuntimeError: out of luck"
    assert cost.field_agrees is None
    assert cost.flops_forward is cost.train_tokens_per_second is cost.peak_bytes is cost.state_grows is None


def test_models_take_turns(
    monkeypatch: pytest.MonkeyPatch, documents: Corpus, cells: Callable[..., list[Cell]]
) -> None:
    """The first turn of each is its warm-up; one that fails drops out, and the others continue."""
    monkeypatch.setattr(speed, "SECONDS_A_TURN", 0)
    log: list[str] = []

    def prepared(cell: Cell) -> Callable[[], int]:
        def work() -> int:
            log.append(cell.config.label)
            if log.count("gru") == 2 and log[-1] == "gru":
                raise ValueError("enough")
            return 7

        return work

    speeds = measure_in_turns(cells(documents, "bow", "gru", "mlp"), prepared)
    assert log == ["bow", "bow", "gru", "gru", "mlp", "mlp", "bow", "mlp"]
    assert isinstance(speeds["gru"], ValueError)
    assert isinstance(speeds["bow"], Speed)


def test_a_slow_model_takes_one_timed_turn(
    monkeypatch: pytest.MonkeyPatch, documents: Corpus, cells: Callable[..., list[Cell]]
) -> None:
    monkeypatch.setattr(speed, "LIMIT", 0)
    monkeypatch.setattr(speed, "SECONDS_A_TURN", 100)
    calls = 0

    def work() -> int:
        nonlocal calls
        calls += 1
        return 1

    measure_in_turns(cells(documents, "bow"), lambda cell: work)
    assert calls == 2


def test_the_speed_of_training_is_that_of_real_steps(documents: Corpus, cells: Callable[..., list[Cell]]) -> None:
    measured = measure_training(cells(documents, "gru"), documents)["gru"]
    assert isinstance(measured, Speed)
    assert measured.seconds > 0
    tokens_a_step = measured.seconds * measured.tokens_per_second
    assert 16 < tokens_a_step < 16 * 50  # medians of a busy machine do not fit each other exactly


needs_clear_refs = pytest.mark.skipif(peak_memory(lambda: None, CPU) is None, reason="no count of pages here")


@needs_clear_refs
def test_a_model_with_64_megabytes_takes_at_least_that() -> None:
    MB = 1 << 20
    measured = peak_memory(lambda: torch.zeros(64 * MB // 4).add_(1), CPU)
    assert measured is not None
    assert 62 * MB < measured < 80 * MB
    again = peak_memory(lambda: torch.zeros(4 * MB // 4).add_(1), CPU)
    assert again is not None
    assert again < 20 * MB


PEAKS = """
import sys
from pathlib import Path

from zoo.config import Call, DataConfig
from zoo.data.load import load_corpus
from zoo.experiments.study.parse import make_study
from zoo.experiments.runs.resolve import resolve
from zoo.experiments.runs.cost import measure_peak

corpus = load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 200})))
training = {"steps": 5, "batch_size": 1, "threads": 1, "device": "cpu", "optimizer": "adamw"}
models = ["mlp", "mlp(hidden=5000,embedding=100)"]
for run in make_study({}, {"models": models, "data": {}, "training": training, "seeds": [1]}).runs():
    cell = resolve(run, corpus, Path("nowhere"))
    print(measure_peak(cell.build, cell, corpus.rows("train", length=16)), 16 * cell.model.parameters)
"""


@pytest.mark.slow
@needs_clear_refs
def test_a_larger_model_has_a_higher_peak() -> None:
    """Weights, gradients and two moments take 16 bytes a parameter, in a process without freed memory to reuse."""
    done = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True)
    (small, _), (large, needed) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert small < needed / 2
    assert 0.8 * needed < large < 1.5 * needed


@pytest.mark.parametrize("missing", ["RESET", "STATUS"])
def test_where_pages_cannot_be_counted_there_is_no_peak(
    missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, missing, tmp_path / "nowhere" / "nothing")
    assert peak_memory(lambda: None, CPU) is None


def test_a_peak_that_does_not_start_again_is_no_peak(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("VmHWM:\t 90000 kB\nVmRSS:\t 50000 kB\n")
    monkeypatch.setattr(memory, "STATUS", status)
    monkeypatch.setattr(memory, "RESET", tmp_path / "ignored")
    assert peak_memory(lambda: None, CPU) is None


def test_without_glibc_there_is_no_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert peak_memory(lambda: None, CPU) is None


def test_on_cuda_the_allocator_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "synchronize": None,
        "empty_cache": None,
        "reset_peak_memory_stats": None,
        "memory_allocated": 100,
        "max_memory_allocated": 350,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *device, value=value: value)
    device = torch.device("cuda:0")
    assert peak_memory(lambda: None, device) == 250
    assert memory.kind_of_memory(device) == "CUDA"
