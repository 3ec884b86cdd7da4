"""Reads the event files of a run of dtrain with TensorBoard's own reader, and compares them with metrics.jsonl.

python read_events.py RUN: ends with 0 where they say the same. Needs tensorboard (2.21).
"""

import json
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

run = sys.argv[1]
everything = {"scalars": 0, "histograms": 0, "images": 0, "tensors": 0}
events = EventAccumulator(run + "/tensorboard", size_guidance=everything)
events.Reload()

lines = [json.loads(line) for line in open(run + "/metrics.jsonl")]


def logged(event, key):
    return [(line["step"], struct.unpack("f", struct.pack("f", line[key]))[0]) for line in lines if line["event"] == event]


def read(tag):
    return [(event.step, event.value) for event in events.Scalars(tag)]


for event, name in [("step", "train"), ("validation", "validation")]:
    for key in ["loss", "accuracy"]:
        assert read(f"{name}/{key}") == logged(event, key), (name, key, read(f"{name}/{key}"), logged(event, key))
assert read("train/learning_rate") == logged("step", "learning_rate")
assert read("train/gradient_norm") == logged("step", "gradient_norm")

tags = events.Tags()
for tag in tags["histograms"]:
    steps = [event.step for event in events.Histograms(tag)]
    assert steps == sorted(set(steps)), (tag, steps)
    for event in events.Histograms(tag):
        value = event.histogram_value
        assert len(value.bucket) == len(value.bucket_limit) and sum(value.bucket) == value.num, tag
        assert value.bucket_limit[-1] == value.max and value.min <= value.max, tag
assert any(tag.startswith("weights/") for tag in tags["histograms"])
assert any(tag.startswith("gradients/") for tag in tags["histograms"])
for tag in tags["images"]:
    for event in events.Images(tag):
        assert event.encoded_image_string[:4] == b"\x89PNG" and event.width > 0 and event.height > 0, tag
assert "inputs" in tags["images"]

text = events.Tensors("configuration/text_summary")[-1].tensor_proto.string_val[0].decode()
assert "optimizer" in text
plugins = {}
for tag in ["_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info"]:
    metadata = events.SummaryMetadata(tag).plugin_data
    assert metadata.plugin_name == "hparams"
    plugins[tag] = plugin_data_pb2.HParamsPluginData.FromString(metadata.content)
settings = plugins["_hparams_/session_start_info"].session_start_info.hparams
assert settings["training.seed"].number_value == 0 and settings["optimizer"].string_value == "adam", settings
assert plugins["_hparams_/session_end_info"].session_end_info.status == 1
assert "validation/loss" in [metric.name.tag for metric in plugins["_hparams_/experiment"].experiment.metric_infos]
print("equal:", ", ".join(f"{len(names)} {kind}" for kind, names in tags.items() if isinstance(names, list) and names))
