"""The logic around a CUDA graph, tested without a GPU by a plain call in place of the graph."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from zoo.data.rows import Batch, Rows
from zoo.models.interface import SequenceModel
from zoo.training import loop
from zoo.training.cuda_graph import GRAPHS, MULTIPLE, WARMUP, CapturedStep, capture
from zoo.training.loop import Fit, Settings, TrainStep
from zoo.training.stacked.filling import fill, round_up, stack_batches
from zoo.training.stacked.fit import StackedStep
from zoo.training.stacked.stackable import MIXES

CPU = torch.device("cpu")
MakeModel = Callable[..., SequenceModel]
Train = Callable[..., Fit]
SETTINGS = Settings(
    steps=20,
    batch_size=16,
    optimizer="adamw",
    schedule="constant",
    lr=1e-2,
    weight_decay=0.01,
    warmup=0.0,
    clip=1.0,
    evaluations=2,
    dtype="float32",
)


class Again:
    """Repeats the work where a graph would be replayed, and counts calls."""

    made: list["Again"]

    def __init__(self, work: Callable[[], Tensor], device: torch.device) -> None:
        self.work = work
        self.ran = self.replayed = 0
        Again.made.append(self)

    def run(self) -> Tensor:
        self.ran += 1
        return self.work()

    def record(self) -> None:
        pass

    def replay(self) -> Tensor:
        self.replayed += 1
        return self.work()


class Fails(Again):
    def record(self) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")


@pytest.fixture(autouse=True)
def _none_made() -> None:
    Again.made = []


def same(first: SequenceModel, second: SequenceModel) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def batch_of(rows: Rows, step: int) -> Batch:
    batch = rows.batch(1, step, 16)
    return fill(batch, round_up(len(batch.tokens), MULTIPLE)) if batch.packing else batch


def test_on_a_cpu_nothing_is_captured(make_model: MakeModel, train: Train) -> None:
    step = TrainStep(make_model("mlp"), SETTINGS, CPU)
    assert capture(step, CPU) is step
    assert train(make_model("mlp"), steps=5).execution == "eager"


@pytest.mark.parametrize("rows", ["train_rows", "stream_rows"])
@pytest.mark.parametrize("name", ["wavenet", "gru", "transformer"])
def test_a_captured_step_is_the_step_itself(
    name: str, rows: str, make_model: MakeModel, request: pytest.FixtureRequest
) -> None:
    split = request.getfixturevalue(rows)
    plain, captured = (make_model(name).double().train() for _ in range(2))
    step = TrainStep(plain, SETTINGS, CPU)
    again = CapturedStep(TrainStep(captured, SETTINGS, CPU), CPU, Again)
    assert again.execution == "eager"
    for number in range(8):
        batch, lr = batch_of(split, number), 1e-2 / (1 + number)
        torch.testing.assert_close(again(batch, lr), step(batch, lr), rtol=1e-6, atol=1e-7)
    for one, other in zip(captured.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
    assert again.execution == "captured"
    assert [(graph.ran, graph.replayed) for graph in Again.made] == [(WARMUP, 8 - WARMUP)]


def test_a_captured_stack_is_the_stack_itself(make_model: MakeModel, train_rows: Rows) -> None:
    models, others = ([make_model("bow", seed=k).train() for k in range(2)] for _ in range(2))
    step, inner = (StackedStep(some, [SETTINGS] * 2, CPU) for some in (models, others))
    again = CapturedStep(inner, CPU, Again)
    rates = torch.tensor([1e-2, 3e-2])
    for number in range(6):
        batch = stack_batches([train_rows.batch(seed, number, 16) for seed in range(2)], again.multiple)
        assert torch.equal(again(batch, rates), step(batch, rates))
    assert all(same(one, other) for one, other in zip(models, others, strict=True))
    assert again.execution == "stacked, captured"


def test_every_shape_has_a_graph_until_there_are_enough(make_model: MakeModel, train_rows: Rows) -> None:
    again = CapturedStep(TrainStep(make_model("bigram").train(), SETTINGS, CPU), CPU, Again)
    for size in range(1, GRAPHS + 3):
        tokens = torch.zeros(size, 4, dtype=torch.long)
        for _ in range(2):
            again(Batch(tokens, tokens), 1e-2)
    assert len(Again.made) == GRAPHS
    assert [graph.ran for graph in Again.made] == [2] * GRAPHS


def test_packed_batches_share_few_shapes(make_model: MakeModel, train_rows: Rows) -> None:
    again = CapturedStep(TrainStep(make_model("bigram").train(), SETTINGS, CPU), CPU, Again)
    for number in range(30):
        again(batch_of(train_rows, number), 1e-2)
    assert len(Again.made) <= 3


def test_what_cannot_be_recorded_goes_on_eagerly_with_the_reason(make_model: MakeModel, train_rows: Rows) -> None:
    plain, model = make_model("mlp").train(), make_model("mlp").train()
    step = TrainStep(plain, SETTINGS, CPU)
    again = CapturedStep(TrainStep(model, SETTINGS, CPU), CPU, Fails)
    assert again.multiple == MULTIPLE
    for number in range(WARMUP + 3):
        batch = batch_of(train_rows, number)
        assert torch.equal(again(batch, torch.tensor(1e-2)), step(batch, torch.tensor(1e-2)))
    assert same(model, plain), "no step is lost, none is made twice"
    assert again.execution == "eager: RuntimeError: operation not permitted when stream is capturing"
    assert again.multiple == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # warnings of torch's compiler
@pytest.mark.parametrize("name", ["mlp", "transformer"])
def test_compiled_training_has_the_losses_of_training_as_it_is(
    name: str, make_model: MakeModel, train_rows: Rows
) -> None:
    plain = TrainStep(make_model(name).train(), SETTINGS, CPU)
    compiled = TrainStep(make_model(name).train(), replace(SETTINGS, compile=True), CPU)
    for number in range(4):
        batch = train_rows.batch(1, number, 16)
        torch.testing.assert_close(compiled(batch, 1e-2), plain(batch, 1e-2), rtol=1e-4, atol=1e-4)
    assert compiled.compile_seconds > 0
    assert compiled.execution == "compiled"


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("mlp", {}, f"captured, unlike eager steps: {MIXES}"),
        ("mlp", {"dropout": 0.5}, f"captured, unlike eager steps: {MIXES}"),
        ("transformer", {"dropout": 0.5}, "captured"),
    ],
)
def test_batch_statistics_that_see_what_documents_are_filled_up_with_are_told(
    name: str,
    options: dict[str, float],
    told: str,
    make_model: MakeModel,
    train: Train,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "capture", lambda step, device: CapturedStep(step, device, Again))
    assert train(make_model(name, **options), steps=8).execution == told


def test_of_a_stream_nothing_is_filled_up(
    make_model: MakeModel, train: Train, stream_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "capture", lambda step, device: CapturedStep(step, device, Again))
    assert train(make_model("mlp"), rows=stream_rows, steps=8).execution == "captured"
