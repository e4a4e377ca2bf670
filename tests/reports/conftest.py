"""Comparisons built by hand, without training or statistics, to draw reports from."""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

import pytest
from chromium import Chromium, find_chromium

from zoo.experiments.judge.ablation import Ablated, Effect, Interaction
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.contrasts import Contrast, Passage
from zoo.experiments.judge.crossings import Crossing
from zoo.experiments.judge.lengths import LengthPoint, Lengths
from zoo.experiments.judge.letters import compact_letters
from zoo.experiments.judge.positions import Place
from zoo.experiments.judge.references import list_references
from zoo.experiments.judge.rows import Answers, Band, Interval, ModelRow, PairRow, RunRow, Spread, Used
from zoo.experiments.judge.sentence import verdict_sentence
from zoo.experiments.judge.target import Targets, judge_targets
from zoo.experiments.judge.tuned import TUNED, WRITTEN, Tried, Tuned
from zoo.experiments.judge.watched import SignalBand, Watched
from zoo.experiments.records.run import DataRecord, Environment, Line, TaskRecord
from zoo.experiments.records.study import Cost
from zoo.experiments.study.config import StudyConfig

Make = Callable[..., Comparison]

T95 = {2: 4.303, 4: 2.776, 7: 2.365}
NINE = {
    "tree, 76K": (1.9642, 76579),
    "transformer": (1.9655, 74496),
    "tree, 22K": (2.0068, 22397),
    "tree, bug, 22K": (2.0070, 22397),
    "gru": (2.0102, 24600),
    "flat, 22K": (2.0193, 22097),
    "dilated_wavenet": (2.0255, 21950),
    "flat-3, 12K": (2.0860, 12097),
    "bigram": (2.4540, 729),
}
NAMES = ("keelani", "maryan", "dariah", "jaxsen", "oluwaferan", "bri", "emmalise", "tayven")


def make_comparison(
    losses: dict[str, tuple[float, int]],
    seeds: Sequence[int] = (1, 2, 3),
    *,
    noise: float = 0.0015,
    floor: float | None = None,
    costs: bool = True,
    published: bool = False,
    matched: bool = False,
    grid: bool = False,
    diverged: dict[str, int] | None = None,
    samples: bool = True,
    title: str = "",
    detail: bool = False,
    **study: Any,
) -> Comparison:
    """Make a comparison of models with these losses and sizes; the other numbers follow from them deterministically."""
    draw, broken = random.Random(1), diverged or {}
    by_seed = {
        label: {
            seed: None if place < broken.get(label, 0) else loss + draw.gauss(0, noise)
            for place, seed in enumerate(seeds)
        }
        for label, (loss, _) in losses.items()
    }
    config = StudyConfig.model_validate(
        {
            "name": "a-study",
            "title": title,
            "source": "Building makemore Part 5, 2022" if published else "",
            "models": [
                {"label": label, "model": "wavenet(hidden=64)", "published": _published(published, loss)}
                for label, (loss, _) in losses.items()
            ],
            "seeds": list(seeds),
            "training": {"tokens": 6_400_000},
            "match": {"parameters": 22_000} if matched else None,
            "lr_grid": [0.001, 0.003, 0.01] if grid else [],
            **study,
        }
    )
    rows = [
        _row(label, size, by_seed[label], draw, place, floor=floor, costs=costs, matched=matched, grid=grid,
             published=config.models[place].published, samples=NAMES if samples else ())
        for place, (label, (_, size)) in enumerate(losses.items())
    ]  # fmt: skip
    rows.sort(key=lambda row: (row.diverged, row.test.mean if row.test else 9.0))
    pairs = _pairs([row for row in rows if row.test], len(seeds), draw)
    told = [(pair.a, pair.b) for pair in pairs if pair.verdict in ("better", "worse")]
    letters = compact_letters([row.label for row in rows if row.test], told) if len(seeds) > 2 and pairs else {}
    rows = [row.model_copy(update={"letters": letters.get(row.label, "")}) for row in rows]
    if detail:
        rows = [row.model_copy(update={"by_position": _positions(row, draw)}) for row in rows]
    return Comparison(
        study=config,
        folder="a-study",
        looked=(),
        record="study-0123456789.json",
        data=DataRecord(name="names", digest="5f" * 32, is_stream=False, characters="abcdefghijklmnopqrstuvwxyz",
                        targets={"train": 182625, "validation": 22655, "test": 22866},
                        floor={"validation": floor, "test": floor}),
        environments=(Environment(zoo="0.1.0", python="3.12.3", torch="2.13.0", platform="Linux x86_64", device="cpu",
                                  threads=1, commit="ebcc552" + "0" * 33, dirty=True),),
        verdict=verdict_sentence(rows, pairs, study=config),
        method="Tukey, pooled" if len(seeds) > 2 and len(losses) > 2 else "paired t" if len(seeds) > 2 else "none",
        reason="Box's epsilon over the seeds is 0.62, and 0.55 is usual where models scatter alike.",
        correlation=0.41 if len(seeds) > 1 and len(losses) > 1 else None,
        models=tuple(rows),
        pairs=tuple(pairs),
        runs=tuple(_run(row, seed, value) for row in rows for seed, value in row.losses.items()),
        contrasts=tuple(_contrast(rows[0].label, row.label) for row in rows[1:4]) if detail else (),
    )  # fmt: skip


def make_tuned(label: str, **values: Any) -> Tuned:
    """Make the search of a model: 6 trials, of which one is pruned and one diverges."""
    rates = (0.003, 0.01, 0.0967, 0.03, 0.05, 0.001)
    statuses: tuple[Any, ...] = ("finished", "finished", "finished", "pruned", "diverged", "finished")
    losses = (1.85, 1.82, 1.8, 2.1, None, 9.0)
    trials = tuple(
        Tried(chosen={"lr": lr, "schedule": "linear" if place % 2 else "cosine"}, status=status, loss=loss,
              steps=40 if status == "pruned" else 100)
        for place, (lr, status, loss) in enumerate(zip(rates, statuses, losses, strict=True))
    )  # fmt: skip
    worth = PairRow(a=TUNED, b=WRITTEN, difference=-0.0312, low=-0.05, high=-0.0124, p=0.01, p_permutation=None,
                    seeds_se=0.005, documents_se=0.001, verdict="better", seeds_needed=None)  # fmt: skip
    known = {
        "label": label, "space": {"lr": "log(0.001,0.1)", "schedule": "choice(cosine,linear)"}, "trials": trials,
        "best": 2, "runs": 6, "steps": 540.0, "tokens": 5e5, "seconds": 12.0, "flops": 9.9e10, "edges": ("lr",),
        "importances": {"lr": 0.75, "schedule": 0.25}, "unmeasured": "", "written": trials[0].chosen, "worth": worth,
        "unchanged": False,
    }  # fmt: skip
    return Tuned(**{**known, **values})


def make_targets(comparison: Comparison, losses: Sequence[float] = (2.3, 2.1)) -> Targets:
    """Make the crossings of a comparison: each next model is slower, and ends above the lowest loss more often."""
    seeds = comparison.study.seeds
    crossings = {}
    for place, row in enumerate(comparison.models):
        for difficulty, loss in enumerate(losses, 1):
            own = crossings[row.label, loss] = []
            for number, seed in enumerate(seeds):
                steps = 100.0 * difficulty * (1 + 0.5 * place + 0.05 * number)
                ended = "reached" if difficulty == 1 or number >= place else "diverged" if row.diverged else "short"
                flops = None if row.used.flops is None else 2e9 * steps
                own.append(Crossing(label=row.label, seed=seed, split=None, target=loss, ended=ended, steps=steps,
                                    tokens=914 * steps, flops=flops, seconds=0.0123 * steps))  # fmt: skip
    runs = {row.label: row.runs for row in comparison.models}
    return judge_targets(losses, runs, crossings, {}, seeds=len(seeds))


def _make_aimed_comparison() -> Comparison:
    """Three models under eight seeds with two target losses."""
    whole = make_comparison(dict(list(NINE.items())[:3]), range(1, 9), target=[2.3, 2.1])
    return whole.model_copy(update={"targets": make_targets(whole)})


def _make_tuned_comparison() -> Comparison:
    """Two models, the first one tuned, the other best as written and without FLOPs."""
    whole = make_comparison({"mlp": (1.8110, 12097), "wavenet": (1.7995, 22397)}, search={"trials": 6})
    plain = make_tuned("wavenet", best=0, edges=(), importances={}, unmeasured="scikit-learn is not installed",
                       worth=None, unchanged=True, flops=None)  # fmt: skip
    tuned = (plain, make_tuned("mlp"))
    rows = [row.model_copy(update={"lr_from": "search"}) for row in whole.models]
    verdict = verdict_sentence(rows, whole.pairs, study=whole.study, tuned=tuned)
    changes = {"models": tuple(rows), "tuned": tuned, "verdict": verdict}
    return Comparison.model_validate(whole.model_copy(update=changes).model_dump(exclude={"notes"}))


def _make_ablated_comparison() -> Comparison:
    """A model and its variants: worse, better, open, inert and diverged ones; a pair of them; and watched runs."""
    losses = {"m": 1.8, "norm=none": 1.84, "gate=true": 1.79, "hidden=34": 1.801, "idle=<b>": 1.8, "lr=wild": 2.0}
    sizes = {label: (loss, 20_000 + 500 * place) for place, (label, loss) in enumerate(losses.items())}
    whole = make_comparison(
        {**sizes, "norm=none,gate=true": (1.85, 21_000)}, diverged={"lr=wild": 1}, floor=1.77, baseline="m"
    )
    rows = {row.label: row for row in whole.models}
    effects = []
    for row in whole.models:
        if row.label == "m":
            continue
        inert, difference = row.label.startswith("idle"), losses.get(row.label, 1.85) - 1.8
        verdict = "worse" if difference > 0.005 else "better" if difference < -0.005 else "undecided"
        pair = PairRow(a=row.label, b="m", difference=0.0 if inert else difference, low=difference - 0.002,
                       high=difference + 0.002, p=0.001, p_permutation=None, seeds_se=0.001, documents_se=0.001,
                       verdict=verdict, seeds_needed=None, joint_low=difference - 0.004,
                       joint_high=difference + 0.004)  # fmt: skip
        effects.append(
            Effect(label=row.label, change={"norm": "none"}, pair=pair if row.test else None, missing=row.without_mean,
                   inert=inert, parameters=row.parameters, parameters_off=row.parameters / rows["m"].parameters - 1,
                   flops=120_000.0, flops_off=0.0)
        )  # fmt: skip
    effects.sort(key=lambda effect: -effect.pair.difference if effect.pair else float("inf"))
    joint = Interaction(label="norm=none,gate=true", parts=("norm=none", "gate=true"), together=0.05, apart=0.03,
                        difference=0.02, low=0.005, high=0.035, p=0.01, verdict="more")  # fmt: skip
    ablated = Ablated(baseline="m", effects=tuple(effects), interactions=(joint,), seeds=3, level=0.05,
                      method="Dunnett, pooled", own_settings=False)  # fmt: skip
    bands = tuple(SignalBand(step=step, low=1e-4, middle=1e-3, high=1e-2) for step in (0, 100, 200))
    watched = tuple(
        Watched(label=label, seed=1, updates=bands, gradients=bands, seconds=0.4, problem="")
        for label in ("m", "norm=none")
    )
    changes = {"pairs": (), "ablation": ablated, "watched": watched,
               "verdict": verdict_sentence(whole.models, (), study=whole.study, ablation=ablated)}  # fmt: skip
    return Comparison.model_validate(whole.model_copy(update=changes).model_dump(exclude={"notes"}))


def _make_task_comparison() -> Comparison:
    """A task with three lines, on longer documents too: one model solves it, one stands at a line, one cannot."""
    losses = {"transformer": (0.4, 26_642), "gru": (1.39, 22_914), "<b>mlp</b>": (2.1, 68_198), "wild": (2.3, 900)}
    whole = make_comparison(losses, floor=0.0, noise=0.01, diverged={"wild": 1}, samples=False)
    task = TaskRecord(
        length=32, documents=1000, floor=Line(loss=0.0, accuracy=1.0), memoryless=Line(loss=2.0794, accuracy=0.125),
        lines={"values seen, binding unknown": Line(loss=1.3863, accuracy=0.25), "counted": Line(loss=1.9)},
        goal="answers>=0.99", averaged=52,
    )  # fmt: skip
    shares = {"transformer": (0.9999, 0.999, 3), "gru": (0.252, 0.0, 0), "<b>mlp</b>": (0.12, 0.0, 0)}
    rows = []
    for row in whole.models:
        right, documents, solved = shares.get(row.label, (None, None, 0))
        rows.append(row.model_copy(update={"answers": Answers(
            accuracy=None if right is None else Spread(mean=right, sd=0.01),
            whole=None if documents is None else Spread(mean=documents, sd=0.01),
            goal=task.goal, solved=solved, seeds=3, low=0.2924 if solved else 0.0, high=1.0 if solved else 0.7076,
            averaged=None if right is None else 0.02,
        )}))  # fmt: skip
    data = whole.data.model_copy(update={"name": "recall(pairs=4)", "task": task, "has_answers": True, "targets":
                                         {"train": 0, "validation": 4000, "test": 4000}})  # fmt: skip
    points = [
        LengthPoint(factor=1, length=32, accuracy=0.99, low=0.98, high=1.0, answers=0.9, loss=0.1, floor=0.0),
        LengthPoint(factor=2, length=64, accuracy=0.7, low=0.5, high=0.9, answers=0.1, loss=1.0, floor=0.0),
    ]
    cannot = LengthPoint(factor=2, length=64, why="ValueError: 64 tokens are too many")
    lengths = (Lengths(label="transformer", points=tuple(points)),
               Lengths(label="gru", points=(points[0], cannot)))  # fmt: skip
    leaks = {"transformer": "transformer is below the floor under seed 1: why."}
    verdict = verdict_sentence(rows, whole.pairs, study=whole.study, leaks=list(leaks),
                               references=list_references(data, 0.0))  # fmt: skip
    changes = {"models": tuple(rows), "data": data, "lengths": lengths, "leaks": leaks, "verdict": verdict}
    return Comparison.model_validate(whole.model_copy(update=changes).model_dump(exclude={"notes"}))


def _positions(row: ModelRow, draw: random.Random) -> tuple[Place, ...]:
    if row.test is None:
        return ()
    places = []
    for first, last in ((1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (7, 11)):
        mean, reach = row.test.mean + 1 / first - 0.4, 0.01 + 0.01 * draw.random()
        low, high = (None, None) if row.test.low is None else (mean - reach, mean + reach)
        places.append(Place(first=first, last=last, tokens=3000, mean=mean, low=low, high=high))
    return tuple(places)


def _contrast(a: str, b: str) -> Contrast:
    texts = (("m", "a", "<", "&", ""), tuple("a line\nanother\tone"), ("\x00", "é", "\u202e", "</span>", ""))
    passages = [
        Passage(document=None if place == 1 else 10 * place + 1, begins=place != 1, ends=place != 1, text=text,
                a=tuple(1.0 + 0.1 * n for n in range(len(text))),
                b=tuple(1.0 + (0.4 if place == 0 else -0.1) * n for n in range(len(text))))
        for place, text in enumerate(texts)
    ]  # fmt: skip
    return Contrast(a=a, b=b, tokens=20_000, passages=tuple(passages))


def _published(wanted: bool, loss: float) -> dict[str, float] | None:
    return {"train": round(loss - 0.1, 3), "validation": round(loss + 0.015, 3)} if wanted and loss < 2.2 else None


def _row(
    label: str, size: int, losses: dict[int, float | None], draw: random.Random, place: int, *, floor: float | None,
    costs: bool, matched: bool, grid: bool, published: Any, samples: tuple[str, ...],
) -> ModelRow:  # fmt: skip
    known = [value for value in losses.values() if value is not None]
    missing = len(losses) - len(known)
    test = None if missing else _interval(known)
    seconds = 20 + size / 900 + 12 * place
    trials = {"0.001": fmean(known or [9]) + 0.02, "0.003": fmean(known or [9]), "0.01": None} if grid else {}
    return ModelRow(
        label=label, model="wavenet(hidden=64)", context=8, letters="", seeds=len(losses), diverged=missing,
        untrained=0, losses=losses, test=test, validation=None if missing else _spread([v + 0.0024 for v in known]),
        train=_spread([v - 0.2 for v in known]) if published and not missing else None, floor=floor,
        above_floor=test.mean - floor if test and floor is not None else None, parameters=size,
        receptive_field=None if place == 1 else max(8 - place // 3, 1),
        off_size=0.004 * place - 0.01 if matched else None, off_budget=0.0,
        used=Used(steps=7000 - place, tokens=6.4e6, seconds=seconds, flops=6.0 * size * 6.4e6 if costs else None),
        tokens_per_second=6.4e6 / seconds, lr=0.003, lr_from="grid" if grid else "recipe", lr_trials=trials,
        lr_at_edge=grid and place == 2, published=published, samples=samples, curve=_curve(known, seconds, draw),
        cost=_cost(size, seconds, place) if costs else None,
    )  # fmt: skip


def _interval(values: list[float]) -> Interval:
    sd = stdev(values) if len(values) > 1 else None
    if sd is None or len(values) < 3:
        return Interval(mean=fmean(values), sd=sd, low=None, high=None, seeds_se=None, documents_se=None)
    seeds_se, documents_se = sd / len(values) ** 0.5, 0.0006
    reach = T95.get(len(values) - 1, 1.96) * (seeds_se**2 + documents_se**2) ** 0.5
    mean = fmean(values)
    return Interval(mean=mean, sd=sd, low=mean - reach, high=mean + reach, seeds_se=seeds_se, documents_se=documents_se)


def _spread(values: list[float]) -> Spread:
    return Spread(mean=fmean(values), sd=stdev(values) if len(values) > 1 else None)


def _curve(values: list[float], seconds: float, draw: random.Random) -> tuple[Band, ...]:
    end = fmean(values) if values else 4.0
    points = []
    for step in range(21 if values else 4):
        mean = end + 0.0024 + (3.3 - end) * 0.12 ** (step / 3) + (0.05 * (20 - step) / 20 if step else 0)
        band = 0.004 + 0.01 * draw.random()
        points.append(
            Band(step=350 * step, tokens=320_000 * step, seconds=seconds * step / 20, mean=mean, low=mean - band,
                 high=mean + band)
        )  # fmt: skip
    return tuple(points)


def _cost(size: int, seconds: float, place: int) -> Cost:
    return Cost(
        parameters=size, flops_forward=2.0 * size, flops_training=6.0 * size, train_tokens_per_second=6.4e6 / seconds,
        evaluation_tokens_per_second=2e7 / seconds, peak_bytes=(300 + 21 * place) * 1_000_000, memory="RSS",
        state_bytes=512 * (place + 1), state_tokens=64, state_grows=place == 1,
        receptive_field=3 if place == 3 else None if place == 1 else max(8 - place // 3, 1),
        declared_field=None if place == 1 else max(8 - place // 3, 1), probed_tokens=64,
    )  # fmt: skip


def _pairs(rows: list[ModelRow], seeds: int, draw: random.Random) -> list[PairRow]:
    pairs = []
    for one, other in combinations(rows, 2):
        assert one.test is not None
        assert other.test is not None
        difference, reach = one.test.mean - other.test.mean, 0.004 + 0.001 * draw.random()
        if seeds < 3:
            pairs.append(PairRow(a=one.label, b=other.label, difference=difference, low=None, high=None, p=None,
                                 p_permutation=None, seeds_se=None, documents_se=0.0006, verdict="none",
                                 seeds_needed=None))  # fmt: skip
            continue
        told = abs(difference) > reach
        p = min(1.0, 0.05 * (reach / max(abs(difference), 1e-9)) ** 4)
        pairs.append(
            PairRow(a=one.label, b=other.label, difference=difference, low=difference - reach, high=difference + reach,
                    p=p, p_permutation=0.0625 if seeds == 5 else None, seeds_se=reach / 3, documents_se=reach / 5,
                    verdict="better" if told else "undecided",
                    seeds_needed=None if told else min(999, int(seeds * (reach / abs(difference)) ** 2) + 2))
        )  # fmt: skip
    return pairs


def _run(row: ModelRow, seed: int, value: float | None) -> RunRow:
    return RunRow(
        directory=f"{row.model}-seed{seed}-abc", label=row.label, seed=seed, fingerprint="ab" * 32, lr=row.lr,
        status="diverged" if value is None else "finished", diverged_at=1400 if value is None else None,
        parameters=row.parameters, receptive_field=row.receptive_field, steps=7000, tokens=6_400_000,
        seconds=row.used.seconds, flops=None if row.used.flops is None else int(row.used.flops),
        best_step=None if value is None else 6650, train_loss=None,
        validation_loss=None if value is None else value + 0.0024, test_loss=value,
        tested_at=None if value is None else "2026-11-22T09:00:00+00:00", weights_sha256="cd" * 32,
    )  # fmt: skip


EXAMPLES: dict[str, Callable[[], Comparison]] = {
    "two": lambda: make_comparison({"mlp": (1.8110, 12097), "wavenet": (1.7995, 22397)}, floor=1.7712, detail=True),
    "nine": lambda: make_comparison(
        NINE, (1, 2, 3, 4, 5), floor=1.9301, published=True, matched=True, grid=True, detail=True,
        title="The lecture's five networks and four more, on names.txt",
    ),
    "diverged": lambda: make_comparison(
        {**dict(list(NINE.items())[:4]), "rnn": (2.03, 9000), "wild": (3.0, 9000)}, diverged={"rnn": 2, "wild": 3}
    ),
    "all diverged": lambda: make_comparison({"a": (2.0, 9), "b": (2.1, 9)}, diverged={"a": 1, "b": 3}),
    "one seed": lambda: make_comparison(dict(list(NINE.items())[:3]), (1,)),
    "two seeds": lambda: make_comparison(dict(list(NINE.items())[:3]), (1, 2)),
    "one model": lambda: make_comparison({"gru": (2.0, 22000)}),
    "no costs": lambda: make_comparison(dict(list(NINE.items())[:3]), costs=False, samples=False),
    "tuned": _make_tuned_comparison,
    "aimed": _make_aimed_comparison,
    "ablated": _make_ablated_comparison,
    "task": _make_task_comparison,
    "labels": lambda: make_comparison(
        {
            "<script>alert(1)</script>": (1.80, 10_000),
            "a|b `c` *d* _e_ [f](g) $h$": (1.81, 12_000),
            "wavenet(hidden=128,embedding=24,context=64,batch_norm=true,dropout=0.1,an_option=12345)": (1.82, 20_000),
            "波形ネット Ünïcödé ∑ \u202eabc": (1.83, 25_000),
            "\"quotes\" & 'more' \x1b[31m \x00": (1.84, 26_000),
        },
        title="<b>bold</b> & `code`", detail=True,
    ),
    "thirteen": lambda: make_comparison({f"model {n}": (1.9 + n * 0.003, 10_000 + 1500 * n) for n in range(13)}),
}  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    executable = find_chromium()
    if executable is None:
        pytest.skip("NEEDS CHROMIUM: none on the path; install it, or set CHROMIUM to the executable")
    chromium = Chromium(executable, tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def example() -> Make:
    """Return a comparison by its name in EXAMPLES."""
    return built


@pytest.fixture(scope="session")
def changed() -> Make:
    """Return a comparison with other values, and with the notes of these values."""

    def change(comparison: Comparison, **values: Any) -> Comparison:
        return Comparison.model_validate(comparison.model_copy(update=values).model_dump(exclude={"notes"}))

    return change


@pytest.fixture(params=EXAMPLES)
def every_name(request: pytest.FixtureRequest) -> str:
    """Each name of EXAMPLES."""
    name: str = request.param
    return name


@pytest.fixture
def every_example(every_name: str) -> Comparison:
    """Each comparison of EXAMPLES."""
    return built(every_name)


@cache
def built(name: str) -> Comparison:
    """Make an example, once: it is frozen, so tests can share it."""
    return EXAMPLES[name]()
