from collections import Counter

import numpy as np
import pytest
import torch

from zoo.data.rows import DocumentRows, Rows, StreamRows
from zoo.data.tokens import Tokens
from zoo.tokens import BOUNDARY, IGNORED

CPU = torch.device("cpu")
COUNT = 23


def documents(count: int = COUNT) -> DocumentRows:
    """Documents of repeated tokens i+1: the first target of a row identifies its document."""
    return DocumentRows(Tokens.of([np.full(1 + i * 7 % 5, i + 1) for i in range(count)], np.uint8), CPU)


def stream(tokens: int, length: int) -> StreamRows:
    """The stream 1, 2, 3, ...: a token is its own position."""
    return StreamRows(Tokens.of([np.arange(1, tokens + 1)], np.uint8), length, CPU)


@pytest.mark.parametrize("rows", [documents(), stream(200, 16)], ids=["documents", "stream"])
def test_a_batch_depends_on_seed_and_step_and_on_nothing_before(rows: Rows) -> None:
    torch.manual_seed(0)
    in_order = [rows.batch(5, step, 4) for step in range(20)]
    torch.manual_seed(1)
    rows.batch(6, 3, 4)
    for step in reversed(range(20)):
        again = rows.batch(5, step, 4)
        assert torch.equal(again.tokens, in_order[step].tokens)
        assert torch.equal(again.targets, in_order[step].targets)
    assert not all(torch.equal(rows.batch(6, step, 4).tokens, in_order[step].tokens) for step in range(5))


@pytest.mark.parametrize("rows", [documents(), stream(200, 16)], ids=["documents", "stream"])
def test_drawing_a_batch_leaves_torchs_random_numbers_alone(rows: Rows) -> None:
    before = torch.get_rng_state()
    rows.batch(1, 2, 8)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("rows", [documents(), stream(200, 16)], ids=["documents", "stream"])
def test_scored_counts_the_targets_that_are(rows: Rows) -> None:
    for step in range(10):
        batch = rows.batch(0, step, 6)
        assert batch.target_count == int((batch.targets != IGNORED).sum())


def test_a_row_begins_with_the_boundary_and_its_last_target_is_the_boundary() -> None:
    rows = DocumentRows(Tokens.of([np.array([3, 1, 2]), np.array([4])]), CPU)
    batch = rows.batch(0, 0, 2)
    tokens, targets = batch.pad()
    order = tokens[:, 1].argsort()
    assert tokens[order].tolist() == [[0, 3, 1, 2], [0, 4, 0, 0]]
    assert targets[order].tolist() == [[3, 1, 2, 0], [4, 0, IGNORED, IGNORED]]
    assert batch.tokens.dtype == batch.targets.dtype == torch.long
    assert BOUNDARY == 0


def test_an_empty_document_is_one_target_its_end() -> None:
    rows = DocumentRows(Tokens.of([np.zeros(0)]), CPU)
    batch = rows.batch(0, 0, 1)
    assert (batch.tokens.tolist(), batch.targets.tolist(), rows.targets) == ([0], [0], 1)


@pytest.mark.parametrize("batch_size", [1, 4, COUNT, 2 * COUNT + 5])
def test_every_document_is_drawn_once_an_epoch_also_by_batches_that_cross_its_end(batch_size: int) -> None:
    rows, epochs = documents(), 4
    drawn: list[int] = []
    for step in range(-(-epochs * COUNT // batch_size)):
        _, targets = rows.batch(3, step, batch_size).pad()
        assert len(targets) == batch_size
        drawn += targets[:, 0].tolist()
    orders = [drawn[epoch * COUNT : (epoch + 1) * COUNT] for epoch in range(epochs)]
    assert all(sorted(order) == list(range(1, COUNT + 1)) for order in orders)
    assert len({tuple(order) for order in orders}) == epochs, "every epoch has an order of its own"


def test_every_batch_size_draws_the_same_documents_in_the_same_order() -> None:
    rows = documents()
    one_by_one = [int(rows.batch(3, step, 1).targets[0]) for step in range(30)]
    assert rows.batch(3, 0, 30).pad()[1][:, 0].tolist() == one_by_one


def test_a_batch_of_documents_holds_no_padding_and_says_how_wide_it_would_be_with_it() -> None:
    rows = documents()
    for step in range(10):
        batch = rows.batch(0, step, 3)
        _, targets = batch.pad()
        assert (targets != IGNORED).any(dim=0).all()
        assert batch.tokens.shape == batch.targets.shape == ((targets != IGNORED).sum(),)
        assert batch.shape == (*targets.shape, batch.target_count)


@pytest.mark.parametrize("max_tokens", [1, 10, 10_000])
def test_evaluation_scores_every_document_once(max_tokens: int) -> None:
    rows = documents()
    scored: Counter[int] = Counter()
    for batch in rows.evaluation_batches(max_tokens):
        assert batch.tokens.numel() <= max_tokens or len(batch.tokens) == 1
        scored.update(batch.row.tolist())
        for row, tokens, targets in zip(batch.row, batch.tokens, batch.targets, strict=True):
            text = [int(row) + 1] * (1 + int(row) * 7 % 5)
            assert targets[targets != IGNORED].tolist() == [*text, BOUNDARY]
            assert tokens[: len(text) + 1].tolist() == [BOUNDARY, *text]
    assert scored == Counter(range(COUNT))


def test_a_window_is_a_target_with_the_tokens_before_it_in_its_document() -> None:
    rows, width = documents(), 4
    dense = rows.batch(0, 0, COUNT)
    expected = set()
    for tokens, targets in zip(*(rows.tolist() for rows in dense.pad()), strict=True):
        for place, target in enumerate(targets):
            if target != IGNORED:
                expected.add((*([BOUNDARY] * width + tokens[: place + 1])[-width:], target))
    drawn = rows.windows(0, 0, 5000, width)
    assert drawn.tokens.shape == (5000, width)
    assert drawn.target_count == 5000
    assert {
        (*row, target) for row, (target,) in zip(drawn.tokens.tolist(), drawn.targets.tolist(), strict=True)
    } == expected
    assert torch.equal(drawn.tokens, rows.windows(0, 0, 5000, width).tokens)
    assert not torch.equal(drawn.tokens, rows.windows(0, 1, 5000, width).tokens)


def test_a_window_of_a_stream_is_what_stands_before_its_target() -> None:
    drawn = stream(50, 8).windows(0, 0, 1000, 3)
    flat = torch.cat([torch.zeros(3, dtype=torch.long), torch.arange(1, 51)])
    for row, (target,) in zip(drawn.tokens, drawn.targets.tolist(), strict=True):
        assert row.tolist() == flat[target - 1 : target + 2].tolist()
    assert set(drawn.targets.flatten().tolist()) == set(range(1, 51))


def test_a_training_row_of_a_stream_is_a_slice_of_it() -> None:
    rows = stream(50, 8)
    starts = set()
    for step in range(100):
        batch = rows.batch(0, step, 4)
        assert batch.tokens.shape == batch.targets.shape == (4, 8)
        assert torch.equal(batch.targets, batch.tokens[:, :1] + torch.arange(1, 9))
        assert torch.equal(batch.tokens[:, 1:], batch.targets[:, :-1])
        starts |= set(batch.tokens[:, 0].tolist())
    assert starts == set(range(43)), "from the boundary before the first token to the last crop that fits"


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 64])
@pytest.mark.parametrize("tokens", [1, 2, 5, 8, 9, 23, 100])
@pytest.mark.parametrize("max_tokens", [1, 50])
def test_evaluation_scores_every_token_of_a_stream_once_with_half_a_row_before_it(
    tokens: int, length: int, max_tokens: int
) -> None:
    rows = stream(tokens, length)
    assert rows.targets == tokens
    scored: list[int] = []
    stretches: list[int] = []
    for batch in rows.evaluation_batches(max_tokens):
        stretches += batch.row.tolist()
        for row_tokens, row_targets in zip(batch.tokens.tolist(), batch.targets.tolist(), strict=True):
            assert row_tokens == list(range(row_tokens[0], row_tokens[0] + len(row_tokens)))
            for seen, (token, target) in enumerate(zip(row_tokens, row_targets, strict=True), start=1):
                if target != IGNORED:
                    assert target == token + 1
                    assert seen >= min(target, length / 2), "tokens in the row before it, the boundary counted"
                    scored.append(target)
    assert scored == list(range(1, tokens + 1))
    assert stretches == list(range(rows.count))


@pytest.mark.parametrize("rows", [documents(), stream(200, 16)], ids=["documents", "stream"])
def test_neighbours_share_a_score_where_there_are_too_many(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.data.rows.MOST_SCORES", 5)
    few = documents() if isinstance(rows, DocumentRows) else stream(200, 16)
    alone, together = np.zeros(rows.count), np.zeros(few.count)
    for own, targets in ((rows, alone), (few, together)):
        for batch in own.evaluation_batches(50):
            np.add.at(targets, batch.row, (batch.targets != IGNORED).sum(dim=1).numpy())
    size = -(-rows.count // 5)
    assert few.count == -(-rows.count // size) <= 5
    assert together.tolist() == [alone[first : first + size].sum() for first in range(0, rows.count, size)]


def test_evaluation_sorts_documents_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.data.rows.SORTED", 4)
    scored = [batch.row.tolist() for batch in documents().evaluation_batches(10_000)]
    assert [sorted(rows) for rows in scored] == [list(range(i, min(i + 4, COUNT))) for i in range(0, COUNT, 4)]


def test_very_many_documents_are_shuffled_by_a_permutation_and_each_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.data.rows.STORED", COUNT - 1)
    rows = documents()
    drawn = [int(rows.batch(3, step, 1).targets[0]) for step in range(2 * COUNT)]
    assert sorted(drawn[:COUNT]) == sorted(drawn[COUNT:]) == list(range(1, COUNT + 1))
    assert drawn[:COUNT] != drawn[COUNT:]
    assert rows.batch(3, 0, 2 * COUNT).pad()[1][:, 0].tolist() == drawn
    assert rows.batch(4, 0, COUNT).pad()[1][:, 0].tolist() != drawn[:COUNT]


def test_tokens_of_a_stream_lie_in_memory_of_their_own() -> None:
    """A view would lie beside its targets in memory, where a model could read or overwrite them."""
    rows = stream(tokens=200, length=20)
    batches = [rows.batch(0, 0, 3), *rows.evaluation_batches(50)]
    for tokens, targets in ((batch.tokens, batch.targets) for batch in batches):
        assert tokens.is_contiguous()
        assert tokens.untyped_storage().nbytes() == tokens.numel() * tokens.element_size()
        before = targets.clone()
        tokens.zero_()
        assert targets.equal(before)
