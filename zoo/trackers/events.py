"""TensorBoard's events: numbers, texts and settings as summaries, and files of them. Needs no TensorFlow."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.compat.proto.tensor_pb2 import TensorProto  # type: ignore[import-untyped]
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto  # type: ignore[import-untyped]
from tensorboard.compat.proto.types_pb2 import DT_STRING  # type: ignore[import-untyped]
from tensorboard.plugins.hparams import metadata as hparams  # type: ignore[import-untyped]
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.text.metadata import create_summary_metadata  # type: ignore[import-untyped]
from tensorboard.summary.writer.event_file_writer import EventFileWriter  # type: ignore[import-untyped]


class EventFile:
    """An event file that is open for writing."""

    def __init__(self, folder: Path) -> None:
        self._writer = EventFileWriter(str(folder))

    def write_settings(self, settings: Mapping[str, object], session: str) -> None:
        """Write settings for the tab of hyperparameters, once and before all else."""
        start = plugin_data_pb2.SessionStartInfo(group_name=session, start_time_secs=time.time())
        for name, value in settings.items():
            _set(start.hparams[name], value)
        data = plugin_data_pb2.HParamsPluginData(session_start_info=start)
        metadata = hparams.create_summary_metadata(data)
        value = Summary.Value(tag=hparams.SESSION_START_INFO_TAG, metadata=metadata, tensor=hparams.NULL_TENSOR)
        self._write(Summary(value=[value]), 0)

    def write_numbers(self, numbers: Mapping[str, float], step: int) -> None:
        """Write scalars, which are stored as float32."""
        values = [Summary.Value(tag=name, simple_value=number) for name, number in numbers.items()]
        self._write(Summary(value=values), step)

    def write_text(self, name: str, text: str, step: int) -> None:
        """Write a text in Markdown."""
        tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()], tensor_shape=TensorShapeProto())
        metadata = create_summary_metadata(display_name=name, description="")
        self._write(Summary(value=[Summary.Value(tag=name, metadata=metadata, tensor=tensor)]), step)

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _write(self, summary: Summary, step: int) -> None:
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))


def _set(field: Any, value: object) -> None:
    """Set a field that takes a truth value, a number or a text."""
    if isinstance(value, bool):
        field.bool_value = value
    elif isinstance(value, int | float):
        field.number_value = value
    else:
        field.string_value = str(value)
