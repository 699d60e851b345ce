"""Makes the files of this folder: a data set as the published archives lay it out, three videos of it.

Run in this folder with numpy, h5py, msgpack and hickle 3.4.9 (`pip install --no-deps hickle==3.4.9 dill six`); `hickle` 4 and 5 lay
files out differently, which the second HDF5 file imitates. The features of video v are all v + 1, plus 0.5 in files of maxima; the words of
its caption c are all 10 v + c + 1.
"""

import collections
import datetime
import gzip
import json
import pathlib
import pickle
import shutil
import sys
import types

import h5py
import hickle
import msgpack
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from torch_file import ConfigParser, Tensor, save

NAN = float("nan")
VIDEOS = ["video0", "video1", "video2"]
ROOT = pathlib.Path("symlinked-feats")


def write(name, value, protocol=4):
    path = ROOT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol=protocol))


def text(name, value):
    (ROOT / name).write_bytes(value.encode())


def full(value, *shape, dtype=np.float32):
    return np.full(shape, value, dtype)


class ExpertStore:
    def __init__(self, keys, dim, missing):
        self.keys = keys
        self.dim = dim
        self.keymap = {key: row for row, key in enumerate(keys)}
        self.store = np.stack([full(row + 1, dim, dtype=np.float16) for row in range(len(keys))])
        self.missing = missing


# The class of the published files lives in a package of their authors.
module = types.ModuleType("zsvision.zs_data_structures")
module.ExpertStore = ExpertStore
ExpertStore.__module__ = module.__name__
sys.modules["zsvision"] = types.ModuleType("zsvision")
sys.modules[module.__name__] = module

shutil.rmtree(ROOT, ignore_errors=True)
ROOT.mkdir()

# Lists: without a final newline, with the line ends of Windows, with repeated and unknown videos.
text("train_list_full.txt", "video0\nvideo1")
text("test_list_full.txt", "video2\r\n")
text("val_list_full.txt", "video2\nvideo1\nvideo2\n")
text("train_list_jsfusion.txt", "video0\n")
text("val_list_jsfusion.txt", "video1\nvideo2\n")
text("unknown.txt", "video0\nvideo9\n")
text("dotted.txt", "video0.avi.mp4\nvideo1.mp4\n")

# Visual features: an average and a maximum, as (1, D) and (D); one of protocol 2, as published.
visual = "aggregated_imagenet_25fps_256px_stride1_offset0_inner_stride1"
write(f"{visual}/senet154-avg.pickle", {v: full(i + 1, 1, 4) for i, v in enumerate(VIDEOS)}, 2)
write(f"{visual}/senet154-max.pickle", {v: full(i + 1.5, 1, 4) for i, v in enumerate(VIDEOS)})
scene = "aggregated_scene_25fps_256px_stride25"
write(f"{scene}/densenet161-avg-logits.pickle", ExpertStore(VIDEOS, 3, {"video1"}), 3)

# Custom experts: sequences, some missing, one empty; HDF5 in place of a pickle.
write("aggregated_audio_feats/Audio_MSRVTT_new.pickle", {"video0": full(1, 2, 5), "video1": NAN, "video2": full(3, 4, 5)})
write("aggregated_speech/speech-w2v.pickle", {"video0": np.array([]), "video2": full(3, 1, 5)})
(ROOT / "antoine").mkdir()
values = {v: full(i + 1, 1, 2) for i, v in enumerate(VIDEOS)} | {"video1": NAN}
hickle.dump(values, str(ROOT / "antoine/face_features.hickle"), mode="w")
with h5py.File(ROOT / "antoine/resnet_features.hickle", "w") as file:
    group = file.create_group("data")
    for key, value in values.items():
        group.create_dataset(f'"{key}"', data=value, **({"compression": "gzip"} if key == "video0" else {}))
with h5py.File(ROOT / "plain.h5", "w") as file:
    for i, v in enumerate(VIDEOS):
        file.create_dataset(v, data=full(i + 1, 2, dtype=np.float64))
np.save(ROOT / "dict.npy", {v: full(i + 1, 2, dtype=np.float64) for i, v in enumerate(VIDEOS)}, allow_pickle=True)
(ROOT / "plain.pickle.gz").write_bytes(gzip.compress(pickle.dumps({v: full(i + 1, 2) for i, v in enumerate(VIDEOS)}, 4), mtime=0))
write("foreign.pickle", {v: full(i + 1, 2) for i, v in enumerate(VIDEOS)} | {"made": datetime.date(2020, 1, 1), "by": pathlib.PurePosixPath("a")})
text("missing.json", json.dumps({"video0": [1.0, 1.0], "video1": NAN, "video2": [3.0, 3.0]}))
text("lists.json", json.dumps({v: [[i + 1, i + 1.0]] for i, v in enumerate(VIDEOS)}))


def packed(array):
    return {b"nd": True, b"type": array.dtype.str, b"kind": b"", b"shape": array.shape, b"data": array.tobytes()}


(ROOT / "packed.mp").write_bytes(msgpack.packb({v: packed(full(i + 1, 2)) for i, v in enumerate(VIDEOS)}))
text("matlab.mat", "MATLAB 5.0 MAT-file")
write("nan.pickle", {v: full([1, NAN, 3][i], 4) for i, v in enumerate(VIDEOS)})
write("narrow.pickle", {v: full(1, 4 - i) for i, v in enumerate(VIDEOS)})
write("half_missing.pickle", {"video0": NAN, "video1": full(2, 1, 4), "video2": full(3, 1, 4)})
write("code.pickle", {"video0": pathlib.PurePosixPath("a")})

# Text: video0 has 2 captions, video1 3, video2 1; of 3 words, but the last of 2.
COUNTS = [2, 3, 1]
captions = {v: [full(10 * i + c + 1, 3, 300) for c in range(n)] for i, (v, n) in enumerate(zip(VIDEOS, COUNTS))}
captions["video2"] = [full(21, 2, 300)]
write("aggregated_text_feats/w2v.pkl", captions)
write("aggregated_text_feats/gpt2.pkl", {v: [full(1, 3, 5)] for v in VIDEOS})
write("aggregated_text_feats/openai-gpt.pkl", {v: [full(1, 3, 5)] for v in VIDEOS})
parts = {"vid1": [full(1, 2, 768)]}, {"vid2": [full(2, 2, 768)], "vid3": [full(3, 2, 768)]}
for name, part in zip(["openai-caption-train.pkl", "openai-caption-val.pkl"], parts):
    write(f"aggregated_text_feats/{name}", part)
write("dict_youtube_mapping.pkl", {f"vid{i + 1}": v for i, v in enumerate(VIDEOS)})
write("raw-captions.pkl", {v: [["say", str(c)] for c in range(n)] for v, n in zip(VIDEOS, COUNTS)})
write("jsfusion_val_caption_idx.pkl", {"video1": 2, "video2": 0})
write("masks.pkl", {"video0": np.array([0, 1]), "video1": [1, 0, 1]})
write("masks_zero.pkl", {"video0": np.array([0, 0]), "video1": [1, 0, 1]})


def teacher(counts, experts=("scene", "audio")):
    one = lambda i, n: {
        "vid_embds": {e: full(i + 1, 6) for e in experts},
        "text_embds": {e: np.stack([full(10 * i + c + 1, 6) for c in range(n)]) for e in experts},
    }
    return {v: one(i, n) for i, (v, n) in enumerate(zip(VIDEOS, counts))}


write("teachers/good.pkl", teacher(COUNTS))
write("teachers/fused.pkl", teacher([1, 1, 1]))
write("teachers/other_captions.pkl", teacher([2, 2, 1]))
write("teachers/other_experts.pkl", teacher(COUNTS) | {"video1": teacher(COUNTS, ["scene"])["video1"]})
write("teachers/one_video.pkl", {"video0": teacher(COUNTS)["video0"]})


def checkpoint(name, state, **more):
    config = ConfigParser()
    config._config = collections.OrderedDict(name="x", arch={"type": "CENet"})
    config._save_dir = pathlib.PurePosixPath("data/saved")
    value = {"arch": "CENet", "epoch": 42, "state_dict": collections.OrderedDict(state)} | more
    value |= {"monitor_best": np.float64(29.5), "config": config}
    save(name, value, "cuda:0")


weights = {
    "text_pooling.batch_norm.num_batches_tracked": Tensor(np.array(7, np.int64)),
    "ce.moe_fc.weight": Tensor(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "ce.moe_fc_bottleneck1.weight": Tensor(full(1, 2, 2)),
    "ce.moe_cg.fc.bias": Tensor(full(1, 2)),
    "ce.moe_fc_proj.bias": Tensor(full(1, 2)),
}
optimizer = {"state": {0: {"exp_avg": Tensor(full(0, 2))}}, "param_groups": [{"lr": 0.1}]}
checkpoint("trained_model.pth", {f"module.{name}": tensor for name, tensor in weights.items()})
checkpoint("checkpoint-epoch42.pth", weights, optimizer=optimizer)
checkpoint("no_tensors.pth", {"text": "none"})
