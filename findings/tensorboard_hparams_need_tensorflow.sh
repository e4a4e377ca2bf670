#!/bin/sh
# tensorboard alone cannot write hyperparameters by its own functions: tensorboard.plugins.hparams.summary and .api import
# TensorFlow, which tensorboard does not require.
#
# Python 3.11, tensorboard 2.21.0. The messages that both make need no TensorFlow: a SessionStartInfo in the metadata of a
# summary (tensorboard.plugins.hparams.metadata), written by EventFileWriter, is read back as hyperparameters.
#
# Seen: ModuleNotFoundError: No module named 'tensorflow', from both modules.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check tensorboard==2.21.0
"$folder/env/bin/python" - "$folder/log" <<'PYTHON'
import importlib
import sys

for name in ("summary", "api"):
    try:
        importlib.import_module(f"tensorboard.plugins.hparams.{name}")
    except ModuleNotFoundError as error:
        print(f"tensorboard.plugins.hparams.{name}: {error}")
        assert error.name == "tensorflow"
    else:
        raise AssertionError(name)

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata, plugin_data_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

start = plugin_data_pb2.SessionStartInfo()
start.hparams["lr"].number_value = 0.1
described = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_start_info=start))
value = Summary.Value(tag=metadata.SESSION_START_INFO_TAG, metadata=described, tensor=metadata.NULL_TENSOR)
writer = EventFileWriter(sys.argv[1])
writer.add_event(Event(summary=Summary(value=[value])))
writer.close()
events = EventAccumulator(sys.argv[1])
events.Reload()
content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
read = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams["lr"].number_value
print("read back without TensorFlow:", read)
assert read == 0.1
PYTHON
