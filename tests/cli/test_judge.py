"""`judge`: what is in the files decides what is counted, and it is told."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

ROOT = Path(__file__).resolve().parents[2]
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a table of rows under a header, and return its name."""

    def write_table(header: str, rows: Iterable[Iterable[object]], name: str = "scores.csv") -> str:
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return name

    return write_table


def crossed(models: dict[str, float], seeds: int, items: int, seed: int = 0) -> list[tuple[str, int, int, float]]:
    """Rows (model, seed, item, score) of models with these means."""
    rng = np.random.default_rng(seed)
    hard, own = rng.normal(0, 0.3, items), {m: rng.normal(0, 0.1, items) for m in models}
    return [
        (m, s, i, mean + shift + hard[i] + own[m][i] + rng.normal(0, 0.05))
        for m, mean in models.items()
        for s, shift in enumerate(rng.normal(0, 0.01, seeds))
        for i in range(items)
    ]


def test_more_models_than_can_be_judged_together_are_refused_in_a_line(run_zoo, write) -> None:
    rows = [(f"m{model}", seed, 2.0) for model in range(301) for seed in (1, 2)]
    done = run_zoo("judge", write("model,seed,loss", rows))
    assert done.returncode == 1
    assert done.stderr == (
        "Error: There are 301 models in the file, and at most 300 are judged together: leave out some.\n"
    )


@pytest.mark.parametrize("stream", [False, True])
def test_a_study_is_judged_as_compare_judged_it_to_the_last_digit(zoo_json, words, tmp_path, stream: bool) -> None:
    text = ["--data", str(words), *(["--documents", "none", "--length", "8"] if stream else [])]
    made = zoo_json("compare", "--models", "bigram,bow(hidden=4),mlp(hidden=4)", "--steps", "20", "--margin", "0.2",
                    "--set", "batch_size=8", *text)  # fmt: skip
    (task,) = zoo_json("judge", made["directory"], "--margin", "0.2")["tasks"]
    assert [model["label"] for model in task["models"]] == [model["label"] for model in made["models"]]
    for own, other in zip(task["models"], made["models"], strict=True):
        assert own["test"] == other["test"]
        assert own["letters"] == other["letters"]
    assert task["pairs"] == made["pairs"]
    assert (task["method"], task["reason"]) == (made["method"], made["reason"])


def test_seeds_alone_are_a_paired_t_test_and_the_test_set_is_taken_as_it_is(zoo_json, run_zoo, write) -> None:
    losses = np.random.default_rng(1).normal(2, 0.1, (2, 5))
    name = write("model,seed,loss", [(m, s, losses[k, s]) for k, m in enumerate("ab") for s in range(5)])
    (task,) = zoo_json("judge", name)["tasks"]
    assert task["counted"] == "seeds"
    assert task["pairs"][0]["p"] == pytest.approx(stats.ttest_rel(*losses).pvalue)
    assert "The test set is taken as it is" in run_zoo("judge", name).stdout.replace("\n  ", " ")


def test_one_seed_is_judged_item_by_item_and_the_verdict_is_about_these_weights(zoo_json, run_zoo, write) -> None:
    rows = crossed({"a": 2.0, "b": 2.1}, 1, 50)
    name = write("model,item,loss", [(m, i, x) for m, _, i, x in rows])
    (task,) = zoo_json("judge", name)["tasks"]
    assert task["counted"] == "items"
    reference = stats.ttest_rel(*([x for m, _, _, x in rows if m == model] for model in "ab"))
    assert task["pairs"][0]["p"] == pytest.approx(reference.pvalue)
    assert "The verdicts are about these weights" in run_zoo("judge", name).stdout.replace("\n  ", " ")


def test_seeds_and_items_count_two_uncertainties(zoo_json, write) -> None:
    (task,) = zoo_json("judge", write("model,seed,item,loss", crossed({"a": 2.0, "b": 2.1}, 4, 30)))["tasks"]
    assert task["counted"] == "seeds and items"
    assert task["pairs"][0]["seeds_se"] > 0
    assert task["pairs"][0]["documents_se"] > 0


def test_unpaired_seeds_are_welchs_test_and_may_differ_in_number(zoo_json, run_zoo, write) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(2, 0.1, 4), rng.normal(2.2, 0.2, 6)
    name = write("model,seed,loss", [*(("a", s, x) for s, x in enumerate(a)), *(("b", s, x) for s, x in enumerate(b))])
    (task,) = zoo_json("judge", name, "--unpaired")["tasks"]
    assert task["pairs"][0]["p"] == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    (paired,) = zoo_json("judge", name)["tasks"]
    assert [model["seeds"] for model in paired["models"]] == [4, 4]
    assert "2 of 6 seeds are not there for every model, and left out: 4, 5." in paired["notes"]


def test_items_that_not_all_models_have_are_left_out_and_counted(zoo_json, write) -> None:
    rows = [row for row in crossed({"a": 2.0, "b": 2.1}, 3, 20) if (row[0], row[2]) != ("a", 7)]
    (task,) = zoo_json("judge", write("model,seed,item,loss", rows))["tasks"]
    assert task["items"] == 19
    assert "1 of 20 items are not scored for every model and seed, and left out: 7." in task["notes"]


def test_right_or_wrong_items_are_judged_exactly(zoo_json, write) -> None:
    rng = np.random.default_rng(5)
    right = rng.random((2, 120)) < np.array([[0.8], [0.6]])
    rows = [(m, i, int(right[k, i])) for k, m in enumerate("ab") for i in range(120)]
    (task,) = zoo_json("judge", write("model,item,accuracy", rows))["tasks"]
    first, second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert task["method"] == "exact McNemar"
    assert task["pairs"][0]["p"] == pytest.approx(min(1, stats.binomtest(first, first + second).pvalue / 0.9))
    best = task["models"][0]
    assert best["test"]["mean"] == pytest.approx(right[0].mean())
    interval = stats.binomtest(int(right[0].sum()), 120).proportion_ci()
    assert (best["test"]["low"], best["test"]["high"]) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("higher", [False, True])
def test_a_score_of_which_higher_is_better_is_judged_as_its_negative(zoo_json, write, higher: bool) -> None:
    rows = crossed({"a": 2.0, "b": 2.2, "c": 2.1}, 4, 30)
    sign = -1 if higher else 1
    name = write("model,seed,item,x", [(m, s, i, sign * x) for m, s, i, x in rows])
    (task,) = zoo_json("judge", name, "--score", "x", "--higher" if higher else "--lower", "--margin", "0.05")["tasks"]
    assert [model["label"] for model in task["models"]] == ["a", "c", "b"]
    assert [sign * model["test"]["mean"] for model in task["models"]] == pytest.approx(
        [np.mean([x for m, *_, x in rows if m == model]) for model in "acb"]
    )
    for pair in task["pairs"]:
        low, high = pair["joint_low"], pair["joint_high"]
        assert low < pair["difference"] < high
        assert pair["verdict"] == ("better" if (low > 0 if higher else high < 0) else "undecided")


def test_several_tasks_are_judged_each_by_itself(zoo_json, run_zoo, write) -> None:
    rows = [(t, *row) for t in ("one", "two") for row in crossed({"a": 2.0, "b": 2.1}, 3, 20, seed=len(t))]
    name = write("task,model,seed,item,loss", rows)
    assert [task["task"] for task in zoo_json("judge", name)["tasks"]] == ["one", "two"]
    alone = write("model,seed,item,loss", [row[1:] for row in rows if row[0] == "one"], "alone.csv")
    together, apart = (zoo_json("judge", file)["tasks"][0]["pairs"] for file in (name, alone))
    assert together == apart
    assert run_zoo("judge", name).stdout.startswith("one\n")


def test_a_cluster_takes_the_place_of_its_items(zoo_json, write) -> None:
    rng = np.random.default_rng(7)
    rows = [(m, i, i // 5, 2 + 0.1 * k + rng.normal(0, 0.1)) for k, m in enumerate("ab") for i in range(40)]
    (task,) = zoo_json("judge", write("model,item,cluster,loss", rows))["tasks"]
    sums = {m: np.array([np.mean([x for n, _, c, x in rows if (n, c) == (m, g)]) for g in range(8)]) for m in "ab"}
    assert (task["items"], task["unit"]) == (8, "clusters")
    assert task["pairs"][0]["p"] == pytest.approx(stats.ttest_rel(sums["a"], sums["b"]).pvalue)


def test_items_in_order_are_judged_as_a_stream_is(zoo_json, write) -> None:
    name = write("model,seed,item,loss", crossed({"a": 2.0, "b": 2.1}, 3, 400))
    ordered, plain = (zoo_json("judge", name, *flag)["tasks"][0] for flag in (["--ordered"], []))
    assert ordered["unit"] == "stretches"
    assert any("The scores are of one stream" in note for note in ordered["notes"])
    assert ordered["pairs"][0]["documents_se"] != plain["pairs"][0]["documents_se"]


def test_weights_make_a_mean_of_items_one_of_tokens(zoo_json, write) -> None:
    rows = [(m, s, i, x, 1 + i) for m, s, i, x in crossed({"a": 2.0, "b": 2.1}, 3, 20)]
    (task,) = zoo_json("judge", write("model,seed,item,loss,tokens", rows))["tasks"]
    own = [(x, w) for m, s, _, x, w in rows if (m, s) == ("a", 0)]
    assert task["models"][0]["scores"]["0"] == pytest.approx(sum(x * w for x, w in own) / sum(w for _, w in own))


@pytest.mark.parametrize(("rates", "said", "letters"), [
    ((6, 0), "a solves it more often than b", {"a", "b"}),
    ((4, 2), "No two models can be told apart", {"a"}),
])  # fmt: skip
def test_solved_is_declared_and_counted_exactly(zoo_json, write, rates, said: str, letters: set[str]) -> None:
    rows = [(m, s, 1.0 if s < rate else 0.5) for m, rate in zip("ab", rates, strict=True) for s in range(6)]
    (task,) = zoo_json("judge", write("model,seed,accuracy", rows), "--solved", "accuracy>=0.99")["tasks"]
    solved = task["solved"]
    assert [(own["solved"], own["seeds"]) for own in solved["counts"]] == [(rate, 6) for rate in rates]
    interval = stats.binomtest(rates[0], 6).proportion_ci()
    assert (solved["counts"][0]["low"], solved["counts"][0]["high"]) == pytest.approx((interval.low, interval.high))
    assert said in solved["verdict"]
    assert {own["letters"] for own in solved["counts"]} == letters


def test_unpaired_outcomes_are_tested_by_barnard_and_below_five_seeds_have_no_letters(zoo_json, write) -> None:
    def judge(seeds: int) -> Any:
        rows = [(m, s, float(m == "a") + 0.001 * s) for m in "ab" for s in range(seeds)]
        name = write("model,seed,accuracy", rows)
        return zoo_json("judge", name, "--unpaired", "--solved", "accuracy>=0.9")["tasks"][0]["solved"]

    assert judge(5)["pairs"][0]["p"] == pytest.approx(stats.barnard_exact([[5, 0], [0, 5]]).pvalue)
    few = judge(4)
    assert {own["letters"] for own in few["counts"]} == {""}
    assert "it takes 5" in few["verdict"]


def test_power_plans_seeds_and_items(zoo_json, run_zoo, write) -> None:
    name = write("model,seed,item,loss", crossed({"a": 2.0, "b": 2.0}, 5, 60))
    small, large = (zoo_json("judge", name, "--power", d)["tasks"][0]["plan"]["pairs"][0] for d in ("0.01", "0.1"))
    assert small["items"] is None or small["items"] > large["items"]
    assert large["seeds"] <= 5
    assert "To find a true difference of 0.1 in 80% of studies" in run_zoo("judge", name, "--power", "0.1").stdout


def test_the_numbers_planned_are_those_at_which_a_t_test_has_80_percent_power(zoo_json, write) -> None:
    rng = np.random.default_rng(2)
    losses = rng.normal(2, 0.1, (2, 6))
    name = write("model,seed,loss", [(m, s, losses[k, s]) for k, m in enumerate("ab") for s in range(6)])
    needed = zoo_json("judge", name, "--power", "0.1")["tasks"][0]["plan"]["pairs"][0]["seeds"]
    sd = np.std(losses[0] - losses[1], ddof=1)

    def power(n: int) -> float:
        return float(stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, 0.1 / sd * np.sqrt(n)))

    assert power(needed) >= 0.8 > power(needed - 1)


def test_a_report_has_page_document_and_numbers(run_zoo, write, tmp_path) -> None:
    name = write("model,seed,item,loss", crossed({"a<b>": 2.0, "b": 2.1, "c": 2.2}, 3, 20))
    done = run_zoo("judge", name, "--out", "there", "--margin", "0.01", "--solved", "loss<2")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "there/report.html").read_text()
    assert "a&lt;b&gt;" in page
    assert "<svg" in page
    assert "simultaneous for all 3 pairs" in page
    assert (
        "a&lt;b&gt;" in (tmp_path / "there/report.md").read_text()
        or "a\\<b" in (tmp_path / "there/report.md").read_text()
    )
    document = json.loads((tmp_path / "there/judgement.json").read_text())
    assert document["sources"][0]["path"] == name
    assert "report: there/report.html" in done.stderr


@pytest.mark.parametrize(
    ("scale", "shown"), [(1.0, "by 0.1000 in loss"), (1000.0, "by 100.0 in loss"), (0.01, "by 0.001000")]
)
def test_numbers_have_as_many_decimals_as_suit_them(run_zoo, write, scale: float, shown: str) -> None:
    rows = [(m, s, scale * (2 + s / 50 + 0.1 * k)) for k, m in enumerate("ab") for s in range(4)]
    assert shown in run_zoo("judge", write("model,seed,loss", rows)).stdout.replace("\n", " ")


def test_csv_has_all_digits(run_zoo, write) -> None:
    name = write("model,seed,loss", [(m, s, 2 + s / 3) for m in "ab" for s in range(3)])
    lines = run_zoo("judge", name, "--csv").stdout.splitlines()
    assert lines[0] == "task,model,measure,mean,low,high,group,seeds,items"
    assert repr(float(np.mean([2 + s / 3 for s in range(3)]))) in lines[1]


def test_a_line_has_at_most_80_columns(run_zoo, write) -> None:
    name = write("model,seed,item,loss", crossed({f"model-{k}": 2.0 + k / 50 for k in range(7)}, 3, 20))
    done = run_zoo("judge", name, "--margin", "0.01", "--power", "0.01", "--solved", "loss<2.05")
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("header", "rows", "flags", "said"),
    [
        ("model,seed,loss", [("a", s, 1) for s in range(3)], [], "There is one model in the file ('a'), and two are"),
        ("model,loss", [("a", 1), ("b", 2)], [], "There is one score a model, without items"),
        ("model,seed,loss", [(m, s, 1) for m in "ab" for s in range(2)], [], "There are 2 scores a model, without"),
        ("model,seed,score", [(m, s, 1) for m in "ab" for s in range(3)], [], "give --higher or --lower"),
        ("model,seed,loss", [("a", 1, 1), ("b", 2, 1)], [], "No seed in the file is there for all 2 models"),
        ("model,seed,loss", [(m, s, 1) for m in "ab" for s in range(3)], ["--ordered"], "leave out --ordered"),
        ("model,item,loss", [("a", 1, 1), ("b", 2, 1)], [], "No item in the file is scored for every model"),
        ("model,item,loss,tokens", [("a", 1, 1, 3), ("b", 1, 1, 4)], [], "Weights differ: item '1' weighs"),
        ("model,item,cluster,loss", [("a", 1, "x", 1), ("b", 1, "y", 1)], [], "Item '1' is in two clusters"),
        ("model,seed,loss", [(m, s, 1) for m in "ab" for s in range(3)], ["--alpha", "0.7"], "between 0 and 0.5"),
        ("model,seed,loss", [(m, s, 1) for m in "ab" for s in range(3)], ["--solved", "acc>1"], "is about 'acc'"),
        ("model,seed,loss", [(m, s, 1) for m in "ab" for s in range(3)], ["--solved", "loss"], "does not say what"),
        ("model,seed,loss", [(m, s, 1) for m in "ab" for s in range(3)], ["--reader", "x"], "Unknown reader 'x'"),
        ("model,seed,loss", [(m, s, 1) for m in "ab" for s in range(3)], ["--margin", "0"], "greater than 0"),
    ],
)  # fmt: skip
def test_wrong_files_and_flags_are_one_clear_line(run_zoo, write, header, rows, flags, said) -> None:
    done = run_zoo("judge", write(header, rows), *flags)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_judge_imports_no_torch(write, tmp_path) -> None:
    name = write("model,seed,item,loss", crossed({"a": 2.0, "b": 2.1}, 3, 20))
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
sys.argv = ["zoo", "judge", {name!r}, "--out", "there", "--solved", "loss<2", "--unpaired"]
import cli
try:
    cli.main()
finally:
    print("imported" if "torch" in sys.modules else "not imported")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("not imported\n")
