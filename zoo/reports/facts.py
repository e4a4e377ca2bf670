"""Words for page and document: the setting of a comparison, its means and intervals, environment and commands."""

import shlex
from collections.abc import Iterable, Sequence

from zoo.config import TrainingConfig
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import ModelRow
from zoo.experiments.judge.sentence import verdict_sentence
from zoo.experiments.judge.verdict import MOST_NAMED, list_some, percent
from zoo.experiments.records.run import DataRecord
from zoo.reports.numbers import short, storage
from zoo.reports.search_facts import describe_found

BUDGETS = {
    "steps": "steps",
    "tokens": "training tokens",
    "seconds": "seconds of training",
    "flops": "FLOPs of training",
}
RATES = {
    "recipe": "each model's recipe",
    "setting": "one for all",
    "grid": "of one grid for all, the best on validation under one more seed",
    "search": "of one search for all, the best on validation under one more seed",
}


def title(comparison: Comparison) -> str:
    """The title of the study, or its name if it has none."""
    return comparison.study.title or comparison.study.name


def verdict(comparison: Comparison) -> str:
    """The verdict, or a sentence that one model alone has none."""
    return keep_together(comparison.verdict or "One model alone: there is nothing to compare.")


def verdict_in(comparison: Comparison, *, bits: bool) -> str:
    """The verdict with losses in bits or nats; "" for one model alone."""
    return verdict_sentence(
        comparison.models,
        comparison.pairs,
        study=comparison.study,
        tuned=comparison.tuned,
        looked=comparison.looked,
        sequential=comparison.sequential,
        ablation=comparison.ablation,
        references=comparison.references,
        leaks=list(comparison.leaks),
        bits=bits,
    )


def keep_together(words: str) -> str:
    """Put no-break spaces into `p < 0.001`, which keeps it on one line."""
    return words.replace("p < ", "p\u00a0<\u00a0").replace("p = ", "p\u00a0=\u00a0")


def setting(comparison: Comparison) -> dict[str, str]:
    """Name -> value of the settings common to all models."""
    study, data, machines = comparison.study, comparison.data, comparison.environments
    training = study.training
    budget = training.budget
    facts = {
        "Corpus": describe_corpus(data, has_test=study.data.has_test),
        "Budget": f"{_amount(getattr(training, budget))} {BUDGETS[budget]} for every model{name_early_end(training)}, "
        f"{training.batch_size} rows a step" if budget else "",
        "Context": f"{study.context:,} {name_unit(data)}",
        "Seeds": f"{_list_seeds(study.seeds)}; the same for every model",
        "Search": describe_found(comparison) if comparison.tuned else "",
        "Splits": _splits(comparison),
        "Machine": _distinct(f"{machine.device}, {_count(machine.threads, 'thread')}, {machine.platform}, "
        f"torch {machine.torch}" for machine in machines),
        "Execution": _distinct(run.execution for run in comparison.runs),
    }  # fmt: skip
    if study.match:
        facts["Size"] = f"every model scaled to {_amount(study.match.target)} " + (
            "parameters" if study.match.kind == "parameters" else "training FLOPs per token"
        )
    return {name: words for name, words in facts.items() if words}


def name_early_end(training: TrainingConfig) -> str:
    """Words on an end before the budget is spent, if it may be."""
    return ", or until it has solved its task" if training.stop_when_solved else ""


def _list_seeds(seeds: Sequence[int]) -> str:
    """List seeds: 1 to 1,000 if they are neighbours."""
    if len(seeds) > MOST_NAMED and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]:,} to {seeds[-1]:,}"
    return list_some([str(seed) for seed in seeds])


def name_unit(data: DataRecord) -> str:
    """Name what a token of a corpus is, in the plural."""
    if data.task or data.tokenizer:
        return "tokens"
    return "bytes" if data.characters is None else "characters"


def describe_corpus(data: DataRecord, *, has_test: bool) -> str:
    """Describe a corpus: name, kind, targets of the splits, digest."""
    digest = f"digest {data.digest[:12]}"
    if data.task:
        return (
            f"{data.name}, documents of {data.task.length:,} tokens, drawn without end for training, "
            f"{data.task.documents:,} each for validation and test; {data.targets['test']:,} tokens of test scored; "
            f"{digest}"
        )
    kind = "one stream" if data.is_stream else "documents"
    own = {name: count for name, count in data.targets.items() if has_test or name != "test"}
    return f"{data.name}, {kind}, {', '.join(f'{count:,} {name}' for name, count in own.items())} targets; {digest}"


def rates(comparison: Comparison) -> str:
    """Say where the learning rates come from."""
    origins = dict.fromkeys(model.lr_from for model in comparison.models if model.counted is None)
    if not origins:
        return "none"
    where = ", of the first split" if comparison.study.splits > 1 and {"grid", "search"} & set(origins) else ""
    return "; ".join(RATES[origin] for origin in origins) + where


def optimizers(comparison: Comparison) -> str:
    """Name the optimizer of all models, or those of each: `muon`; `adamw (bow, bigram), muon (lstm)`."""
    found: dict[str, list[str]] = {}
    for row in comparison.models:
        if row.counted is None:
            found.setdefault(row.optimizer, []).append(row.label)
    if not found:
        return "none"
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{optimizer} ({list_some(labels)})" for optimizer, labels in found.items())


def means(comparison: Comparison) -> str:
    """Words for the seeds and splits of a mean: Means of 3 seeds; One seed; Means of 5 splits, 3 seeds each."""
    seeds, splits = len(comparison.study.seeds), comparison.study.splits
    if splits > 1:
        return f"Means of {splits} splits, {_count(seeds, 'seed')} each"
    return f"Means of {seeds} seeds" if seeds > 1 else "One seed"


def _splits(comparison: Comparison) -> str:
    """Say where several splits lie in the text; empty for a single split."""
    splits = comparison.study.splits
    if splits == 1:
        return ""
    order = "text" if comparison.data.is_stream else "shuffled documents"
    return f"{splits}, each begun 1/{splits} of the {order} further on; targets and digest are those of the first"


def level(comparison: Comparison) -> str:
    """The share of studies in which an interval holds: 95%."""
    return percent(comparison.level)


def describe_intervals(pairs: int, alpha: float, margin: float | None, unit: str) -> str:
    """Say what the intervals and p of this number of pairs are; `unit`: that of the margin."""
    share = percent(alpha)
    if margin is not None:
        joint = f"simultaneous for all {pairs} pairs; " if pairs > 1 else ""
        adjusted = "p: adjusted for all pairs. " if pairs > 1 else ""
        return f"{share} interval: {joint}it decides, with a margin of {margin:g} {unit}. {adjusted}"
    return f"{share} interval: of the pair alone. p: adjusted for all {pairs} pairs. " if pairs > 1 else ""


def has_verdicts(comparison: Comparison) -> bool:
    """Whether any pair has a verdict."""
    return any(pair.verdict != "none" for pair in comparison.pairs)


def new_sample(comparison: Comparison) -> str:
    """Name the new sample that an interval covers beside new seeds: documents, splits, regions, or text of a stream."""
    if comparison.study.splits > 1:
        return f"new {comparison.scored}"
    return "more text like this" if comparison.data.is_stream else "new documents"


def has_intervals(comparison: Comparison) -> bool:
    """Whether any mean has an interval."""
    return any(model.test and model.test.low is not None for model in comparison.models)


def environment(comparison: Comparison) -> dict[str, str]:
    """Describe commit, versions, machine and corpus of all runs, reused ones too."""
    machines = comparison.environments
    commits = (
        ("outside of a checkout" if machine.commit is None else machine.commit)
        + (", with changes" if machine.dirty else "")
        for machine in machines
    )
    return {
        "commit": _distinct(commits),
        "versions": _distinct(
            f"zoo {machine.zoo}, Python {machine.python}, torch {machine.torch}" for machine in machines
        ),
        "machine": _distinct(
            ", ".join(
                filter(None, [machine.platform, machine.processor, machine.device, _count(machine.threads, "thread")])
            )
            for machine in machines
        ),
        "corpus": f"{comparison.data.name}, SHA-256 {comparison.data.digest}",
    }


def commands(comparison: Comparison) -> dict[str, str]:
    """Command that repeats the comparison -> its purpose."""
    folder = shlex.quote(f"runs/{comparison.folder}")
    return {
        f"python cli.py compare {shlex.quote(f'runs/{comparison.folder}/{comparison.record}')} --fresh": "trains every "
        "model again, beside what is there",
        f"python cli.py verify {folder}": "computes every loss again from the weights that were kept",
    }


def state(model: ModelRow) -> str:
    """The size of a stream's state, with a + if it grows: 1.5 kB +."""
    if model.cost is None or model.cost.state_bytes is None:
        return ""
    return storage(model.cost.state_bytes) + (" +" if model.cost.state_grows else "")


def _amount(number: float) -> str:
    return short(number) if number >= 1e6 else f"{number:,g}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _distinct(words: Iterable[str]) -> str:
    """Join the words, each one once."""
    return "; ".join(dict.fromkeys(words))
