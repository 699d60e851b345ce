"""Writes the pickles and .npy files of this folder: `python generate.py builtin|numpy1|numpy2|frame1|frame2|frame3|npy`.

builtin needs Python only; numpy1: numpy 1.23; numpy2, npy: numpy 2.4; frame1: pandas 1.5; frame2: pandas 2.2;
frame3: pandas 3.1.
"""
import argparse
import collections
import pathlib
import pickle
import sys
import types

HERE = pathlib.Path(__file__).parent


def dump(name, value, protocol):
    (HERE / "pickle" / name).write_bytes(pickle.dumps(value, protocol))


def builtin():
    shared = ["shared"]
    for protocol in range(6):
        value = {
            "none": None, "true": True, "false": False, "int": -3, "long": 5_000_000_000, "big": 2**70, "negative": -(2**70),
            "float": 1.5, "str": "h\u00e9 \u4e2d\n", "bytes": b"\x00\xff", "bytearray": bytearray(b"ab"),
            "list": [1, [2]], "empty": [], "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
            "set": {7}, "frozenset": frozenset([8]), "ordered": collections.OrderedDict(a=1, b=2),
            "default": collections.defaultdict(list, x=[1]), "shared": [shared, shared],
            "namespace": argparse.Namespace(lr=0.01, name="run"), 4: "four",
        }
        dump(f"builtin_{protocol}.pkl", value, protocol)
    # An object of a class that the reader does not know.
    module = types.ModuleType("project.config")
    config = type("Config", (), {"__module__": "project.config"})
    module.Config = config
    sys.modules["project"], sys.modules["project.config"] = types.ModuleType("project"), module
    instance = config()
    instance.arch = {"type": "net"}
    for protocol in (0, 2, 4):
        dump(f"config_{protocol}.pkl", {"config": instance, "epoch": 3}, protocol)


def arrays(np):
    base = np.arange(6).reshape(2, 3)
    return {
        "f2": (base / 4).astype("f2"), "f4": base.astype("f4"), "f8_fortran": np.asfortranarray(base.astype("f8")),
        "f8_big": base.astype(">f8"), "i1": base.astype("i1"), "i2": base.astype("i2"), "i4_big": base.astype(">i4"),
        "i8": base.astype("i8"), "u1": base.astype("u1"), "u2": base.astype("u2"), "u4": base.astype("u4"),
        "u8": base.astype("u8"), "bool": base % 2 == 0, "str": np.array(["P01", "\u4e2d"]), "bytes": np.array([b"ab", b"c"]),
        "object": np.array([[1, "x"], [None, [2]]], dtype=object), "zero_d": np.array(7), "empty": np.zeros((0, 3), "f4"),
        "scalar_f4": np.float32(0.5), "scalar_i8": np.int64(-2), "scalar_bool": np.bool_(True),
        "scalar_u8": np.uint64(2**64 - 1), "scalar_str": np.str_("s"), "object_fortran":
        np.asfortranarray(np.array([["a", "b"], ["c", "d"]], dtype=object)),
    }


def numpy1():
    import numpy as np
    for protocol in (0, 2, 4, 5):
        dump(f"numpy1_{protocol}.pkl", arrays(np), protocol)


def numpy2():
    import numpy as np
    for protocol in (0, 2, 4, 5):
        dump(f"numpy2_{protocol}.pkl", arrays(np), protocol)


def frame():
    import pandas as pd
    columns = {"narration": ["open door", "take pan"], "verb_class": [3, 0], "x": [0.5, 1.5], "noun_class": [2, 9],
               "all_nouns": [["door"], ["pan", "lid"]], "flag": [True, False]}
    return pd.DataFrame(columns, index=pd.Index(["P01_1_0", "P01_1_1"], name="narration_id"))


def frames(version, protocols):
    for protocol in protocols:
        dump(f"frame{version}_{protocol}.pkl", frame(), protocol)
    dump(f"range{version}.pkl", frame().reset_index(drop=True), 4)


def frame1():
    frames(1, (2, 4, 5))
    old_frame()


def old_frame():
    """The layout of pandas before 1.3, written through stand-ins for its classes."""
    import numpy as np
    import pandas as pd

    class Manager:
        pass

    class Frame:
        pass

    Manager.__module__, Manager.__qualname__, Manager.__name__ = "pandas.core.internals.managers", "BlockManager", "BlockManager"
    Frame.__module__, Frame.__qualname__, Frame.__name__ = "pandas.core.frame", "DataFrame", "DataFrame"
    axes = [pd.Index(["a", "b", "c"]), pd.Index([10, 20], name="id")]
    blocks = [{"values": np.array([[1, 2], [5, 6]]), "mgr_locs": slice(0, 3, 2)},
              {"values": np.array([["x", "y"]], dtype=object), "mgr_locs": np.array([1])}]
    Manager.__getstate__ = lambda self: (axes, [b["values"] for b in blocks], [], {"0.14.1": {"axes": axes, "blocks": blocks}})
    Frame.__getstate__ = lambda self: {"_data": Manager(), "_typ": "dataframe", "_metadata": [], "attrs": {}}

    class Pickler(pickle._Pickler):
        def save_global(self, obj, name=None):
            if obj in (Manager, Frame):
                self.write(pickle.GLOBAL + f"{obj.__module__}\n{obj.__name__}\n".encode())
                self.memoize(obj)
            else:
                super().save_global(obj, name)

        dispatch = dict(pickle._Pickler.dispatch)
        dispatch[type] = save_global

    with open(HERE / "pickle" / "frame0.pkl", "wb") as file:
        Pickler(file, 2).dump(Frame())


def npy():
    import numpy as np
    for name, array in arrays(np).items():
        if not name.startswith("scalar"):
            np.save(HERE / "npy" / f"{name}.npy", array)
    np.savez(HERE / "npy" / "stored.npz", features=np.eye(2, dtype="f4"), names=np.array(["a", "b"]))
    np.savez_compressed(HERE / "npy" / "deflated.npz", features=np.eye(2, dtype="f4"), names=np.array(["a", "b"]))


what = sys.argv[1]
if what in ("frame2", "frame3"):
    frames(int(what[-1]), (2, 4, 5))
else:
    globals()[what]()
