"""Verify the deterministic costs of a study's models."""

from collections.abc import Iterator, Mapping
from typing import Any

from zoo.experiments.records.study import Cost, StudyRecord
from zoo.experiments.runs.cost import STREAM, count_flops, count_trained_buffers, measure_state
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.verify.diff import compare_values, differences
from zoo.experiments.verify.rebuild import CPU, Rebuild
from zoo.surroundings import isolated


def cost_differences(record: StudyRecord, cells: Mapping[str, Cell], rebuild: Rebuild) -> Iterator[str]:
    """Check deterministic costs; timings, memory and samples cannot be reproduced."""
    for kind, labels in (("costs", record.costs), ("samples", record.samples)):
        if strange := sorted(set(labels) - set(cells)):
            yield f"{kind}: '{strange[0]}' is no model of the study"
    if record.costs:
        yield from compare_values("costs", sorted(record.costs), sorted(cells))
    for label, cost in record.costs.items():
        again = _recompute_cost(cost, cells[label], rebuild)
        yield from differences({name: getattr(cost, name) for name in again}, again, f"costs.{label}")


def _recompute_cost(cost: Cost, cell: Cell, rebuild: Rebuild) -> dict[str, Any]:
    """Recompute the deterministic fields of a cost that the record has."""
    tokens = max(cell.config.context, cell.model.receptive_field or 0, STREAM)
    again: dict[str, Any] = {
        "parameters": cell.model.parameters,
        "declared_field": cell.model.receptive_field,
        "state_tokens": tokens,
    }
    with isolated(CPU, threads=cell.config.training.threads, seed=cell.config.batch_seed):
        if cost.flops_forward is not None or cost.flops_training is not None:
            model, rows = cell.build(), rebuild.rows(cell.config, "train", CPU)
            arithmetic = count_flops(model, cell, rows)
            again |= {"flops_forward": arithmetic.forward, "flops_training": arithmetic.training}
            again |= {"flops_uncounted": arithmetic.uncounted, "flops_fitted": arithmetic.fitted}
        if cost.buffers is not None:
            model, untrained = (cell.build() for _ in range(2))
            again["buffers"] = count_trained_buffers(model, untrained, cell, rebuild.rows(cell.config, "train", CPU))
        if cost.state_bytes is not None or cost.state_grows is not None:
            state = measure_state(cell.build(), tokens)
            again |= {"state_bytes": state.bytes, "state_grows": state.grows}
    return again
