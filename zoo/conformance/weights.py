"""Check that weights survive saving, loading and moving to a device: ties stay, no buffer is lost."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from zoo.blame import describe_error
from zoo.conformance.check import Check, Finding, failure
from zoo.conformance.determinism import digests, first_difference
from zoo.conformance.dtype import ADVICE
from zoo.conformance.subject import BEYOND, CPU, Subject, compute_logits
from zoo.models.interface import SequenceModel
from zoo.probes.receptive_field import perturb_weights
from zoo.surroundings import isolated
from zoo.training.checkpoint import load_weights, save_weights
from zoo.training.model_state import state_of

ELSEWHERE = ("device", "meta")
"""Words of torch's error messages about tensors on different devices."""
ATEN = torch.ops.aten
MOVING = {ATEN.copy_.default, ATEN._to_copy.default, ATEN.index.Tensor, ATEN.index_put_.default, ATEN.index_put.default}
"""Operations that accept tensors of several devices."""


def find(subject: Subject) -> Iterator[Finding]:
    """Save and load through a file and through `state_dict`, then move the model."""
    model, tokens = subject.build_perturbed(torch.float32), subject.tokens(2, subject.beyond(2) + 1)
    with isolated(CPU, seed=1):
        perturb_weights(model)  # after the last call: copies that a call made of the weights are now stale
    logits = compute_logits(model, tokens)
    stored, handed = subject.build(seed=1).eval(), subject.build(seed=1).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        load_weights(stored, path, save_weights(model, path))
    try:
        handed.load_state_dict(model.state_dict())
    except RuntimeError as error:
        yield failure(f"load_state_dict refuses what state_dict gives: {describe_error(error)}")
        return
    for other in (stored, handed):
        if changed := first_difference(_digest_saved(model), _digest_saved(other)):
            yield failure(f"'{changed}' is not what was saved once the weights are loaded: something else sets it.")
            return
        if not logits.equal(compute_logits(other, tokens)):
            yield failure(
                "Saved and loaded weights give other logits: something that counts is neither a parameter nor a "
                "persistent buffer."
            )
            return
    if _tied_groups(model) != _tied_groups(stored) or _tied_groups(model) != _tied_groups(_cast(subject.build())):
        yield failure(
            "Weights that are tied come apart when they are loaded or cast: tie the parameter, not its memory."
        )
        return
    yield from _check_moving(subject, tokens[:, :BEYOND].contiguous())


def _cast(model: SequenceModel) -> SequenceModel:
    """Cast the model to float64 if possible, which gives its tensors new memory."""
    with suppress(Exception):
        return model.double()
    return model


def _check_moving(subject: Subject, tokens: torch.Tensor) -> Iterator[Finding]:
    """Move the model to CUDA if available, else to the meta device (which holds no data), and call it there."""
    device = "cuda" if torch.cuda.is_available() else "meta"
    model, tokens = subject.build().to(device).eval(), tokens.to(device)
    try:
        with _OneDevice(), torch.no_grad():
            model(tokens)
            _, state = model.prefill(tokens, model.begin(len(tokens)))
            model.step(tokens[:, 0], state)
    except Exception as error:
        text = str(error).lower()
        if device == "cuda" or all(word in text for word in ELSEWHERE):
            yield failure(f"It cannot be moved to another device: {describe_error(error)} {ADVICE}")


class _OneDevice(TorchDispatchMode):
    """Dispatch mode that refuses operations on tensors of several devices; the meta device permits some of them."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: with True the first call loads torch's compiler."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = (leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor) and leaf.dim())
        devices = sorted({tensor.device.type for tensor in tensors})
        if len(devices) > 1 and func not in MOVING:
            raise RuntimeError(f"{func} has tensors on more than one device: {' and '.join(devices)}.")
        return func(*args, **(kwargs or {}))


def _digest_saved(model: SequenceModel) -> dict[str, str]:
    """Map the name of every saved tensor to its SHA-256."""
    saved = state_of(model)
    return {name: digest for name, digest in digests(model).items() if name in saved}


def _tied_groups(model: SequenceModel) -> list[list[str]]:
    """Return groups of names of parameters that share memory."""
    groups: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        groups.setdefault(parameter.data_ptr(), []).append(name)
    return sorted(group for group in groups.values() if group[1:])


CHECK = Check(
    "weights",
    "Saved, loaded and moved, a model is the same.",
    find,
    needs=("shape", "determinism"),
)
