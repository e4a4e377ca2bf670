"""Documents depend on options, split, seed and number, on all of them and on nothing else; bad options are told."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from naive_tasks import SMALL, load_task, load_usual

from zoo.catalog import CORPORA
from zoo.config import Call, DataConfig
from zoo.data.corpus import Corpus
from zoo.data.endless import EndlessRows
from zoo.data.load import load_corpus
from zoo.data.task import BLOCK, LETTERS, TEST, TRAIN, VALIDATION, Documents, Line, Task
from zoo.data.vocabulary import Vocabulary
from zoo.errors import UsageError, ZooError
from zoo.tokens import IGNORED

Load = Callable[..., Corpus]
OTHER: dict[str, dict[str, Any]] = {
    "adding": {"length": 9, "levels": 5, "seed": 1},
    "copy": {"length": 6, "copied": 2, "symbols": 5, "seed": 1},
    "dyck": {"kinds": 4, "depth": 2, "length": 13, "seed": 1},
    "group": {"of": "S5", "length": 5, "seed": 1},
    "induction": {"length": 8, "symbols": 5, "seed": 1},
    "markov": {"order": 2, "symbols": 4, "length": 9, "concentration": 0.4, "seed": 1},
    "memorize": {"keys": 7, "values": 5, "length": 12, "apart": 2, "seed": 1},
    "modular": {"modulus": 4, "resets": 0.2, "length": 21, "seed": 1},
    "parity": {"length": 7, "seed": 1},
    "recall": {"pairs": 4, "queries": 1, "length": 15, "keys": 6, "values": 7, "power": 0.1, "noise": 3, "seed": 1},
    "regular": {"automata": 4, "states": 3, "symbols": 5, "choices": 3, "length": 6, "seed": 1},
    "selective-copy": {"length": 9, "copied": 2, "symbols": 5, "seed": 1},
}
"""Another value of every option."""


def digest(task: Task) -> str:
    """Digest the documents of all splits."""
    parts = [task.block(TRAIN, 0, 0), task.block(TRAIN, 7, 3), task.held_out(VALIDATION), task.held_out(TEST)]
    return sha256(b"".join(array.tobytes() for part in parts for array in part)).hexdigest()


@pytest.mark.parametrize("name", SMALL)
def test_every_option_has_another_value_here(name: str) -> None:
    assert set(OTHER[name]) | {"documents"} == set(inspect.signature(CORPORA.get(name)).parameters)
    assert {name for name in CORPORA.names() if isinstance_task(name)} == set(SMALL)


def isinstance_task(name: str) -> bool:
    return CORPORA.get(name).__module__.startswith("zoo.data.tasks.")


@pytest.mark.parametrize(("name", "option"), [(name, option) for name, own in OTHER.items() for option in own])
def test_every_option_changes_the_documents(name: str, option: str, load: Load) -> None:
    changed = SMALL[name] | {option: OTHER[name][option]}
    first, second = load(name, SMALL[name]), load(name, changed)
    assert first.task
    assert second.task
    assert digest(first.task) != digest(second.task)
    assert first.digest != second.digest


@pytest.mark.parametrize("name", SMALL)
def test_more_documents_begin_with_those_of_fewer(name: str) -> None:
    few, many = load_task(name, documents=300), load_task(name, documents=700)
    for split in (VALIDATION, TEST):
        for part, whole in zip(few.held_out(split), many.held_out(split), strict=True):
            assert (len(part), len(whole)) == (300, 700)
            assert (part == whole[:300]).all()
    for part, whole in zip(few.block(TRAIN, 4, 2), many.block(TRAIN, 4, 2), strict=True):
        assert (part == whole).all()


@pytest.mark.parametrize("name", SMALL)
def test_a_block_does_not_depend_on_what_was_drawn_before(name: str) -> None:
    fresh = load_task(name).block(TRAIN, 3, 5)
    used = load_task(name)
    for number in range(3):
        used.block(TRAIN, 3, number)
    for _ in range(2):
        for one, other in zip(fresh, used.block(TRAIN, 3, 5), strict=True):
            assert (one == other).all()


@pytest.mark.parametrize("name", SMALL)
def test_seeds_splits_and_numbers_give_other_documents(name: str) -> None:
    task = load_task(name)
    places = [(TRAIN, 0, 0), (TRAIN, 1, 0), (TRAIN, 0, 1), (TRAIN, 2**32, 0), (TRAIN, 2**32 + 1, 0)]
    blocks = [task.block(*place) for place in [*places, (VALIDATION, 0, 0), (TEST, 0, 0)]]
    assert len({block.tokens.tobytes() for block in blocks}) == len(blocks)
    assert task.block(VALIDATION, 0, 0).tokens.tobytes() == task.held_out(VALIDATION).tokens[:BLOCK].tobytes()


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
from naive_tasks import SMALL, load_task
from test_task_options import digest
print("\\n".join(digest(load_task(name)) for name in SMALL))
"""


def test_another_process_draws_the_same_documents() -> None:
    words = [sys.executable, "-c", SCRIPT.format(here=str(Path(__file__).parent))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == [digest(load_task(name)) for name in SMALL]


@pytest.mark.parametrize("name", SMALL)
def test_defaults_are_accepted_and_told(name: str, load: Load) -> None:
    corpus = load(name)
    assert corpus.task
    assert len(corpus.tokens.test) == len(corpus.tokens.validation) == 1000
    assert corpus.targets["train"] == 0
    assert corpus.summary().startswith(f"{name}: documents of {corpus.task.length} tokens")
    assert f"without memory {corpus.task.memoryless.loss:.4g}" in corpus.summary()
    assert len(corpus.vocabulary) == corpus.task.vocab_size


@pytest.mark.parametrize("name", SMALL)
def test_symbols_show_every_token(name: str) -> None:
    for options in ({}, SMALL[name]):
        task = load_usual(name, **options)
        symbols = Vocabulary(task.symbols)
        text = symbols.decode(task.block(TRAIN, 0, 0).tokens[0].tolist())
        assert len(text) == task.length
        assert text.isprintable()
        assert symbols.encode(text).tolist() == task.block(TRAIN, 0, 0).tokens[0].tolist()


@pytest.mark.parametrize("batch_size", [1, 100, 256, 700])
def test_steps_train_on_the_documents_one_after_the_other(batch_size: int) -> None:
    task = load_task("dyck")
    rows = EndlessRows(task, torch.device("cpu"))
    every = [np.concatenate(part) for part in zip(*(task.block(TRAIN, 5, number) for number in range(9)), strict=True)]
    for step in (2, 0, 1, 2):  # in any order, and again
        batch = rows.batch(5, step, batch_size)
        for found, documents in zip((batch.tokens, batch.targets), every, strict=True):
            assert found.dtype == torch.long
            assert (found.numpy() == documents[step * batch_size :][:batch_size]).all()


def test_a_model_that_writes_into_its_tokens_changes_no_later_batch() -> None:
    rows = EndlessRows(load_task("parity"), torch.device("cpu"))
    first = rows.batch(0, 0, 8)
    kept = first.tokens.clone()
    first.tokens.zero_()
    assert (rows.batch(0, 0, 8).tokens == kept).all()


def draw_places(generator: np.random.Generator, count: int) -> Documents:
    """Documents whose tokens are their places, from 1 on, with some of them as targets."""
    tokens = np.arange(1, 11)[None].repeat(count, axis=0)
    scored = generator.random(tokens.shape) < 0.3
    scored[:, 4] = True
    return Documents(tokens, np.where(scored, tokens, IGNORED))


@pytest.mark.parametrize("width", [1, 3, 20])
def test_windows_end_at_scored_tokens_each_equally_likely(width: int) -> None:
    task = Task("places", LETTERS[:10], 10, draw_places, Line(1.0, None))
    rows = EndlessRows(task, torch.device("cpu"))
    found, documents = rows.windows(5, 3, 4000, width), rows.batch(5, 3, 4000)
    assert (found.tokens == rows.windows(5, 3, 4000, width).tokens).all()
    place = found.targets[:, 0]
    expected = place[:, None] + torch.arange(1 - width, 1)
    assert (found.tokens == expected.clamp(min=0)).all()
    chances = (documents.targets != IGNORED).double().sum(dim=0) / (documents.targets != IGNORED).sum()
    counts, variance = torch.bincount(place, minlength=11)[1:], 4000 * chances * (1 - chances)
    assert ((counts - 4000 * chances).abs() < 4.5 * variance.sqrt()).all()


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("adding", {"length": 2}, "no room for two numbers and a question: give 3 or more"),
    ("adding", {"levels": 1}, "levels=1: input should be greater than or equal to 2"),
    ("copy", {"copied": 0}, "copied=0: input should be greater than or equal to 1"),
    ("copy", {"symbols": 1}, "symbols=1: input should be greater than or equal to 2"),
    ("dyck", {"length": 2}, "no room for a closing bracket inside of another: give 3 or more"),
    ("dyck", {"depth": 1}, "depth=1: input should be greater than or equal to 2"),
    ("group", {"of": "Q8"}, "of=Q8: input should be 'Z2', 'Z60', 'A5' or 'S5'"),
    ("group", {"length": 1}, "give length=2 or more"),
    ("induction", {"length": 3}, "no room for a b ... a: give 4 or more"),
    ("induction", {"symbols": 2}, "symbols=2: input should be greater than or equal to 3"),
    ("markov", {"order": 1}, "the next symbol of order 1 needs no memory: give order=2 or more"),
    ("markov", {"order": 5, "symbols": 10}, "10 symbols to the power of 5 are 100,000 states, and at most 65,536 fit"),
    ("markov", {"order": 16, "symbols": 1000}, "states, and at most 65,536 fit"),
    ("markov", {"order": 4, "length": 3}, "a document of 3 tokens has none with 4 before it: give length=4 or more"),
    ("markov", {"concentration": 0.0}, "concentration=0.0: input should be greater than 0"),
    ("markov", {"order": 12, "symbols": 2, "concentration": 0.01}, "mix too slowly"),
    ("memorize", {"length": 2, "apart": 1}, "do not fit into 2 tokens: give length=3 or more"),
    ("memorize", {"keys": 15_000, "values": 15_000}, "15000 keys and 15000 values are more than 20,000 symbols"),
    ("memorize", {"keys": 2, "values": 2}, "seed=0 gives all 2 keys one value, so there is nothing to learn"),
    ("modular", {"length": 1}, "the count after one digit is the digit: give length=2 or more"),
    ("modular", {"resets": 1.0}, "resets=1.0: input should be less than 1"),
    ("modular", {"modulus": 1}, "modulus=1: input should be greater than or equal to 2"),
    ("parity", {"length": 1}, "the parity of one bit is the bit: give length=2 or more"),
    ("parity", {"length": 8.5}, "length=8.5: input should be a valid integer"),
    ("parity", {"length": "8"}, "length=8: input should be a valid integer"),
    ("parity", {"seed": -1}, "seed=-1: input should be greater than or equal to 0"),
    ("parity", {"seed": 2**63}, "seed=9223372036854775808"),
    ("parity", {"documents": 1}, "documents=1: input should be greater than or equal to 2"),
    ("recall", {"pairs": 33, "values": 40}, "33 pairs need as many different keys, and there are 32: give keys=33"),
    ("recall", {"pairs": 33, "keys": 40}, "33 pairs need as many different values, and there are 32: give values=33"),
    ("recall", {"queries": 9}, "9 questions about 8 pairs, each asked at most once: give queries=8 or less"),
    ("recall", {"length": 23}, "16 tokens of pairs and noise and 8 questions do not fit: give length=24 or more"),
    ("recall", {"length": 24, "noise": 1}, "17 tokens of pairs and noise and 8 questions do not fit: give length=25"),
    ("recall", {"keys": 20_000, "values": 32}, "20000 keys and 32 values are more than 20,000 symbols"),
    ("recall", {"power": 0.0}, "power=0.0: input should be greater than 0"),
    ("regular", {"choices": 9}, "every symbol can follow: give choices=7 or less"),
    ("regular", {"choices": 8}, "every symbol can follow: give choices=7 or less"),
    ("regular", {"automata": 1, "states": 1}, "one automaton with one state needs no memory: give states=2 or more"),
    (
        "regular",
        {"automata": 1, "states": 3, "symbols": 3, "choices": 2},
        "a perfect model has a loss of 0.6931",
    ),
    ("selective-copy", {"copied": 65}, "65 symbols do not stand in 64 tokens: give copied=64 or less"),
    *((name, {"lenght": 8}, "unknown option 'lenght'. Its options: ") for name in SMALL),
    *((name, {"documents": True}, "documents=True: input should be a valid integer") for name in SMALL),
    *((name, {"length": "eight"}, "length=eight: input should be a valid integer") for name in SMALL),
]


@pytest.mark.parametrize(("name", "options", "said"), BAD, ids=lambda value: str(value)[:60])
def test_a_bad_option_gets_one_clear_line(name: str, options: dict[str, Any], said: str, load: Load) -> None:
    with pytest.raises(ZooError) as caught:
        load(name, options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert f"'{name}'" in str(caught.value)


LEAST = [(name, options) for name, options, said in BAD if "or more" in said and "give " in said]


@pytest.mark.parametrize(("name", "options"), LEAST, ids=str)
def test_what_a_line_says_to_give_is_accepted(name: str, options: dict[str, Any], load: Load) -> None:
    with pytest.raises(UsageError) as caught:
        load(name, options)
    words = str(caught.value).rpartition("give ")[2].removesuffix(" or more.")
    option, _, value = words.rpartition("=")
    assert load(name, options | {option or "length": int(value)}).task


@pytest.mark.parametrize(
    ("setting", "flag"),
    [
        ({"documents": "line"}, "--documents"),
        ({"tokens": "bytes"}, "--tokenizer"),
        ({"split": "90/10/0"}, "--split"),
        ({"split_seed": 7}, "--split-seed"),
        ({"dedupe": True}, "--dedupe"),
    ],
)
def test_a_task_has_no_settings_of_text(setting: dict[str, Any], flag: str, load: Load) -> None:
    with pytest.raises(UsageError, match=f"draws its documents, so it has no {flag}: leave that out"):
        load("parity", {}, **setting)


def test_a_task_has_its_own_vocabulary() -> None:
    config = DataConfig(corpus=Call(name="parity", options={}))
    assert load_corpus(config, Vocabulary("01")).task
    with pytest.raises(UsageError, match="has 2 symbols of its own, others than the vocabulary of the run"):
        load_corpus(config, Vocabulary("abc"))
