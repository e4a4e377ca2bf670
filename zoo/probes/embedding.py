"""Put the tokens of an embedding into a plane, as the lecture makemore part 2 draws its two-dimensional one."""

import torch
from torch import nn

from zoo.errors import UsageError
from zoo.models.interface import SequenceModel
from zoo.probes.values import Plane


def find_plane(model: SequenceModel, tokens: list[str]) -> Plane:
    """Project the model's first embedding of all tokens: its two channels, or its two principal components.

    Args:
        tokens: V names.

    Raises:
        UsageError: it has no embedding of V tokens with two channels or more.
    """
    found = (
        (name, module.weight.detach().double())
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) and module.num_embeddings == len(tokens) and module.embedding_dim > 1
    )
    name, table = next(found, ("", None))
    if table is None:
        raise UsageError(
            f"{type(model).__name__} has no embedding of {len(tokens)} tokens with two channels or more to draw."
        )
    if table.shape[1] == 2:
        method, points = "its two channels", table
    else:
        centred = table - table.mean(0)
        _, sizes, directions = torch.linalg.svd(centred, full_matrices=False)
        share = float((sizes[:2] ** 2).sum() / (sizes**2).sum()) if sizes.any() else 0.0
        signs = directions[:2].gather(1, directions[:2].abs().argmax(1, keepdim=True)).sign()  # the same on any machine
        method = f"two principal components of its {table.shape[1]} channels, {share:.0%} of their variance"
        points = centred @ (directions[:2] * signs).T
    return Plane(name=name, method=method, tokens=tuple(tokens), points=tuple((x, y) for x, y in points.tolist()))
