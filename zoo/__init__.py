"""The sequence-architecture zoo: models behind one interface, and honest comparisons between them.

Names are loaded on first use; importing `zoo` imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.api import ablate, check, compare, compare_sizes, evaluate, export, load, sample, trace, train
    from zoo.catalog import CORPORA, MODELS, OPTIMIZERS
    from zoo.commands import judge, track
    from zoo.config import Recipe
    from zoo.data.source import Source
    from zoo.data.task import Documents, Goal, Line, Task
    from zoo.layers.mixer import Mixer
    from zoo.models.adapt import adapt
    from zoo.models.interface import ModelOptions, SequenceModel, State
    from zoo.models.mixing import MixerModel, MixerOptions
    from zoo.naming import register
    from zoo.results import Compared, ComparedSizes, ExportedModel, TrainedRun
    from zoo.settings.searched import Searched
    from zoo.trackers.interface import TrackedRun, Tracker, TrackerOptions
    from zoo.training.optimizers.interface import Block, Optimizer, OptimizerOptions

__version__ = "0.1.0"

_HOME = {
    "Block": "zoo.training.optimizers.interface",
    "CORPORA": "zoo.catalog",
    "Compared": "zoo.results",
    "ComparedSizes": "zoo.results",
    "Documents": "zoo.data.task",
    "ExportedModel": "zoo.results",
    "Goal": "zoo.data.task",
    "Line": "zoo.data.task",
    "MODELS": "zoo.catalog",
    "Mixer": "zoo.layers.mixer",
    "MixerModel": "zoo.models.mixing",
    "MixerOptions": "zoo.models.mixing",
    "ModelOptions": "zoo.models.interface",
    "OPTIMIZERS": "zoo.catalog",
    "Optimizer": "zoo.training.optimizers.interface",
    "OptimizerOptions": "zoo.training.optimizers.interface",
    "Recipe": "zoo.config",
    "Searched": "zoo.settings.searched",
    "SequenceModel": "zoo.models.interface",
    "Source": "zoo.data.source",
    "State": "zoo.models.interface",
    "Task": "zoo.data.task",
    "TrackedRun": "zoo.trackers.interface",
    "Tracker": "zoo.trackers.interface",
    "TrackerOptions": "zoo.trackers.interface",
    "TrainedRun": "zoo.results",
    "ablate": "zoo.api",
    "adapt": "zoo.models.adapt",
    "check": "zoo.api",
    "compare": "zoo.api",
    "compare_sizes": "zoo.api",
    "evaluate": "zoo.api",
    "export": "zoo.api",
    "judge": "zoo.commands",
    "load": "zoo.api",
    "register": "zoo.naming",
    "sample": "zoo.api",
    "trace": "zoo.api",
    "track": "zoo.commands",
    "train": "zoo.api",
}

__all__ = [
    "CORPORA",
    "MODELS",
    "OPTIMIZERS",
    "Block",
    "Compared",
    "ComparedSizes",
    "Documents",
    "ExportedModel",
    "Goal",
    "Line",
    "Mixer",
    "MixerModel",
    "MixerOptions",
    "ModelOptions",
    "Optimizer",
    "OptimizerOptions",
    "Recipe",
    "Searched",
    "SequenceModel",
    "Source",
    "State",
    "Task",
    "TrackedRun",
    "Tracker",
    "TrackerOptions",
    "TrainedRun",
    "ablate",
    "adapt",
    "check",
    "compare",
    "compare_sizes",
    "evaluate",
    "export",
    "judge",
    "load",
    "register",
    "sample",
    "trace",
    "track",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
