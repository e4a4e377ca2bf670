"""MLflow: an experiment for each study, a run for each of its runs, in a database beside the studies or on a server.

MLflow's own numbers of use, prints and look for git are switched off. Its SQL store keeps no infinite number, and is
sent none: a run that diverged has a status and no loss.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import Field

from zoo.errors import ZooError
from zoo.trackers.interface import Ending, Point, TrackedRun, Tracker, TrackerOptions

T = TypeVar("T")

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""Without these a call to a dead server takes minutes; a user's own values win."""
MOST = 100
"""Entries of a batch that every store accepts."""
LONGEST = 5000
"""Characters of a parameter or tag; a longer one is cut, and whole in the run's config.json."""


class MLflow(Tracker):
    """Sends to an MLflow server, or writes a database."""

    class Config(TrackerOptions):
        uri: str = Field("", description="server or database [MLFLOW_TRACKING_URI, else mlflow.db beside the studies]")
        experiment: str = Field("", description="name of the experiment [that of the study's folder]")

    needs: ClassVar[Sequence[str]] = ("mlflow", "sqlalchemy", "alembic")
    extra: ClassVar[str] = "mlflow"
    config: Config

    def __init__(self, config: TrackerOptions, folder: Path) -> None:
        super().__init__(config, folder)
        beside = folder.absolute().parent
        uri = self.config.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{beside / 'mlflow.db'}"
        os.environ.update(QUIET)
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        if "://" not in uri or uri.startswith("file:"):
            os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
        from mlflow import MlflowClient

        if uri.startswith("sqlite:"):
            beside.mkdir(parents=True, exist_ok=True)
        self._client = MlflowClient(tracking_uri=uri)
        self._artifacts = (beside / "mlflow-artifacts").as_uri() if uri.startswith("sqlite:") else None
        self._ids: dict[str, str] = {}
        self.where = f"MLflow at {uri}"

    def has(self, run: TrackedRun, digest: str) -> bool:
        return any(found.data.tags.get("zoo.digest") == digest for found in self._find(run))

    def begin(self, run: TrackedRun) -> None:
        for old in self._find(run):
            self._client.delete_run(old.info.run_id)
        tags = {"zoo.id": _identify(run), "zoo.study": run.group, "zoo.kind": run.kind, "zoo.status": "running"}
        made = self._client.create_run(self._experiment(run), run_name=run.name, tags=tags)
        self._ids[run.name] = made.info.run_id
        self._log(run, params=run.settings)

    def log(self, run: TrackedRun, points: Sequence[Point]) -> None:
        self._log(run, metrics=[(key, value, point.step) for point in points for key, value in point.values.items()])

    def end(self, run: TrackedRun, ending: Ending) -> None:
        for name, text in ending.texts.items():
            self._client.log_text(self._ids[run.name], text, f"{_clean(name)}.md")
        for file, content in ending.files.items():
            self._client.log_text(self._ids[run.name], content, file)
        step = int(ending.numbers.get("steps", 0))
        self._log(run, metrics=[(f"result/{key}", value, step) for key, value in ending.numbers.items()])
        note = {"mlflow.note.content": ending.tags["verdict"]} if "verdict" in ending.tags else {}
        tags = {f"zoo.{key}": value for key, value in ending.tags.items()}
        self._log(run, tags={**note, **tags, "zoo.status": ending.status, "zoo.digest": ending.digest})
        status = {"failed": "FAILED", "interrupted": "KILLED"}.get(ending.status, "FINISHED")
        self._client.set_terminated(self._ids.pop(run.name), status)

    def _find(self, run: TrackedRun) -> list[Any]:
        return list(self._client.search_runs([self._experiment(run)], f"tags.`zoo.id` = '{_identify(run)}'"))

    def _experiment(self, run: TrackedRun) -> str:
        """The experiment's number; made if there is none."""
        name = self.config.experiment or run.group
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return str(self._client.create_experiment(name, artifact_location=self._artifacts))
        if found.lifecycle_stage != "active":
            raise ZooError(f"experiment '{name}' is deleted there: restore it, or name another (experiment=NAME)")
        return str(found.experiment_id)

    def _log(
        self,
        run: TrackedRun,
        *,
        metrics: Sequence[tuple[str, float, int]] = (),
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        where, now = self._ids[run.name], int(time.time() * 1000)
        for some in _split(metrics):
            self._client.log_batch(where, metrics=[Metric(_clean(key), value, now, step) for key, value, step in some])
        for pairs in _split(list((params or {}).items())):
            self._client.log_batch(where, params=[Param(_clean(key), str(value)[:LONGEST]) for key, value in pairs])
        for texts in _split(list((tags or {}).items())):
            self._client.log_batch(where, tags=[RunTag(_clean(key), value[:LONGEST]) for key, value in texts])


def _identify(run: TrackedRun) -> str:
    return hashlib.sha256(f"{run.group}/{run.name}".encode()).hexdigest()[:32]


def _split(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split into batches of at most `MOST`."""
    for start in range(0, len(values), MOST):
        yield values[start : start + MOST]


def _clean(name: str) -> str:
    """A name that MLflow accepts, which may become the path of a file."""
    parts = re.sub(r"[^\w.\- :/]", "_", name)[:200].split("/")
    return "/".join("_" if part in ("", ".", "..") else part for part in parts)
