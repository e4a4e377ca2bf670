"""Decide which files a record may have imported: importing a file runs its code, and a record may come from anybody.

A record names its model, and perhaps its corpus, as `./mine.py:Mine`. Such a file is imported if it is, to the byte,
what the run was made with and does not lie in the folder of a run or of a study, or if the user says that it is
trusted. Nothing is imported to find that out. What a user names in a command, and what is installed, is trusted.
"""

import os
from pathlib import Path

from registry.files import is_file_reference, split_file_reference
from zoo.errors import RunError
from zoo.experiments.records.fingerprint import digest_model
from zoo.experiments.records.run import DIGESTS, Recorded, is_run
from zoo.experiments.runs.strategy import FILE as WAYS


class Trust:
    """The files that may be imported for records.

    Args:
        everything: the user trusts all that records name.
    """

    def __init__(self, *, everything: bool = False) -> None:
        self._everything = everything
        self._allowed: set[Path] = set()
        self._reasons: dict[Path, str] = {}

    def allow(self, recorded: Recorded) -> None:
        """Allow the files that a record names, where they are what it was made with."""
        known, config = recorded.digests == DIGESTS, recorded.run
        for name, digest in (
            (config.model.name, recorded.model_source if known else None),
            (config.data.corpus.name, recorded.corpus_source),
        ):
            if not is_file_reference(name):
                continue
            path = split_file_reference(name)[0].resolve()
            if reason := _why_not(path, name, digest):
                self._reasons[path] = reason
            else:
                self._allowed.add(path)

    def check(self, *names: str) -> None:
        """Names of models and corpora that are about to be imported for a record.

        Raises:
            RunError: one of them is a file that nobody has allowed.
        """
        for name in names:
            if self._everything or not is_file_reference(name):
                continue
            path = split_file_reference(name)[0].resolve()
            if os.path.isfile(path) and path not in self._allowed:
                why = self._reasons.get(path, "no run here was made with it as it is")
                raise RunError(
                    f"A record names the file '{name}', and {why}. Importing it runs its code: "
                    "say so if you trust it (--trust, or trust=True)."
                )


def _why_not(path: Path, name: str, digest: str | None) -> str:
    """Why a file is not imported for a record; empty where it may be."""
    if not os.path.isfile(path):
        return ""  # which is told when it is looked for
    if any(map(_holds_records, path.parents)):
        return "it lies among records"
    if digest is None:
        return "the record does not say what it was"
    if digest_model(None, name) != digest:
        return "it is no longer what the run was made with"
    return ""


def _holds_records(folder: Path) -> bool:
    """Whether a folder is a run's or a study's."""
    return (
        is_run(folder)
        or (folder / WAYS).is_file()
        or any(folder.glob("study-*.json"))
        or any(folder.glob("*/result.json"))
    )
