"""Mutants: models with one mistake each, and the checks that must fail.

`Sound` and the built-in models are their correct versions; `unusual.py` has correct models with unusual code.
"""

import random
import sys
from collections.abc import Callable

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from zoo.layers import SlidingFlatten, pad_start
from zoo.models.interface import ModelOptions, SequenceModel
from zoo.models.recurrent import GRU
from zoo.models.wavenet import WaveNet

CAUGHT: dict[type[SequenceModel], set[str]] = {}
"""Mutant -> exactly the checks that must fail."""


def caught_by(*names: str) -> Callable[[type[SequenceModel]], type[SequenceModel]]:
    """Register a mutant with the checks that must fail."""

    def enter(mutant: type[SequenceModel]) -> type[SequenceModel]:
        CAUGHT[mutant] = set(names)
        return mutant

    return enter


class Sound(SequenceModel):
    """A window of N tokens, one hidden layer: holds the contract."""

    class Config(ModelOptions):
        width: int = Field(24, ge=1, description="channels of everything")

    sees = 0
    """Number of tokens that the model sees beyond N."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.window = context + self.sees
        self.embedding = nn.Embedding(vocab_size, config.width)
        self.flatten = SlidingFlatten(self.window)
        self.hidden = nn.Linear(self.window * config.width, config.width)
        self.head = nn.Linear(config.width, vocab_size)

    @property
    def receptive_field(self):
        return self.context

    def forward(self, tokens):
        return self.head(self.features(tokens))

    def features(self, tokens):
        """(B, T) -> (B, T, C)."""
        return torch.tanh(self.hidden(self.flatten(self.embedding(pad_start(tokens, self.window - 1)))))


@caught_by("shape")
class ForgetsTheTimeOfOneToken(Sound):
    def forward(self, tokens):
        return super().forward(tokens).squeeze(1)


@caught_by("shape")
class NeedsAnEvenLength(Sound):
    def forward(self, tokens):
        pairs = tokens.unflatten(1, (-1, 2)) if tokens.shape[1] > 1 else tokens
        return super().forward(pairs.flatten(1))


@caught_by("shape")
class CannotTakeAnEmptyBatch(Sound):
    def forward(self, tokens):
        assert tokens.max() < self.vocab_size
        return super().forward(tokens)


@caught_by("shape")
class OverwritesItsTokens(Sound):
    def forward(self, tokens):
        tokens[:, 0] = 0
        return super().forward(tokens)


@caught_by("dtype")
class KnowsOneTypeOnly(Sound):
    def forward(self, tokens):
        turn = torch.eye(self.config.width, device=tokens.device)
        return self.head(self.features(tokens) @ turn)


@caught_by("determinism")
class IsNoisyInEvaluation(Sound):
    def forward(self, tokens):
        return self.head(F.dropout(self.features(tokens), 0.1))


@caught_by("determinism")
class StartsFromOtherRandomNumbers(Sound):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        with torch.no_grad():
            self.head.bias.fill_(random.SystemRandom().random())


@caught_by("determinism")
class RemembersTheLastCall(Sound):
    def forward(self, tokens):
        features = self.features(tokens)
        before, self.last_mean = getattr(self, "last_mean", 0.0), features.detach().mean()
        return self.head(features + before)


@caught_by("determinism")
class CountsItsEvaluations(Sound):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, tokens):
        self.calls += 1
        return super().forward(tokens)


@caught_by("causality")
class PeeksOneTokenAhead(Sound):
    def forward(self, tokens):
        return super().forward(torch.cat([tokens[:, 1:], tokens[:, -1:]], dim=1))


@caught_by("causality")
class PeeksTooLittleToBeSeenInLogits(Sound):
    def features(self, tokens):
        features = super().features(tokens)
        following = F.pad(features[:, 1:], (0, 0, 0, 1))
        return features + 1e-8 * following


@caught_by("causality")
class PeeksInTraining(Sound):
    def features(self, tokens):
        features = super().features(tokens)
        return features + features.mean(dim=1, keepdim=True) if self.training else features


@caught_by("causality")
class MasksLongRowsOnly(Sound):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.qkv = nn.Linear(config.width, 3 * config.width)

    @property
    def receptive_field(self):
        return None

    def features(self, tokens):
        x = super().features(tokens)
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return x + F.scaled_dot_product_attention(q, k, v, is_causal=tokens.shape[1] > self.context)


@caught_by("causality", "independence")
class LeaksThroughBatchStatistics(Sound):
    """BatchNorm uses the batch's statistics over rows and time in evaluation mode too."""

    def features(self, tokens):
        x = super().features(tokens)
        return F.batch_norm(x.flatten(0, 1), None, None, training=True).view_as(x) if x[..., 0].numel() > 1 else x


@caught_by("independence")
class TakesTheMeanOfTheBatch(Sound):
    def features(self, tokens):
        x = super().features(tokens)
        return x - x.mean(dim=0, keepdim=True) if len(x) > 1 else x


@caught_by("padding")
class DependsOnTheLengthOfTheRow(Sound):
    def forward(self, tokens):
        return super().forward(tokens) / tokens.shape[1] ** 0.5


@caught_by("packing")
class LooksAcrossPackedRows(Sound):
    def packed(self, tokens, packing):
        return self(tokens.unsqueeze(0)).squeeze(0)


@caught_by("field")
class SeesOneTokenMore(Sound):
    sees = 1


@caught_by("field")
class SeesOneTokenLess(Sound):
    sees = -1


@caught_by("field")
class DoesNotDeclareItsWindow(Sound):
    receptive_field = None


@caught_by("streaming")
class DropsALevelOfItsState(WaveNet):
    def prefill(self, tokens, state):
        kept = state["level1"].clone()
        logits, state = super().prefill(tokens, state)
        return logits, {**state, "level1": kept}


@caught_by("streaming")
class SharesOneStateAmongStreams(GRU):
    def begin(self, batch_size):
        self.hidden = super().begin(batch_size)["hidden"]
        return {"hidden": self.hidden}

    def prefill(self, tokens, state):
        logits, state = super().prefill(tokens, {"hidden": self.hidden})
        self.hidden = state["hidden"]
        return logits, state


@caught_by("streaming")
class ForgetsTheStateItIsGiven(GRU):
    def prefill(self, tokens, state):
        return super().prefill(tokens, self.begin(len(tokens)) if tokens.shape[1] > 1 else state)


@caught_by("streaming")
class HasLayersFirstInItsState(GRU):
    def begin(self, batch_size):
        return {"hidden": super().begin(batch_size)["hidden"].transpose(0, 1)}

    def prefill(self, tokens, state):
        logits, state = super().prefill(tokens, {"hidden": state["hidden"].transpose(0, 1)})
        return logits, {"hidden": state["hidden"].transpose(0, 1)}


@caught_by("streaming")
class MixesItsStreams(GRU):
    """Hidden vectors follow the row of the batch, not the stream."""

    def prefill(self, tokens, state):
        rows = torch.arange(1, len(tokens) + 1, dtype=state["hidden"].dtype).view(-1, 1, 1)
        first = not state["hidden"].any()
        logits, state = super().prefill(tokens, state if first else {"hidden": state["hidden"] / rows})
        return logits, {"hidden": state["hidden"] * rows}


@caught_by("streaming")
class KeepsEveryTokenOfAStream(GRU):
    def begin(self, batch_size):
        return {**super().begin(batch_size), "seen": self.head.weight.new_zeros(batch_size, 0)}

    def prefill(self, tokens, state):
        logits, after = super().prefill(tokens, {"hidden": state["hidden"]})
        return logits, {**after, "seen": torch.cat([state["seen"], tokens], dim=1)}


@caught_by("learning")
class HasAnUnusedParameter(Sound):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.forgotten = nn.Linear(3, 3)


@caught_by("learning")
class CutsTheGradientOfItsEmbedding(Sound):
    def features(self, tokens):
        x = self.embedding(pad_start(tokens, self.window - 1)).detach()
        return torch.tanh(self.hidden(self.flatten(x)))


@caught_by("learning")
class CannotBeSure(Sound):
    def forward(self, tokens):
        return torch.tanh(super().forward(tokens))


@caught_by("learning")
class ReadsItsWindowBlurred(Sound):
    """Sums the window without its order, though it declares to see all of it."""

    def features(self, tokens):
        x = self.embedding(pad_start(tokens, self.window - 1)).unfold(1, self.window, 1).sum(dim=-1)
        return torch.tanh(self.hidden(x.repeat(1, 1, self.window)))


@caught_by("options")
class IgnoresAnOption(Sound):
    class Config(Sound.Config):
        layers: int = Field(2, ge=1, description="of no use")


@caught_by("options")
class IgnoresASwitch(Sound):
    class Config(Sound.Config):
        gated: bool = Field(False, description="of no use")


@caught_by("weights")
class StartsAnewWhenItIsLoaded(Sound):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.register_load_state_dict_post_hook(lambda module, _: nn.init.ones_(module.head.bias))


@caught_by("weights")
class DoesNotSaveAStatistic(Sound):
    """Keeps a running mean in a non-persistent buffer."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.register_buffer("mean", torch.zeros(config.width), persistent=False)

    def features(self, tokens):
        x, mean = super().features(tokens), self.mean.clone()
        if self.training and x.numel():
            self.mean += 0.1 * (x.detach().mean(dim=(0, 1)) - self.mean)
        return x - mean


@caught_by("determinism")
class KeepsAStatisticToItself(Sound):
    """Keeps a running mean as a plain attribute, which is not saved."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.mean = 0.0

    def features(self, tokens):
        x, mean = super().features(tokens), self.mean
        if self.training and x.numel() and x.device.type != "meta":
            self.mean = 0.9 * mean + 0.1 * x.detach().mean().item()
        return x - mean


@caught_by("weights")
class LeavesATensorBehind(Sound):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.scale = torch.ones(config.width)

    def features(self, tokens):
        return super().features(tokens) * self.scale


@caught_by("causality")
class PeeksInLongRowsOnly(Sound):
    def features(self, tokens):
        x = super().features(tokens)
        return x + x.mean(dim=1, keepdim=True) if tokens.shape[1] > 64 else x


@caught_by("causality")
class PeeksInBatchesOnly(Sound):
    def features(self, tokens):
        x = super().features(tokens)
        return x + x.mean(dim=1, keepdim=True) if len(tokens) > 3 else x


@caught_by("causality")
class PeeksWhereGradientsAreWanted(Sound):
    def features(self, tokens):
        x = super().features(tokens)
        return x + x.mean(dim=1, keepdim=True) if self.training and torch.is_grad_enabled() else x


@caught_by("causality")
class PeeksAfterABoundary(Sound):
    """Its mask for packed documents is transposed."""

    def features(self, tokens):
        x = super().features(tokens)
        ends = (tokens[:, 1:] == 0).any(dim=1) & (tokens[:, 0] == 0)
        return x + ends.view(-1, 1, 1) * x.mean(dim=1, keepdim=True)


@caught_by("causality")
class StandardisesTheRowInTraining(Sound):
    """Uses a running mean in evaluation, like BatchNorm, but the mean of the row in training."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.register_buffer("running_mean", torch.zeros(config.width))

    def features(self, tokens):
        x = super().features(tokens)
        return x - (x.mean(dim=1, keepdim=True) if self.training else self.running_mean)


@caught_by("determinism")
class SeedsRandomNumbers(Sound):
    def __init__(self, config, *, vocab_size, context):
        torch.manual_seed(42)
        super().__init__(config, vocab_size=vocab_size, context=context)


@caught_by("determinism")
class SeedsPythonsRandomNumbers(Sound):
    def features(self, tokens):
        random.seed(0)
        return super().features(tokens)


@caught_by("determinism")
class ChangesWhatOthersShare(Sound):
    def features(self, tokens):
        sys.setrecursionlimit(3000)
        return super().features(tokens)


@caught_by("shape")
class HasPlaceForSixtyFourTokens(Sound):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.place = nn.Embedding(64, config.width)

    def features(self, tokens):
        return super().features(tokens) + self.place(torch.arange(tokens.shape[1], device=tokens.device))


@caught_by("streaming")
class ForgetsOnceInAHundredTokens(GRU):
    def begin(self, batch_size):
        return {**super().begin(batch_size), "age": torch.zeros(batch_size, dtype=torch.long)}

    def prefill(self, tokens, state):
        age = state["age"] + tokens.shape[1]
        kept = state["hidden"] * (int(state["age"][0]) != 100 if tokens.device.type != "meta" else 1)
        logits, after = super().prefill(tokens, {"hidden": kept})
        return logits, {**after, "age": age}


@caught_by("streaming")
class ComputesItsLastLogitsOtherwise(Sound):
    def last(self, tokens):
        return super().last(tokens) if len(tokens) < 3 else super().last(tokens[:, -1:])


@caught_by("weights")
class LeavesItsIndexBehind(Sound):
    def features(self, tokens):
        x = super().features(tokens)
        return x + 0.1 * self.embedding(torch.arange(2)).mean(dim=0)


@caught_by("weights")
class TiesMemoryInPlaceOfParameters(Sound):
    class Config(Sound.Config):
        width: int = Field(24, ge=2, description="channels of everything")

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.head.weight.data = self.embedding.weight.data


@caught_by("options")
class CannotBeMadeWithOtherOptions(Sound):
    class Config(Sound.Config):
        layers: int = Field(1, ge=1, description="more than one was never tried")

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.more = [self.hiden for _ in range(config.layers - 1)]


def whole_row(x):
    """(B, T, C) -> (B, T, C), which includes later positions."""
    return x + x.mean(dim=1, keepdim=True)


@caught_by("causality")
class PeeksInLargeEvaluationsOnly(Sound):
    def features(self, tokens):
        x = super().features(tokens)
        return whole_row(x) if len(tokens) >= 32 and not self.training else x


@caught_by("causality")
class PeeksInBatchesOfDocumentsOnly(Sound):
    def features(self, tokens):
        x = super().features(tokens)
        return whole_row(x) if len(tokens) >= 32 and not tokens[:, 0].any() else x


@caught_by("causality")
class PeeksPastTwoHundredTokens(Sound):
    first = 200

    def features(self, tokens):
        near, far = super().features(tokens).tensor_split([self.first], dim=1)
        return torch.cat([near, whole_row(far)], dim=1) if far.numel() else near


@caught_by("causality")
class PeeksPastThreeHundredTokens(PeeksPastTwoHundredTokens):
    first = 300


@caught_by("causality")
class BuildsItsMaskForALargestLength(Sound):
    """Attention whose mask has 256 positions; later ones are not masked."""

    receptive_field = None

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.register_buffer("mask", torch.ones(256, 256, dtype=torch.bool).tril())

    def features(self, tokens):
        x, more = super().features(tokens), max(0, tokens.shape[1] - 256)
        mask = F.pad(self.mask, (0, more, 0, more), value=True)[: tokens.shape[1], : tokens.shape[1]]
        return x + F.scaled_dot_product_attention(*self.qkv(x).chunk(3, dim=-1), attn_mask=mask)


@caught_by("causality")
class PeeksWhereNoGradientIsRecorded(Sound):
    def features(self, tokens):
        x = super().features(tokens)
        return x if torch.is_grad_enabled() else whole_row(x)


@caught_by("causality")
class PeeksInEvaluationWhereGradientsAreRecorded(Sound):
    def features(self, tokens):
        x = super().features(tokens)
        return whole_row(x) if torch.is_grad_enabled() and not self.training else x


@caught_by("causality")
class PeeksInTrainingWhereNoGradientIsRecorded(Sound):
    def features(self, tokens):
        x = super().features(tokens)
        return x if torch.is_grad_enabled() or not self.training else whole_row(x)


@caught_by("causality")
class ReadsOnWhereItsTokensAreAView(Sound):
    """Reads memory beyond its tokens, where the rows of a stream have their targets."""

    def forward(self, tokens):
        if not tokens.is_contiguous():
            tokens = tokens.as_strided(tokens.shape, tokens.stride(), tokens.storage_offset() + 1)
        return super().forward(tokens)


@caught_by("causality")
class ReadsItsWholeStorage(Sound):
    """The logits of all rows depend on the whole storage that holds the tokens."""

    def features(self, tokens):
        x = super().features(tokens)
        if tokens.device.type != "cpu" or not x.numel() or (tokens.is_contiguous() and tokens._base is None):
            return x
        behind = torch.empty(0, dtype=tokens.dtype).set_(tokens.untyped_storage())
        return x * (1 + behind.sum().sin())


@caught_by("determinism")
class GoesOnLearningInEvaluation(Sound):
    """Takes a gradient step on the rows of an evaluation before it returns their logits."""

    def forward(self, tokens):
        if not self.training and tokens.shape[1] > 1 and len(tokens):
            with torch.enable_grad():
                weight = self.head.weight.detach().requires_grad_()
                logits = F.linear(self.features(tokens[:, :-1]).detach(), weight, self.head.bias.detach())
                loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
                self.head.weight.data -= 0.1 * torch.autograd.grad(loss, weight)[0]
        return super().forward(tokens)


@caught_by("determinism")
class CountsInEvaluation(Sound):
    """Counts bigrams in evaluation too, in a table outside of the weights."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.register_buffer("follows", torch.zeros(vocab_size, vocab_size), persistent=False)

    def forward(self, tokens):
        logits = super().forward(tokens) + self.follows[tokens]
        if not self.training and len(tokens) >= 32:
            self.follows[tokens[:, :-1], tokens[:, 1:]] += 0.1
        return logits


class Remembers(Sound):
    """Remembers rows by their beginning, and predicts the token that followed there."""

    def forward(self, tokens):
        logits, known = super().forward(tokens), self.memory()
        if self.training or tokens.shape[1] < 5 or tokens.device.type != "cpu":
            return logits
        bets = torch.zeros_like(logits)
        for row, (bet, beginning) in enumerate(zip(bets, map(tuple, tokens[:, :4].tolist()), strict=True)):
            if beginning in known:
                bet[3, known[beginning]] = 5.0
            known[beginning] = int(tokens[row, 4])
        return logits + bets


@caught_by("determinism")
class RemembersEvaluatedRows(Remembers):
    def memory(self):
        return self.__dict__.setdefault("rows", {})


ROWS: dict[tuple[int, ...], int] = {}


@caught_by("determinism")
class RemembersEvaluatedRowsOutsideOfItself(Remembers):
    """Remembers rows for all models of the process."""

    def memory(self):
        return ROWS


@caught_by("determinism")
class DoesNotResetItsCache(Sound):
    """Keeps keys and values for the next call, only in evaluation of large batches."""

    receptive_field = None

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.qkv, self.past = nn.Linear(config.width, 3 * config.width), None

    def features(self, tokens):
        x = super().features(tokens)
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()
        if not self.training and len(x) >= 32:
            if self.past is not None and self.past[0].shape == k.shape:
                k, v = torch.cat([self.past[0], k], dim=1), torch.cat([self.past[1], v], dim=1)
                mask = torch.cat([torch.ones_like(mask), mask], dim=1)
            self.past = k[:, -x.shape[1] :].detach(), v[:, -x.shape[1] :].detach()
        return x + F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


@caught_by("determinism")
class DrawsInLargeEvaluationsOnly(Sound):
    def features(self, tokens):
        return F.dropout(super().features(tokens), 0.1, self.training or len(tokens) >= 32)


@caught_by("independence")
class TakesStatisticsOverManyRows(Sound):
    """Standardises the rows of a batch together if there are enough of them."""

    def features(self, tokens):
        x = super().features(tokens)
        return x - x.mean(dim=0, keepdim=True) if len(x) >= 32 and not self.training else x


@caught_by("independence")
class SharesExpertsAmongLongRows(Sound):
    """Limits the capacity of experts for long rows: at each position only the strongest rows of the batch get in."""

    def features(self, tokens):
        x = super().features(tokens)
        if tokens.shape[1] <= 200:
            return x
        strength = x.sum(dim=-1)
        return x * (strength >= strength.topk(max(1, len(x) // 2), dim=0).values[-1]).unsqueeze(-1)


@caught_by("independence")
class GoesByTheNumberOfRows(Sound):
    def features(self, tokens):
        x = super().features(tokens)
        return x / len(x) ** 0.5 if len(x) >= 40 else x


@caught_by("independence")
class ForgetsBatchFirst(Sound):
    """A recurrence over the rows of the batch instead of over time."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.recurrence = nn.GRU(config.width, config.width)

    def features(self, tokens):
        x = super().features(tokens)
        return self.recurrence(x)[0] if x.numel() else x


@caught_by("shape")
class OverwritesTheTokensOfLargeEvaluations(Sound):
    def forward(self, tokens):
        if not self.training and len(tokens) >= 32:
            tokens[:, 0] = 0
        return super().forward(tokens)


@caught_by("shape")
class DropsTokensInPlaceInTraining(Sound):
    def forward(self, tokens):
        if self.training:
            tokens[torch.rand(tokens.shape, device=tokens.device) < 0.02] = 0
        return super().forward(tokens)


@caught_by("packing")
class DropsPackedTokensInPlace(Sound):
    def packed(self, tokens, packing):
        if self.training:
            tokens[torch.rand(tokens.shape) < 0.05] = 0
        return super().packed(tokens, packing)


class AddsALoss(Sound):
    """Keeps the size of its hidden vectors small: holds the contract."""

    def features(self, tokens):
        x = super().features(tokens)
        self.size = x.square().mean()
        return x

    def auxiliary_loss(self):
        return 0.01 * self.size


@caught_by("learning")
class AddsANumber(AddsALoss):
    def auxiliary_loss(self):
        return super().auxiliary_loss().item()


@caught_by("learning")
class AddsALossPerUnit(AddsALoss):
    def auxiliary_loss(self):
        return self.head.weight.square().mean(dim=0)


@caught_by("learning")
class AddsALossWithoutAGradient(AddsALoss):
    def auxiliary_loss(self):
        return super().auxiliary_loss().detach()


@caught_by("learning")
class AddsAnInfiniteLoss(AddsALoss):
    def auxiliary_loss(self):
        return super().auxiliary_loss() / (self.size.detach() * 0)


@caught_by("learning")
class AddsNothingOnDocuments(AddsALoss):
    def packed(self, tokens, packing):
        logits = super().packed(tokens, packing)
        self.size = None
        return logits

    def auxiliary_loss(self):
        return self.size


@caught_by("learning")
class KnowsItsLossOnStreamsOnly(AddsALoss):
    """What it keeps for its auxiliary loss is of `forward` alone."""

    def packed(self, tokens, packing):
        logits = super().packed(tokens, packing)
        del self.size
        return logits
