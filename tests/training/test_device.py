import time

import pytest
import torch

from zoo.errors import UsageError
from zoo.surroundings import isolated, seed_torch
from zoo.training.device import Stopwatch, autocast, resolve_device

CPU = torch.device("cpu")


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    """Pretend that the machine has this number of GPUs."""
    count: int = request.param
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    return count


@pytest.mark.parametrize(
    ("gpus", "name", "device"),
    [
        (0, "auto", "cpu"),
        (0, "cpu", "cpu"),
        (2, "auto", "cuda:0"),
        (2, "cuda", "cuda:0"),
        (2, "cuda:1", "cuda:1"),
        (2, "cpu", "cpu"),
    ],
    indirect=["gpus"],
)
def test_a_device_is_found_by_name(gpus: int, name: str, device: str) -> None:
    assert resolve_device(name) == torch.device(device)


@pytest.mark.parametrize(
    ("gpus", "name", "here"),
    [
        (0, "cuda", "Here: cpu (or auto)"),
        (0, "gpu", "Here: cpu (or auto)"),
        (2, "cuda:2", "Here: cpu, cuda, cuda:0, cuda:1 (or auto)"),
        (2, "", "Here: cpu, cuda, cuda:0, cuda:1 (or auto)"),
    ],
    indirect=["gpus"],
)
def test_an_unknown_device_lists_those_that_exist(gpus: int, name: str, here: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve_device(name)
    assert f"'{name}'" in str(error.value)
    assert here in str(error.value)


@pytest.mark.parametrize("fails", [False, True])
def test_isolated_work_leaves_threads_and_random_numbers_as_they_were(fails: bool) -> None:
    threads, random_numbers = torch.get_num_threads(), torch.get_rng_state()
    try:
        with isolated(CPU, threads=threads + 1, seed=5):
            assert torch.get_num_threads() == threads + 1
            torch.rand(10)
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), random_numbers)


def test_isolated_work_under_a_seed_draws_the_same_numbers() -> None:
    drawn = []
    for _ in range(2):
        with isolated(CPU, seed=5):
            drawn.append(torch.rand(3))
        torch.rand(1)
    assert torch.equal(*drawn)


def test_isolated_work_without_a_seed_goes_on_from_the_numbers_outside() -> None:
    torch.manual_seed(9)
    with isolated(CPU):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), inside)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_autocast_sets_the_precision_of_products(dtype: str) -> None:
    with autocast(CPU, dtype):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == getattr(torch, dtype)


def test_a_stopped_clock_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    clock = Stopwatch(CPU)
    assert clock.seconds == 0
    clock.start()
    now = 2.0
    assert clock.seconds == 2
    clock.stop()
    now = 10.0
    assert clock.seconds == 2
    clock.start()
    now = 11.0
    clock.stop()
    clock.stop()
    assert clock.seconds == 3


@pytest.mark.parametrize("gpus", [0, 2], indirect=True)
def test_a_seed_gives_the_random_numbers_of_torch_s_own_function_on_every_device(
    gpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    with isolated(CPU):
        torch.manual_seed(7)
        expected = torch.rand(3)
        seeds.clear()
        seed_torch(7)
        assert torch.equal(torch.rand(3), expected)
    assert seeds == [7] * (gpus > 0)
