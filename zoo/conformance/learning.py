"""Check that a model memorises 8 documents as far as its receptive field allows, and uses all of its parameters."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from zoo.conformance.auxiliary_loss import check_auxiliary_loss
from zoo.conformance.check import Check, Finding, failure, remark
from zoo.conformance.counting import check_counting
from zoo.conformance.determinism import SETTINGS
from zoo.conformance.subject import CPU, Subject, compute_logits
from zoo.data.rows import Batch, DocumentRows
from zoo.data.tokens import Tokens
from zoo.models.interface import SequenceModel, is_counted
from zoo.models.recipes import choose_recipe, list_recipes
from zoo.probes.receptive_field import perturb_weights
from zoo.surroundings import isolated
from zoo.tokens import BOUNDARY, IGNORED
from zoo.training.loop import TrainStep
from zoo.training.loss import cross_entropy
from zoo.training.optimizers.groups import describe_ignored
from zoo.training.trainable import why_not_trained

DOCUMENTS = ("abba", "abacus", "babel", "cab", "ebb", "decade", "fade", "deaf")
STEPS, EVALUATE_EVERY = 600, 20
"""Maximum number of training steps; steps between evaluations. Warm-up ends at the first evaluation."""
LONG, LONG_ROW_MODELS = 150, 4
"""Minimum length of a long row; number of models that run on long rows."""
LEARNED_WITHIN = 0.05
"""Distance in nats from the lowest loss that the receptive field allows, within which documents count as learned."""
REMARKABLE = 0.5
"""Difference in nats between the first loss and that of a uniform guess, above which a remark is made."""


def find(subject: Subject) -> Iterator[Finding]:
    """Train on full batches with AdamW until one trial works: the recipe's rate, other rates, then evaluation mode.

    A model of counts counts them instead.
    """
    if is_counted(subject.model):
        yield from check_counting(subject, encode(subject.vocab_size))
        return
    if why := why_not_trained(subject.build()):
        yield failure(f"It {why}")
        return
    findings = list(check_auxiliary_loss(subject))
    yield from findings
    if any(finding.kind == "failure" for finding in findings):
        return
    if notice := describe_ignored(subject.model):
        yield remark(f"Its {notice}")
    subject, batch = subject.at_short_context(), documents(subject.vocab_size)
    first, uniform = loss_of(subject.build().eval(), batch), math.log(subject.vocab_size)
    if abs(first - uniform) > REMARKABLE:
        yield remark(
            f"The first loss is {first:.2f}, a uniform guess has {uniform:.2f}: scale the last layer down at the start."
        )
    model = subject.build()
    least = conditional_entropy(batch, model.receptive_field)
    best, moved = math.inf, set[str]()
    for lr, training in [(lr, True) for lr in dict.fromkeys((_adamw_rate(model), 1e-2, 3e-2, 3e-3))] + [(1e-2, False)]:
        model = subject.build().train(training)
        best = min(best, _train(model, batch, lr, least, moved))
        if best <= least + LEARNED_WITHIN:
            break
    else:
        training = True
    _backpropagate_long_rows(subject, moved)
    unmoved = [name for name, value in model.named_parameters() if value.requires_grad and name not in moved]
    if unmoved:
        more = f" and {len(unmoved) - 1} more" if unmoved[1:] else ""
        yield failure(f"Parameter '{unmoved[0]}'{more} never has a gradient: nothing that is learned depends on it.")
    elif not math.isfinite(best):
        yield failure(
            f"On {len(DOCUMENTS)} documents the loss or a gradient is not finite after {EVALUATE_EVERY} steps."
        )
    elif best > least + LEARNED_WITHIN and _are_probabilities(compute_logits(model, batch.pad()[0])):
        yield failure("What it returns adds up to 1, as after a softmax: return logits, the loss has a softmax itself.")
    elif best > least + LEARNED_WITHIN:
        yield failure(
            f"After {STEPS} steps on {len(DOCUMENTS)} documents the loss is {best:.3f}; the tokens that it sees allow "
            f"{least:.3f}. Something that it should see does not reach the logits, or its gradient does not come back."
        )
    elif not training:
        yield remark("It learns the documents in evaluation mode alone: without dropout, on running statistics.")


def documents(vocab_size: int) -> Batch:
    """Return `DOCUMENTS` as one batch."""
    return DocumentRows(encode(vocab_size), CPU).batch(0, 0, len(DOCUMENTS))


def encode(vocab_size: int) -> Tokens:
    """Return `DOCUMENTS` as tokens."""
    tokens = [np.array([ord(letter) - ord("a") + 1 for letter in text], dtype=np.int32) for text in DOCUMENTS]
    return Tokens.of(document % vocab_size for document in tokens)


def conditional_entropy(batch: Batch, field: int | None) -> float:
    """Return the lowest loss on the batch (nats per token) of a model that sees the last `field` tokens (None: all)."""
    follows: dict[tuple[int, ...], Counter[int]] = {}
    for tokens, targets in zip(*(rows.tolist() for rows in batch.pad()), strict=True):
        for t, target in enumerate(targets):
            if target != IGNORED:
                past = tokens[: t + 1] if field is None else ([BOUNDARY] * field + tokens[: t + 1])[-field:]
                follows.setdefault(tuple(past), Counter())[target] += 1
    nats = sum(-count * math.log(count / found.total()) for found in follows.values() for count in found.values())
    return nats / batch.target_count


def _are_probabilities(logits: Tensor) -> bool:
    """Return whether (B, T, V) are nonnegative and sum to 1 over V."""
    return bool((logits >= 0).all()) and torch.allclose(logits.sum(-1), torch.ones(()), atol=1e-3)


def _backpropagate_long_rows(subject: Subject, moved: set[str]) -> None:
    """Add to `moved` the parameters that have a gradient on long, varied rows, as rare experts may need."""
    for seed in range(LONG_ROW_MODELS):
        model, tokens = subject.build(seed=seed), subject.tokens(4, max(LONG, 3 * subject.context + 2), seed=seed)
        with isolated(CPU, seed=seed), torch.enable_grad():
            perturb_weights(model)
            cross_entropy(model(tokens), tokens.roll(-1, 1)).backward()
        moved |= {name for name, value in model.named_parameters() if value.grad is not None and value.grad.any()}


def loss_of(model: SequenceModel, batch: Batch) -> float:
    """Return the mean loss in nats per token."""
    tokens, targets = batch.pad()
    return cross_entropy(compute_logits(model, tokens), targets).item()


def _adamw_rate(model: SequenceModel) -> float:
    return choose_recipe(list_recipes(model), optimizer="adamw", targets=None).lr


def _train(model: SequenceModel, batch: Batch, lr: float, least: float, moved: set[str]) -> float:
    """Train until the documents are learned or the steps end; return the best loss in evaluation mode.

    Adds the names of parameters that had a nonzero gradient to `moved`.
    """
    for name, parameter in model.named_parameters():

        def remember(parameter: Tensor, name: str = name) -> None:
            if parameter.grad is not None and parameter.grad.any():
                moved.add(name)

        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(remember)
    best, training = math.inf, model.training
    with isolated(CPU, seed=0), torch.enable_grad():
        step = TrainStep(model, replace(SETTINGS, weight_decay=0.0), CPU)
        for number in range(STEPS):
            step(batch, lr * min(1.0, (number + 1) / EVALUATE_EVERY))
            if (number + 1) % EVALUATE_EVERY == 0:
                best = min(best, loss_of(model.eval(), batch))
                model.train(training)
                if best <= least + LEARNED_WITHIN:
                    break
    return best


CHECK = Check(
    "learning",
    "Learns what it sees of 8 documents, with all parameters.",
    find,
    needs=("shape", "determinism", "causality", "packing"),
)
