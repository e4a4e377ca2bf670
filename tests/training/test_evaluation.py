from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from trained_models import TRAINED

from zoo.data.corpus import Corpus
from zoo.data.rows import Rows
from zoo.models.interface import SequenceModel
from zoo.training.evaluation import evaluate

CPU = torch.device("cpu")
MakeModel = Callable[..., SequenceModel]
Train = Callable[..., object]


class Noisy(SequenceModel):
    """Draws random numbers in every forward pass, in evaluation mode too."""

    def __init__(self, config: object, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.table(tokens) + torch.rand(())


@pytest.mark.parametrize("name", TRAINED)
def test_the_loss_is_that_of_every_document_by_itself(
    name: str, make_model: MakeModel, train: Train, corpus: Corpus, validation_rows: Rows
) -> None:
    model = make_model(name)
    train(model, steps=10)
    score = evaluate(model, validation_rows, device=CPU)
    model.eval()
    nats = []
    for document in corpus.tokens.validation:
        text = torch.tensor([0, *document.tolist(), 0])
        with torch.no_grad():
            log_shares = model(text[None, :-1])[0].double().log_softmax(-1)
        nats.append(-log_shares.gather(1, text[1:, None]).sum().item())
    np.testing.assert_allclose(score.nats, nats, rtol=1e-5)
    assert score.tokens.tolist() == [len(document) + 1 for document in corpus.tokens.validation]
    assert score.loss == pytest.approx(sum(nats) / corpus.targets["validation"], rel=1e-6)


@pytest.mark.parametrize("name", ["gru", "wavenet", "transformer"])
@pytest.mark.parametrize("rows", ["validation_rows", "stream_rows"])
@pytest.mark.parametrize("max_tokens", [1, 37, 100_000])
def test_the_loss_does_not_depend_on_the_size_of_evaluation_batches(
    name: str, rows: str, max_tokens: int, make_model: MakeModel, request: pytest.FixtureRequest
) -> None:
    model, split = make_model(name), request.getfixturevalue(rows)
    model(split.batch(0, 0, 16).pad()[0])  # moves running statistics off their start
    expected = evaluate(model, split, device=CPU)
    score = evaluate(model, split, device=CPU, max_tokens=max_tokens)
    np.testing.assert_allclose(score.nats, expected.nats, rtol=1e-5)
    assert score.tokens.tolist() == expected.tokens.tolist()
    assert score.loss == pytest.approx(expected.loss, abs=1e-6)


@pytest.mark.parametrize("rows", ["validation_rows", "stream_rows"])
def test_the_losses_of_rows_add_up_to_the_split(
    rows: str, make_model: MakeModel, request: pytest.FixtureRequest
) -> None:
    split = request.getfixturevalue(rows)
    score = evaluate(make_model("mlp"), split, device=CPU)
    assert len(score.nats) == len(score.tokens) == split.count
    assert score.tokens.min() >= 1
    assert score.tokens.sum() == split.targets
    assert score.loss == score.nats.sum() / split.targets


def test_an_untrained_bigram_scores_the_logarithm_of_the_vocabulary(
    make_model: MakeModel, corpus: Corpus, validation_rows: Rows
) -> None:
    loss = evaluate(make_model("bigram"), validation_rows, device=CPU).loss
    assert loss == pytest.approx(np.log(len(corpus.vocabulary)), rel=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_leaves_mode_weights_and_random_numbers_alone(
    training: bool, make_model: MakeModel, validation_rows: Rows
) -> None:
    model = make_model(Noisy)
    model.norm, model.dropout = nn.BatchNorm1d(1, affine=False), nn.Dropout()
    model.train(training)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random_numbers = torch.get_rng_state()
    evaluate(model, validation_rows, device=CPU)
    assert torch.equal(torch.get_rng_state(), random_numbers)
    assert all(module.training is training for module in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_part_that_is_frozen_in_evaluation_mode_stays_frozen(make_model: MakeModel, validation_rows: Rows) -> None:
    model = make_model("wavenet").train()
    model.levels[0].norm.eval()
    evaluate(model, validation_rows, device=CPU)
    assert model.levels[1].norm.training
    assert not model.levels[0].norm.training


def test_evaluation_does_not_move_running_statistics_or_drop_anything(
    make_model: MakeModel, validation_rows: Rows
) -> None:
    wavenet, gru = make_model("wavenet").train(), make_model("gru", dropout=0.9).train()
    first, second = (evaluate(wavenet, validation_rows, device=CPU).loss for _ in range(2))
    assert first == second
    assert not wavenet.levels[0].norm.running_mean.any()
    first, second = (evaluate(gru, validation_rows, device=CPU).loss for _ in range(2))
    assert first == second


def test_the_mode_comes_back_when_the_model_fails(make_model: MakeModel, validation_rows: Rows) -> None:
    class Fails(Noisy):
        def forward(self, tokens: Tensor) -> Tensor:
            raise RuntimeError("no")

    model = make_model(Fails).train()
    with pytest.raises(RuntimeError, match="no"):
        evaluate(model, validation_rows, device=CPU)
    assert model.training


def test_bfloat16_is_close_to_float32(make_model: MakeModel, train: Train, validation_rows: Rows) -> None:
    model = make_model("transformer")
    train(model, steps=30)
    full = evaluate(model, validation_rows, device=CPU).loss
    half = evaluate(model, validation_rows, device=CPU, dtype="bfloat16").loss
    assert half == pytest.approx(full, abs=0.02)
    assert half != full
