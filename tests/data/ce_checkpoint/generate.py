"""Checkpoints as the published trainer leaves them: with the pickled object that holds the configuration of the run, and without it but with
the merged `config.json` beside."""

import collections
import json
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from torch_file import ConfigParser, Tensor, save

# Merged; the file that it would inherit from is not read again.
CONFIG = {
    "name": "queryd-small",
    "inherit_from": "configs/queryd/templates/none.json",
    "n_gpu": 1,
    "seed": 0,
    "text_embedding_model_configs": "model/text_embedding_models.json",
    "experts": {
        "modalities": ["scene.densenet161.0", "imagenet.senet154.0"],
        "drop_feats": "",
        "text_feat": "w2v",
        "text_agg": "vlad",
        "face_dim": 512,
    },
    "arch": {"type": "CENet", "args": {"use_ce": "", "vlad_clusters": {"text": 1}, "ghost_clusters": {"text": 0}}},
    "data_loader": {
        "type": "ExpertDataLoader",
        "args": {
            "dataset_name": "QuerYD",
            "data_dir": "data/QuerYD",
            "root_feat_folder": "structured-symlinks",
            "split_name": "val",
            "batch_size": 4,
            "num_test_captions": 1,
            "max_tokens": {"text": 3},
            "feat_aggregation": {
                name: {"fps": 25, "pixel_dim": 256, "stride": 1, "offset": 0, "temporal": "avg", "feat_dims": {"embed": 4}}
                for name in ("scene.densenet161.0", "imagenet.senet154.0")
            },
        },
    },
    "optimizer": {"type": "Ranger", "args": {"lr": 0.01, "weight_decay": 0.001}},
    "loss": {"type": "MaxMarginRankingLoss", "args": {"margin": 0.2, "fix_norm": True}},
    "lr_scheduler": {"type": "StepLR", "args": {"step_size": 1, "gamma": 0.95}},
    "trainer": {
        "epochs": 2,
        "save_dir": "data/saved",
        "save_period": 1,
        "monitor": "max val_t2v_metrics_geometric_mean_R1-R5-R10",
    },
    "eval_settings": {"data_loader": {"args": {"split_name": "test"}}, "tester": {"save_dir": "data/saved", "verbosity": 2}},
}

random = np.random.RandomState(0)
state = collections.OrderedDict()


def tensor(name, *shape):
    # Few digits, so that the files stay small.
    state[name] = Tensor(np.round(random.randn(*shape), 1).astype(np.float32))


def batch_norm(name, width):
    for part, value in [("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)]:
        state[f"{name}.{part}"] = Tensor(np.full(width, value, np.float32))
    state[f"{name}.num_batches_tracked"] = Tensor(np.array(5, np.int64))


def linear(name, outputs, inputs):
    tensor(f"{name}.weight", outputs, inputs)
    tensor(f"{name}.bias", outputs)


tensor("text_pooling.clusters", 300, 1)
tensor("text_pooling.clusters2", 1, 300, 1)
batch_norm("text_pooling.batch_norm", 1)
linear("ce.moe_fc", 2, 300)
for expert in range(2):
    for unit, inputs in [("video", 4), ("text", 300)]:
        linear(f"ce.{unit}_GU.{expert}.fc", 4, inputs)
        linear(f"ce.{unit}_GU.{expert}.cg.fc", 4, 4)
        batch_norm(f"ce.{unit}_GU.{expert}.cg.batch_norm", 4)

config = ConfigParser()
config.resume, config._save_dir = None, pathlib.PurePosixPath("data/saved/models/queryd-small")
config._config = json.loads(json.dumps(CONFIG), object_hook=collections.OrderedDict)
checkpoint = {"arch": "CENet", "epoch": 2, "state_dict": state, "monitor_best": 20.0}
save(HERE / "trained_model.pth", checkpoint | {"config": config}, "cpu")
save(HERE / "beside/trained_model.pth", checkpoint, "cpu")
(HERE / "beside/config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
