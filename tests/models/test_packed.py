"""Every model gives the same logits and gradients for packed rows as for padded ones."""

from collections.abc import Callable

import pytest
import torch
from trained_models import TRAINED

from zoo.models.interface import SequenceModel
from zoo.models.transformer import LONGEST
from zoo.packing import Packing
from zoo.tokens import BOUNDARY, IGNORED
from zoo.training.loss import cross_entropy

LENGTHS = [3, 1, 11, 2, 8, 1, 17]
MODELS_AND_VARIANTS = [
    *TRAINED,
    "wavenet(tree=true)",
    "wavenet(tree=true,norm=per-position)",
    "wavenet(n=8)",
    "wavenet(norm=rms,activation=silu,gate=true,residual=true,skips=true)",
    "wavenet(tree=true,norm=layer,residual=true,skips=true)",
    "dilated-wavenet(norm=batch,gate=false,activation=relu,residual=false,skips=false)",
    "transformer(norm=rms,activation=silu,gate=true,positions=none)",
    "transformer(norm=none,residual=false)",
    "dilated-wavenet(kernel=3,stacks=2)",
    "transformer(positions=learned,places=4,tied=true)",
    "gru(layers=2)",
    "rg-lru(attention_every=2,window=5)",
    "hybrid(pattern=rg-lru/attention)",
    "mamba(conv=1,block=mlp)",
    "gla(decay=head)",
    "gla(decay=none,block=none)",
    "delta-net(gated=false,conv=0)",
]


@pytest.mark.parametrize(
    ("call", "lengths"),
    [*((call, LENGTHS) for call in MODELS_AND_VARIANTS), ("transformer", [LONGEST]), ("transformer", [3, LONGEST + 1])],
    ids=str,
)
def test_packed_rows_have_the_logits_and_gradients_of_padded_ones(
    call: str, lengths: list[int], make_model: Callable[..., SequenceModel]
) -> None:
    packing, model = Packing.of(torch.tensor(lengths)), make_model(call)
    tokens = torch.randint(model.vocab_size, packing.shape)
    tokens[:, 0] = BOUNDARY
    targets = torch.randint(model.vocab_size, packing.shape)
    outside = packing.pad(torch.ones(sum(lengths)), 0) == 0
    logits = model(tokens)
    cross_entropy(logits, targets.masked_fill(outside, IGNORED)).backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    packed = model.packed(packing.pack(tokens), packing)
    cross_entropy(packed, packing.pack(targets)).backward()
    torch.testing.assert_close(packed, packing.pack(logits), rtol=1e-10, atol=1e-10)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-8, atol=1e-10, msg=name)
