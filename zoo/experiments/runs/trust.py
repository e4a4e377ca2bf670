"""Decide which files may be imported for a record: importing runs their code, and records are untrusted.

A record names its model, and perhaps its corpus, as `./mine.py:Mine`. Such a file is imported if the user trusts it, or
if its bytes are those the run was made with and it is outside of the folders of runs and studies. The check imports
nothing. What a user names in a command, and what is installed, is trusted.
"""

import os
from pathlib import Path

from registry.files import is_file_reference, split_file_reference
from zoo.calls import parse_call
from zoo.config import RunConfig
from zoo.errors import RunError
from zoo.experiments.records.fingerprint import digest_model
from zoo.experiments.records.run import DIGESTS, Recorded, is_run
from zoo.experiments.runs.strategy import FILE as WAYS


class Trust:
    """The files that may be imported for records.

    Args:
        everything: whether the user trusts all files that records name.
    """

    def __init__(self, *, everything: bool = False) -> None:
        self._everything = everything
        self._allowed: set[Path] = set()
        self._reasons: dict[Path, str] = {}

    def allow(self, recorded: Recorded) -> None:
        """Allow the files that a record names if they pass the check."""
        known, config = recorded.digests == DIGESTS, recorded.run
        for name, digest in (
            (config.model.name, recorded.model_source if known else None),
            (config.data.corpus.name, recorded.corpus_source),
            (_optimizer_name(recorded.settings.get("optimizer")), recorded.optimizer_source),
        ):
            if not is_file_reference(name):
                continue
            path = split_file_reference(name)[0].resolve()
            if reason := _why_not(path, name, digest):
                self._reasons[path] = reason
            else:
                self._allowed.add(path)

    def check_run(self, config: RunConfig) -> None:
        """Check the model, corpus and optimizer of a run before they are imported for a record.

        Raises:
            RunError: one is a file that is not allowed.
        """
        self.check(config.model.name, config.data.corpus.name, _optimizer_name(config.training.optimizer))

    def check(self, *names: str) -> None:
        """Check names of models, corpora and optimizers before they are imported for a record.

        Raises:
            RunError: a name is a file that is not allowed.
        """
        for name in names:
            if self._everything or not is_file_reference(name):
                continue
            path = split_file_reference(name)[0].resolve()
            if os.path.isfile(path) and path not in self._allowed:
                why = self._reasons.get(path, "no run that was read here was trained with it")
                raise RunError(
                    f"A record names the file '{name}', but {why}. Importing it runs its code: "
                    "if you trust it, add --trust (in Python trust=True)."
                )


def _optimizer_name(text: object) -> str:
    """Return the name in a record's optimizer; "" if it has none."""
    return parse_call(text).name if isinstance(text, str) else ""


def _why_not(path: Path, name: str, digest: str | None) -> str:
    """Return why a file must not be imported for a record; empty if it may be."""
    if not os.path.isfile(path):
        return ""  # a missing file is reported later, by the look-up
    if any(map(_holds_records, path.parents)):
        return "it is inside a folder of runs or studies"
    if digest is None:
        return "the record lacks a digest to check it against"
    if digest_model(None, name) != digest:
        return "it has changed since the run was trained"
    return ""


def _holds_records(folder: Path) -> bool:
    """Return whether a folder belongs to a run or a study."""
    return (
        _is_whole_run(folder)
        or (folder / WAYS).is_file()
        or any(folder.glob("study-*.json"))
        or any(_is_whole_run(result.parent) for result in folder.glob("*/result.json"))
    )


def _is_whole_run(folder: Path) -> bool:
    """Return whether a folder has what is read of a run; other programs, too, write a result.json."""
    return is_run(folder) and (folder / "config.json").is_file()
