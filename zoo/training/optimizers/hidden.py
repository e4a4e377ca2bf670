"""Which parameters of a model are hidden matrices."""

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd


def hidden_matrices(model: nn.Module, vocab_size: int | None) -> set[str]:
    """Return the names of the trained parameters that map hidden values to hidden values.

    These are real matrices (rows, columns), whoever holds them, and kernels of ungrouped convolutions (out, in, ...),
    taken as (out, in · k). The gates of an LSTM and the three projections of attention count as one matrix each, as
    they are stored.

    Left out are tables of embeddings, whatever is tied to one, and every matrix with an axis of V: the head, and
    whatever takes one-hot tokens. A hidden layer that happens to be V wide is left out too, and stacks of matrices.

    Args:
        vocab_size: V; None if no axis is a vocabulary.
    """
    tables, kernels = set[Tensor](), set[Tensor]()
    for module in model.modules():
        own = set(module.parameters(recurse=False))
        if isinstance(module, nn.Embedding | nn.EmbeddingBag):
            tables |= own
        elif isinstance(module, _ConvNd) and not isinstance(module, _ConvTransposeNd) and module.groups == 1:
            kernels |= own
    return {
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
        and parameter not in tables
        and vocab_size not in parameter.shape[:2]
        and (parameter.dim() == 2 or (parameter in kernels and parameter.dim() > 2))
        and parameter.is_floating_point()
    }
