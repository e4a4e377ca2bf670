"""Whether seeds of a model can be trained as a stack: tried on small batches, for nothing else can tell."""

import warnings
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from zoo.blame import reason
from zoo.data.rows import Batch
from zoo.models.interface import SequenceModel
from zoo.packing import Packing
from zoo.training.device import isolated
from zoo.training.filling import stacked
from zoo.training.loss import cross_entropy
from zoo.training.stack import Stack
from zoo.training.step import logits_of

CPU = torch.device("cpu")
NEAR = 1e-4


def why_not_stacked(make: Callable[[int], SequenceModel]) -> str | None:
    """The reason why seeds of a model cannot be trained as a stack, in a few words, or None where they can.

    Args:
        make: a fresh model of a seed, on the CPU.

    Documents, streams and windows are tried, each by two seeds: the losses and gradients of the stack are those of
    the models alone, and in training mode the same buffers move.
    """
    try:
        with isolated(CPU, seed=0), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of operations that vmap runs one by one
            models = [make(seed).eval() for seed in (0, 1)]
            for batches in _batches(models[0]):
                if not _agree(models, batches):
                    return "vmap gives other losses or gradients"
            alone, together = ([make(seed).train() for seed in (0, 1)] for _ in range(2))
            batches = next(_batches(alone[0]))
            stack = Stack(together)
            moved = _moved(alone[0], lambda: _loss(alone[0], batches[0]))
            if lost := moved - _moved(together[0], lambda: stack.losses(stacked(batches))):
                return f"vmap does not update {', '.join(sorted(lost))}"
    except Exception as error:
        return reason(error)
    return None


def _batches(model: SequenceModel) -> Iterator[list[Batch]]:
    """Two batches each of documents, of streams and of windows."""

    def tokens(*shape: int) -> Tensor:
        return torch.randint(model.vocab_size, shape)

    N = model.context  # noqa: N806
    packings = [Packing.of(torch.tensor(lengths)) for lengths in ([2, N + 2, 1], [N + 1, 3])]
    yield [Batch(tokens(len(p.row)), tokens(len(p.row)), p) for p in packings]
    yield [Batch(tokens(2, N + 1), tokens(2, N + 1)) for _ in range(2)]
    yield [Batch(tokens(3, N + 1), tokens(3, 1)) for _ in range(2)]


def _loss(model: SequenceModel, batch: Batch) -> Tensor:
    return cross_entropy(logits_of(model, batch), batch.targets)


def _agree(models: Sequence[SequenceModel], batches: Sequence[Batch]) -> bool:
    """Losses and gradients of a stack, in evaluation mode, against those of its models alone."""
    stack = Stack(models)
    together = stack.losses(stacked(batches))
    gradients = stack.gradient(together)
    for model, batch, loss, gradient in zip(models, batches, together, gradients, strict=True):
        expected = _loss(model, batch)
        trained = [p for p in model.parameters() if p.requires_grad]
        alone = torch.cat([part.flatten() for part in torch.autograd.grad(expected, trained)])
        near = (torch.allclose(*pair, rtol=NEAR, atol=NEAR) for pair in ((loss, expected), (gradient, alone)))
        if not all(near):
            return False
    return True


def _moved(model: SequenceModel, work: Callable[[], object]) -> set[str]:
    """The buffers that `work` changes."""
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    work()
    return {name for name, buffer in model.named_buffers() if not torch.equal(buffer, before[name])}
