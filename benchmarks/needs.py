"""Count what steps of a model need at least: floating-point operations, and bytes read or written.

Operations are those of `zoo.probes.flops`: matrix products, convolutions and attention, nothing else. Bytes are counted
as if everything passed through memory exactly once:

- training: parameters read and written (2), gradients written and read (2), AdamW's two moments read and written (4);
  and tensors saved for the backward pass, written once and read once;
- evaluation: parameters read once a batch, logits written and read;
- generation: parameters read once a token, logits written and read.

Temporaries of fused kernels and of the forward pass are not counted: this is a lower bound.
"""

import copy
from collections import Counter
from collections.abc import Sequence

import torch
from limits import Needs

from zoo.data.rows import Batch, Rows
from zoo.models.interface import SequenceModel
from zoo.probes.flops import FlopCounter
from zoo.training.evaluation import MAX_TOKENS
from zoo.training.loop import logits_of
from zoo.training.loss import cross_entropy

NUMBER = 4
"""Bytes of a float32."""
ADAMW = 8
"""Numbers moved per parameter in a step of AdamW."""


def of_training(model: SequenceModel, batches: Sequence[Batch], *, update: bool = True) -> Needs:
    """Needs of a training step, mean over the batches; without `update` of forward and backward alone."""
    counter, probed = (
        FlopCounter(copy.deepcopy(model), "packed" if batches[0].packing else "dense"),
        copy.deepcopy(model),
    )
    flops = counter.total(Counter(batch.shape for batch in batches))
    kept = sum(_kept(probed, batch) for batch in batches)
    moved = (ADAMW if update else 2) * NUMBER * _parameters(model)
    return Needs(flops / len(batches), moved + 2 * kept / len(batches))


def of_evaluation(model: SequenceModel, rows: Rows) -> Needs:
    """Needs of an evaluation of the whole split."""
    counter, flops, moved = FlopCounter(copy.deepcopy(model)), 0.0, 0.0
    for batch in rows.evaluation_batches(MAX_TOKENS):
        B, T = batch.tokens.shape
        flops += B * counter.forward(T)
        moved += NUMBER * (_parameters(model) + 2 * B * T * model.vocab_size)
    return Needs(flops, moved)


def of_generation(model: SequenceModel, *, streams: int, length: int) -> Needs:
    """Needs of generating `length` tokens of each stream: what they add to the operations of a forward pass."""
    counter = FlopCounter(copy.deepcopy(model))
    flops = streams * (counter.forward(length + 1) - counter.forward(1))
    return Needs(flops, NUMBER * length * (_parameters(model) + 2 * streams * model.vocab_size))


def _parameters(model: SequenceModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _kept(model: SequenceModel, batch: Batch) -> int:
    """Bytes saved for the backward pass, without parameters; tensors that share memory count once."""
    kept = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = cross_entropy(logits_of(model, batch), batch.targets)
    for parameter in model.parameters():
        kept.pop(parameter.untyped_storage().data_ptr(), None)
    del loss
    return sum(kept.values())
