"""Weights & Biases as a tracker: a group for each study, a run for each of its runs.

compare --models gru,lstm --track "./examples/wandb_tracker.py:WandB(project=zoo,mode=offline)"
"""

import hashlib
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from zoo import Tracker, TrackerOptions


class WandB(Tracker):
    """Sends to wandb, or writes what `wandb sync` sends later."""

    class Config(TrackerOptions):
        project: str = Field("zoo", description="name of the project")
        mode: str = Field("online", description="online, or offline: write files in the study's folder")

    needs: ClassVar = ("wandb",)
    extra: ClassVar = "examples"

    def __init__(self, config, folder: Path) -> None:
        super().__init__(config, folder)
        self._open = {}
        self.where = (
            f"wandb sync {folder / 'wandb'}/*" if config.mode == "offline" else f"wandb project {config.project}"
        )

    def begin(self, run) -> None:
        import wandb

        if before := self._open.pop(run.name, None):
            before.finish()
        opened = self._open[run.name] = wandb.init(
            project=self.config.project,
            mode=self.config.mode,
            group=run.group,
            name=run.name,
            job_type=run.kind,
            id=hashlib.sha256(f"{run.group}/{run.name}".encode()).hexdigest()[:16],
            config=dict(run.settings),
            dir=self.folder,
            reinit="create_new",
            settings=wandb.Settings(
                console="off",
                silent=True,
                disable_git=True,
                save_code=False,
                disable_job_creation=True,
                x_disable_stats=True,
            ),
        )
        opened.define_metric("*", step_metric="step")  # steps of different numbers do not ascend together

    def log(self, run, points) -> None:
        for point in points:
            self._open[run.name].log({"step": point.step, **point.values})

    def end(self, run, ending) -> None:
        import wandb

        opened = self._open.pop(run.name)
        opened.summary.update({"status": ending.status, **ending.numbers, **ending.tags})
        if ending.files:
            files = wandb.Artifact(f"{opened.id}-records", "records")
            texts = {f"{name}.md": text for name, text in ending.texts.items()}
            for name, text in {**ending.files, **texts}.items():
                with files.new_file(name) as file:
                    file.write(text)
            opened.log_artifact(files)
        if page := ending.files.get("report.html"):
            opened.log({"report": wandb.Html(page)})
        opened.finish(exit_code=int(ending.status in ("failed", "interrupted")))
