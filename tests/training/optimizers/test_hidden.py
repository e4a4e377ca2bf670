"""Which parameters of a model Muon takes."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from trained_models import TRAINED

from zoo.models.interface import SequenceModel
from zoo.training.optimizers.hidden import hidden_matrices


def names(model: SequenceModel) -> set[str]:
    return hidden_matrices(model, model.vocab_size)


NO_MATRICES = (".mixer.conv.weight", ".log_rate", ".recurrence.gates")
"""Names of filters of one channel each, of rates, and of stacks with a matrix for each head."""


@pytest.mark.parametrize("name", TRAINED)
def test_every_built_in_model_has_all_its_matrices_taken_but_embeddings_and_the_head(
    name: str, make_model: Callable[..., SequenceModel]
) -> None:
    model = make_model(name)
    many = {name for name, parameter in model.named_parameters() if parameter.dim() >= 2}
    matrices = {name for name in many if not name.endswith(NO_MATRICES)}
    left = {"bigram": {"table.weight"}}.get(name, {"embedding.weight", "head.weight"})
    assert names(model) == matrices - left
    assert left <= matrices


def test_a_tied_head_is_left_out(make_model: Callable[..., SequenceModel]) -> None:
    tied = make_model("transformer", tied=True, positions="learned", places=4)
    assert {name for name, p in tied.named_parameters() if p.dim() >= 2} - names(tied) == {
        "embedding.weight",
        "positions.weight",
    }


class Other(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bare = nn.Parameter(torch.zeros(3, 5))
        self.to_logits = nn.Parameter(torch.zeros(5, 27))
        self.kernel, self.image = nn.Conv1d(4, 6, 3), nn.Conv2d(4, 6, 3)
        self.depthwise, self.transposed = nn.Conv1d(4, 4, 3, groups=4), nn.ConvTranspose1d(4, 6, 3)
        self.experts = nn.Parameter(torch.zeros(2, 3, 5))
        self.poles = nn.Parameter(torch.zeros(3, 5, dtype=torch.complex64))
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        self.norm, self.bags = nn.LayerNorm(5), nn.EmbeddingBag(9, 5)


def test_bare_matrices_and_kernels_are_taken_and_nothing_that_is_no_matrix_between_hidden_values() -> None:
    assert hidden_matrices(Other(), 27) == {"bare", "kernel.weight", "image.weight"}
