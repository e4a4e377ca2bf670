"""Run the checks of the contract on one model, in order."""

import sys
import warnings
from contextlib import redirect_stdout
from typing import Any, Literal, NamedTuple

from zoo.blame import describe_error, own_lines
from zoo.calls import Call, parse_call
from zoo.conformance import (
    causality,
    compilation,
    determinism,
    dtype,
    independence,
    learning,
    options,
    packing,
    padding,
    receptive_field,
    shape,
    stacking,
    streaming,
    weights,
)
from zoo.conformance.check import Check, Finding, failure
from zoo.conformance.subject import CPU, Subject
from zoo.errors import ZooError
from zoo.surroundings import isolated

CHECKS: dict[str, Check] = {
    module.CHECK.name: module.CHECK
    for module in (
        shape,
        dtype,
        determinism,
        causality,
        independence,
        padding,
        packing,
        receptive_field,
        streaming,
        learning,
        options,
        weights,
        stacking,
    )
}
SLOW: dict[str, Check] = {compilation.CHECK.name: compilation.CHECK}
"""Slow checks, which run only on request."""


class Outcome(NamedTuple):
    """The result of a check. A skipped check waits for those in `waits_for`, which failed."""

    check: Check
    status: Literal["passed", "failed", "skipped"]
    findings: tuple[Finding, ...]
    waits_for: tuple[str, ...] = ()


class Contract:
    """The contract on one model. A check runs once, when its outcome is first requested, after the checks it needs."""

    def __init__(self, subject: Subject, *, compile: bool = False) -> None:
        self.subject = subject
        self.checks = {**CHECKS, **(SLOW if compile else {})}
        self._outcomes: dict[str, Outcome] = {}

    def outcome(self, name: str) -> Outcome:
        """Return the outcome of the check called `name`, and run it if it has not run."""
        if name not in self._outcomes:
            check = self.checks[name]
            failed = [cause for need in check.needs for cause in self._causes(need)]
            waits_for = tuple(dict.fromkeys(failed))
            self._outcomes[name] = Outcome(check, "skipped", (), waits_for) if failed else self._run(check)
        return self._outcomes[name]

    def outcomes(self) -> list[Outcome]:
        """Return the outcomes of all checks."""
        return [self.outcome(name) for name in self.checks]

    def _causes(self, name: str) -> tuple[str, ...]:
        """Return the failed checks that keep the check `name` from passing: itself, or those it waits for."""
        outcome = self.outcome(name)
        return (name,) if outcome.status == "failed" else outcome.waits_for

    def _run(self, check: Check) -> Outcome:
        findings: list[Finding] = []
        quiet = warnings.catch_warnings(action="ignore"), redirect_stdout(sys.stderr)
        with isolated(CPU, threads=1, seed=0), quiet[0], quiet[1]:
            try:
                findings.extend(check.find(self.subject))
            except (Exception, SystemExit) as error:
                findings.append(failure(_describe_failure(error, self.subject.model.__module__)))
        failed = any(finding.kind == "failure" for finding in findings)
        return Outcome(check, "failed" if failed else "passed", tuple(findings))


def check_model(text: str, *, context: int, vocab_size: int, compile: bool = False) -> dict[str, Any]:
    """Run the contract on the model that `text` names; return a JSON document.

    Raises:
        RegistryError, UsageError, StrangerError: the model is unknown, or cannot be built with these options and sizes.
    """
    call: Call = parse_call(text)
    subject = Subject.of(call, context=context, vocab_size=vocab_size)
    subject.build()
    outcomes = Contract(subject, compile=compile).outcomes()
    return {
        "model": str(call),
        "context": context,
        "vocab_size": vocab_size,
        "passed": all(outcome.status == "passed" for outcome in outcomes),
        "checks": [
            {
                "name": outcome.check.name,
                "holds": outcome.check.holds,
                "status": outcome.status,
                "waits_for": list(outcome.waits_for),
                "findings": [finding._asdict() for finding in outcome.findings],
            }
            for outcome in outcomes
        ],
    }


def _describe_failure(error: BaseException, module: str) -> str:
    """Describe an exception: its message, its notes (where in the contract), and the last of the model's own lines."""
    notes = "".join(f", {note}" for note in getattr(error, "__notes__", ()))
    own = own_lines(error, module)
    what = str(error) if isinstance(error, ZooError) else f"Raises {describe_error(error)}"
    return f"{what.rstrip('.')}{notes}." + (f" In {own[-1]}" if own else "")
