"""State outside of parameters and buffers is not in a checkpoint; a run that continues without it says so."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.training.test_run_state import BUILT_IN, CPU, SETTINGS, CutError, Kept
from zoo.data.rows import Rows
from zoo.models.bigram import Bigram
from zoo.packing import Packing
from zoo.training.loop import Progress, fit
from zoo.training.outside_state import digest_attributes, find_changes


def count(model: Any) -> None:
    model.calls = getattr(model, "calls", 0) + 1


def remember(model: Any) -> None:
    model.seen["lengths"].append(len(model.seen["lengths"]))


def accumulate(model: Any) -> None:
    model.cache += 1


def reach_inside(model: Any) -> None:
    model.inner.number = -1.0


def do_nothing(model: Any) -> None:
    pass


class Keeps(Bigram):
    """A bigram that changes itself on every batch."""

    act: Callable[[Any], None]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.seen: dict[str, Any] = {"lengths": [], "opaque": object()}
        self.cache = torch.zeros(3)
        self.weights = list(self.parameters())  # shares memory that a checkpoint has
        self.inner = nn.Identity()
        self.inner.number = 1.0

    def packed(self, tokens: Tensor, packing: Packing) -> Tensor:
        type(self).act(self)
        self.opaque = object()
        return super().packed(tokens, packing)


def cut_and_go_on(make: Callable[[], Any], train_rows: Rows, validation_rows: Rows) -> tuple[list[str], str]:
    """Interrupt and continue a run; returns its notes and its recorded execution."""
    keeper, notes = Kept(5), list[str]()

    def train(report: Callable[[Progress], None] = lambda _: None) -> Any:
        options = {"seed": 1, "device": CPU, "evaluation_model": make(), "keeper": keeper, "report": report}
        return fit(make(), train_rows, validation_rows, SETTINGS, **options)

    with pytest.raises(CutError):
        train()
    fitted = train(lambda progress: notes.append(progress.note) if progress.note else None)
    return notes, fitted.execution


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (count, "calls"),
        (remember, "seen"),
        (accumulate, "cache"),
        (reach_inside, "inner.number"),
    ],
)
def test_what_a_checkpoint_does_not_hold_is_told(
    act: Callable[[Any], None], name: str, make_model, train_rows: Rows, validation_rows: Rows
) -> None:
    kind = type("Kept", (Keeps,), {"act": act})
    notes, execution = cut_and_go_on(lambda: make_model(kind), train_rows, validation_rows)
    assert notes == [
        "goes on at step 5",
        f"keeps '{name}' outside of parameters and buffers: a run that goes on from a checkpoint starts it anew",
    ]
    assert execution == f"eager, unlike a run that was never cut: '{name}' began anew at a checkpoint"


def test_plain_attributes_that_stay_and_opaque_ones_are_silent(
    make_model, train_rows: Rows, validation_rows: Rows
) -> None:
    kind = type("Kept", (Keeps,), {"act": do_nothing})
    made = cut_and_go_on(lambda: make_model(kind), train_rows, validation_rows)
    assert made == (["goes on at step 5"], "eager")


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_model_is_silent(name: str, make_model, train_rows: Rows, validation_rows: Rows) -> None:
    made = cut_and_go_on(lambda: make_model(name), train_rows, validation_rows)
    assert made == (["goes on at step 5"], "eager")


def test_values_that_cannot_be_read_do_not_end_a_run(make_model) -> None:
    model: Any = make_model(Keeps)
    model.seen["itself"] = model.seen
    model.cache = torch.eye(3).to_sparse()
    before = digest_attributes(model)
    assert find_changes(before, model) == []
    model.cache = torch.eye(4).to_sparse()
    assert find_changes(before, model) == ["cache"]
