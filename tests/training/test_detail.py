"""Losses by position and token of an evaluation, against a loop over documents in float64."""

from collections.abc import Callable
from itertools import chain

import numpy as np
import pytest
import torch

from zoo.data.corpus import Corpus
from zoo.data.rows import Rows
from zoo.models.interface import SequenceModel
from zoo.training import detail as module
from zoo.training.detail import Detail
from zoo.training.evaluation import evaluate

CPU = torch.device("cpu")
MakeModel = Callable[..., SequenceModel]


def scored(model: SequenceModel, rows: Rows, **options: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    detail = Detail(rows)
    score = evaluate(model, rows, device=CPU, detail=detail, **options)
    return score.nats, detail.arrays()


def naive_losses(model: SequenceModel, row: torch.Tensor) -> np.ndarray:
    """(T + 1,) tokens -> (T,) nats of the last T, in float64."""
    with torch.no_grad():
        log_shares = model.eval()(row[None, :-1])[0].double().log_softmax(-1)
    return -log_shares.gather(1, row[1:, None])[:, 0].numpy()


@pytest.mark.parametrize("max_tokens", [1, 37, 100_000])
def test_of_documents_every_token_is_kept_in_order_and_added_up_at_its_position(
    max_tokens: int, make_model: MakeModel, corpus: Corpus, validation_rows: Rows
) -> None:
    model = make_model("gru")
    rows = [torch.tensor([0, *document.tolist(), 0]) for document in corpus.tokens.validation]
    losses = [naive_losses(model, row) for row in rows]
    nats, found = scored(model, validation_rows, max_tokens=max_tokens)
    np.testing.assert_allclose(nats, [own.sum() for own in losses], rtol=1e-5)
    np.testing.assert_allclose(found["kept.nats"], np.concatenate(losses), rtol=1e-4)
    assert found["kept.targets"].tolist() == torch.cat([row[1:] for row in rows]).tolist()
    assert found["kept.tokens"].tolist() == [len(own) for own in losses]
    for place in range(max(map(len, losses))):
        here = np.array([own[place] for own in losses if len(own) > place])
        assert found["position.tokens"][place] == len(here)
        assert found["position.nats"][place] == pytest.approx(here.sum(), rel=1e-5)
        assert found["position.squares"][place] == pytest.approx((here**2).sum(), rel=1e-5)
    assert len(found["position.nats"]) == max(map(len, losses))


def test_of_a_stream_positions_count_every_row_and_the_kept_tokens_are_its_text(
    make_model: MakeModel, stream_rows: Rows
) -> None:
    model = make_model("gru")
    batches = list(stream_rows.evaluation_batches(1))
    rows = [torch.cat([batch.tokens[0], batch.following[0, -1:]]) for batch in batches]
    losses = np.stack([naive_losses(model, row) for row in rows])
    nats, found = scored(model, stream_rows)
    np.testing.assert_allclose(found["position.nats"], losses.sum(0), rtol=1e-5)
    assert found["position.tokens"].tolist() == [len(rows)] * losses.shape[1]
    text = [target for batch in batches for target in batch.targets[0].tolist() if target >= 0]
    assert found["kept.targets"].tolist() == text
    ends = found["kept.tokens"].cumsum()[:-1]
    np.testing.assert_allclose([part.sum() for part in np.split(found["kept.nats"], ends)], nats, rtol=1e-5)


@pytest.mark.parametrize("rows", ["validation_rows", "stream_rows"])
def test_a_detail_changes_no_score(rows: str, make_model: MakeModel, request: pytest.FixtureRequest) -> None:
    model, split = make_model("wavenet"), request.getfixturevalue(rows)
    assert np.array_equal(scored(model, split)[0], evaluate(model, split, device=CPU).nats)


@pytest.mark.parametrize("rows", ["validation_rows", "stream_rows"])
@pytest.mark.parametrize("shared", [False, True])
def test_the_first_tokens_of_a_split_are_kept_as_many_as_there_is_room_for(
    rows: str, shared: bool, make_model: MakeModel, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = request.getfixturevalue(rows)
    _, whole = scored(make_model("bigram"), split)
    monkeypatch.setattr(module, "KEPT", 50)
    monkeypatch.setattr(module, "KEPT_OF_A_ROW", 4)
    if shared:
        monkeypatch.setattr(split, "rows_per_score", 2)
        monkeypatch.setattr(split, "evaluation_batches", one_by_one(split.evaluation_batches))
    _, found = scored(make_model("bigram"), split)
    beginnings = [part[:4].tolist() for part in np.split(whole["kept.targets"], whole["kept.tokens"].cumsum()[:-1])]
    kept = found["kept.targets"].tolist()
    first = beginnings[: split.rows_per_score * len(found["kept.tokens"])]
    assert 40 < len(kept) <= 50
    assert sorted(kept) == sorted(chain.from_iterable(first))
    assert shared or kept == list(chain.from_iterable(first))
    assert found["kept.tokens"].sum() == len(kept)


def one_by_one(batches: Callable) -> Callable:
    """Make evaluation batches of one row each, in the order of the split except two rows that share a score."""
    return lambda _: sorted(batches(1), key=lambda batch: batch.row[0])


def test_positions_beyond_the_last_that_is_added_up_are_left_out(
    make_model: MakeModel, stream_rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = scored(make_model("bigram"), stream_rows)
    monkeypatch.setattr(module, "POSITIONS", 3)
    _, found = scored(make_model("bigram"), stream_rows)
    np.testing.assert_allclose(found["position.nats"], whole["position.nats"][:3])
