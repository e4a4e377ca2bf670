"""The state of a run between two training steps as one value, from which the run continues bit for bit.

It holds the weights and buffers of every model, the moments of the optimizer, the best weights, the curve, the unread
losses, the clock, and the states of all random generators. Batches need no state: they are a function of seed and step.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from zoo.errors import RunError
from zoo.training.model_state import materialize, restore_state, state_of
from zoo.training.replica import Point, Replica


@dataclass(frozen=True)
class RunState:
    """Tensors by name, copied to the CPU, and JSON values."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


class Keeper(Protocol):
    """Stores states of a run where a later process finds them."""

    def load(self, note: Callable[[str], None]) -> RunState | None:
        """Return the newest stored state, or None. `note` receives messages for the user."""

    def offer(self, take: Callable[[], RunState]) -> None:
        """Store the state that `take` returns, if one is due. May raise to end the training here."""

    def keep(self, state: RunState) -> None:
        """Store permanently the state from which runs of larger budgets continue."""


class NoKeeper:
    """A `Keeper` that stores nothing."""

    def load(self, note: Callable[[str], None]) -> RunState | None:
        return None

    def offer(self, take: Callable[[], RunState]) -> None:
        pass

    def keep(self, state: RunState) -> None:
        pass


def take_replica(replica: Replica) -> RunState:
    """Copy the state of one replica."""
    fit = replica.fit
    tensors = prefix("model", _model_tensors(replica.model)) | prefix("best", replica.best_weights)
    return RunState(
        tensors={name: materialize(tensor).to("cpu", copy=True) for name, tensor in tensors.items()},
        values={
            "curve": [asdict(point) for point in fit.curve],
            "best": fit.curve.index(fit.best) if fit.best else None,
            "steps": fit.steps,
            "tokens": fit.tokens,
            "diverged_at": fit.diverged_at,
            "diverged_alone": fit.diverged_alone,
            "solved_at": fit.solved_at,
            "shapes": [[list(shape), count] for shape, count in fit.shapes.items()],
            "recent": replica.recent,
            "recent_auxiliary": replica.recent_auxiliary,
            "outside": replica.find_outside_state(),
        },
    )


def put_replica(replica: Replica, state: RunState) -> None:
    """Restore the state of an equal replica in a new one.

    Raises:
        RunError: the state does not fit the model; the message says where.
    """
    values, fit = state.values, replica.fit
    _put_model(replica.model, without_prefix("model", state.tensors))
    device = next(iter(replica.best_weights.values())).device
    replica.best_weights = {name: t.to(device) for name, t in without_prefix("best", state.tensors).items()}
    fit.curve = [Point(**point) for point in values["curve"]]
    fit.best = None if values["best"] is None else fit.curve[values["best"]]
    fit.steps, fit.tokens, fit.diverged_at = values["steps"], values["tokens"], values["diverged_at"]
    fit.shapes = Counter({tuple(shape): count for shape, count in values["shapes"]})
    fit.diverged_alone, fit.solved_at = values["diverged_alone"], values.get("solved_at")
    replica.recent, replica.recent_auxiliary = list(values["recent"]), list(values["recent_auxiliary"])
    fit.restarted = list(values["outside"])


def prefix(word: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the same tensors with `word/` before their names."""
    return {f"{word}/{name}": tensor for name, tensor in tensors.items()}


def without_prefix(word: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `word/`, without it."""
    return {name.removeprefix(f"{word}/"): tensor for name, tensor in tensors.items() if name.startswith(f"{word}/")}


@torch.no_grad()
def put_tensors(places: Mapping[str, Tensor], tensors: Mapping[str, Tensor], what: str) -> None:
    """Copy tensors into places of the same names, shapes and dtypes.

    Args:
        what: subject of an error message.

    Raises:
        RunError: names, shapes or dtypes differ.
    """
    if unlike := sorted(places.keys() ^ tensors.keys()):
        raise RunError(f"{what} does not fit: '{unlike[0]}' is only in one of them.")
    for name, place in places.items():
        saved = tensors[name]
        if (place.shape, place.dtype) != (saved.shape, saved.dtype):
            raise RunError(f"{what} does not fit: '{name}' is {_describe(saved)}, here {_describe(place)}.")
        place.copy_(saved)


def _describe(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and all buffers, including those that are not persistent."""
    own = state_of(model)
    return {**{name: buffer.detach() for name, buffer in model.named_buffers()}, **own}


def _put_model(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    own = state_of(model)
    if lacking := sorted(own.keys() - tensors.keys()):
        raise RunError(f"The state of the model does not fit: it has no '{lacking[0]}'.")
    others = {name: buffer for name, buffer in model.named_buffers() if name not in own}
    restore_state(model, {name: tensor for name, tensor in tensors.items() if name in own})
    put_tensors(others, {name: tensor for name, tensor in tensors.items() if name not in own}, "A buffer of the model")
