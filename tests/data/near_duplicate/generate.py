"""Writes the pickles of this folder: `PYTHONHASHSEED=0 python generate.py` (sets have an order of their own in every run otherwise).

The contents are the layouts of pickles in tests/near_duplicate/files.rs, with sets and with numbers as keys.
"""
import pathlib
import pickle

HERE = pathlib.Path(__file__).parent
CONTENTS = {
    "cc_web": {
        "vid2index": {"a": 0, "b": 1, "c": 2}, "queries": ["a", "b"],
        "ground_truth": [{0: "E", 2: "x", 7: "S"}, {1: "E"}], "excluded": [{2, 9}, set()],
    },
    "vcdb": {
        "index": ["a", "b", "c", "d", "c"], "negs": ["c", "d", "c"],
        "video_pairs": [{"videos": ["a", "b"], "overlap": [0.5, 1.0]}, {"videos": ["b", "d"], "overlap": [0.25, 0.75]}],
    },
    "evve": {
        "queries": ["q", "r"], "database": ["a", "b", "a"],
        "annotation": {"z": ({"r"}, {"b", "new"}, set()), "e": ({"q"}, {"b", "a"}, {"b"})},
    },
    "activity_net": {"a": {"c", "b"}, "b": set()},
    "fivr": {
        "annotation": {"q": {"ND": ["b"], "DA": ["a", "far"], "??": []}, "r": {}},
        "5k": {"queries": ["q"], "database": {"b"}}, "200k": {"queries": ["q", "r"], "database": set()},
    },
}

for name, content in CONTENTS.items():
    for protocol in (3, 4):
        (HERE / f"{name}_{protocol}.pickle").write_bytes(pickle.dumps(content, protocol))
