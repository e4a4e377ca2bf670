"""Whether models of several seeds can be stacked and run as one, by torch.func.vmap."""

import copy
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from zoo.blame import reason
from zoo.conformance.check import Check, Finding, information
from zoo.conformance.subject import Subject, apart, logits_of


def find(subject: Subject) -> Iterator[Finding]:
    """Two seeds, in evaluation mode; says yes or why not, and never fails."""
    models = [subject.fresh(seed=seed).eval() for seed in (0, 1)]
    tokens = subject.tokens(2, subject.context + 1)
    try:
        parameters, buffers = stack_module_state(list(models))
        shell = copy.deepcopy(models[0]).to("meta")

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
            return functional_call(shell, (parameters, buffers), (tokens,))

        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of operations that vmap runs one by one
            together = vmap(one, randomness="different")(parameters, buffers)
        alone = torch.stack([logits_of(model, tokens) for model in models])
        same = apart(alone, together) < 1e-4
    except Exception as error:
        yield information(f"Seeds cannot be stacked with vmap: {reason(error)}")
        return
    yield information("Seeds can be stacked with vmap." if same else "vmap over seeds gives other logits.")


CHECK = Check("stacking", "For information: whether vmap can stack seeds.", find, needs=("shape",))
