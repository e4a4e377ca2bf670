"""Send runs and studies to the trackers where people already look: TensorBoard, MLflow, and those of plug-ins."""

from zoo.trackers.interface import Ending, Point, TrackedRun, Tracker, TrackerOptions

__all__ = ["Ending", "Point", "TrackedRun", "Tracker", "TrackerOptions"]
