"""Check that a seed determines weights and logits, calls have no side effects, and only the model sets its weights."""

import hashlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from zoo.conformance.check import Check, Finding, failure, note_place
from zoo.conformance.subject import CPU, ROUNDING, Subject, compute_logits, relative_difference
from zoo.models.interface import is_counted
from zoo.probes.dependence import DRAWS, KEEPS, random_state
from zoo.probes.future import replace_future
from zoo.surroundings import Surroundings, isolated
from zoo.training.loop import Settings, TrainStep
from zoo.training.model_state import to_bytes

SETTINGS = Settings(
    steps=1,
    batch_size=1,
    optimizer="adamw",
    schedule="constant",
    lr=1e-3,
    weight_decay=0.1,
    warmup=0.0,
    clip=1.0,
    evaluations=1,
    dtype="float32",
)
DRAW = (
    "draw random numbers from torch, `random` or `numpy.random`, which are seeded for it, and not from the clock, the "
    "operating system or a generator without a seed; of a library, give it a seed or turn it off"
)


def find(subject: Subject) -> Iterator[Finding]:
    """Compare weights of one seed, weights with and without the harness, and logits and weights after a call."""
    surroundings = Surroundings()
    model, again = subject.build(seed=3), subject.build(seed=3)
    weights = digests(model)
    if changed := first_difference(weights, digests(again)):
        yield failure(f"One seed gives two different '{changed}': {DRAW}.")
        return
    with isolated(CPU, seed=3):
        alone = _build_alone(subject)
    if changed := first_difference(weights, digests(alone)):
        yield failure(f"'{changed}' is not as the class initialises it: something outside of the class changed it.")
        return
    if not is_counted(subject.model):
        TrainStep(model.to(CPU), SETTINGS, CPU)
    if changed := first_difference(weights, digests(model)):
        yield failure(f"'{changed}' has changed before the first step: something outside of the class changed it.")
        return
    if _reseeds(subject):
        yield failure("It seeds random numbers itself, so all seeds give the same run: leave seeding to the caller.")
        return
    tokens = subject.tokens(2, subject.beyond(2) + 1)
    for B, T in (tokens.shape, *subject.scored):
        with note_place(f"on tokens of shape ({B}, {T}), N={subject.context}"):
            found = _find_trace(subject, B, T)
        if changes := surroundings.restore():
            yield failure(f"A call changes {', '.join(changes)}: this would affect other models of the process.")
            return
        if found:
            yield found
            return
    models = [subject.build_perturbed().train() for _ in range(2)]
    before = digests(models[0])
    first, other = (compute_logits(model, tokens) for model in models)
    if not first.equal(other):
        yield failure(f"One seed gives two different logits in training mode: {DRAW}.")
        return
    if not first.equal(compute_logits(models[0], tokens)) and before == digests(models[0]):
        yield failure(
            "In training mode the same tokens and random numbers give other logits the second time, and no buffer has "
            "changed: it keeps something as a plain attribute."
        )


def _find_trace(subject: Subject, B: int, T: int) -> Finding | None:
    """Find a side effect of an evaluation, on saved weights or on the next call's logits; use unseen tokens.

    A growing cache is no side effect, even as a buffer: it is not saved and changes no logits.
    """
    model, fresh = (subject.build_perturbed(torch.float32) for _ in range(2))
    tokens = subject.unseen_tokens(B, T)
    B = len(tokens)
    other = replace_future(tokens, subject.other_tokens(tokens), torch.arange(B) % T)  # rows with common beginnings
    saved = digests(model, saved=True)
    before = random_state()
    with torch.no_grad():
        first, then, again = (model(each.clone()).clone() for each in (tokens, other, tokens))
        alone = fresh(other.clone())
    why = DRAWS if random_state() != before else KEEPS
    if changed := first_difference(saved, digests(model, saved=True)):
        return failure(
            f"Evaluating changes '{changed}', which is saved: only training may (look at self.training). A cache is a "
            "buffer with persistent=False."
        )
    repeats = (
        relative_difference(first, again) <= ROUNDING[torch.float32] if (B, T) in subject.scored else first.equal(again)
    )
    if not repeats or relative_difference(alone, then) > ROUNDING[torch.float32]:
        return failure(f"The same tokens ({B} rows of {T}) give other logits in evaluation mode the second time: {why}")
    return None


def _reseeds(subject: Subject) -> bool:
    """Return whether construction or a call seeds a generator: its state is then the same after two different seeds."""
    after = []
    for seed in (0, 1):
        with isolated(CPU, seed=seed):
            model = _build_alone(subject)
            built = _generator_states()
        with isolated(CPU, seed=seed), torch.no_grad():
            model.train()(subject.tokens(2, subject.context + 1))
            after.append(built + _generator_states())
    return any(one == other for one, other in zip(*after, strict=True))


def _generator_states() -> tuple[object, ...]:
    """Return the states of the generators of torch, Python and numpy, comparable with ==."""
    return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tolist()


def digests(model: nn.Module, *, saved: bool = False) -> dict[str, str]:
    """Map the name of every parameter and buffer, or only of the `saved` ones, to its SHA-256."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    names = [name for name in model.state_dict() if name in tensors] if saved else tensors
    return {name: hashlib.sha256(_bytes(tensors[name])).hexdigest() for name in names}


def first_difference(one: dict[str, str], other: dict[str, str]) -> str | None:
    """Return the first name whose digests differ, or None."""
    return next((name for name in {**one, **other} if one.get(name) != other.get(name)), None)


def _build_alone(subject: Subject) -> nn.Module:
    """Build the model by its class alone, without the harness."""
    return subject.model(subject.config, vocab_size=subject.vocab_size, context=subject.context)


def _bytes(tensor: torch.Tensor) -> bytes:
    return to_bytes(tensor).cpu().numpy().tobytes()


CHECK = Check(
    "determinism",
    "One seed, one model; nobody else sets its weights.",
    find,
    needs=("shape",),
)
