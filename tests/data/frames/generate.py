"""Writes frames and Series as one version of pandas pickles them: `python generate.py NAME`, Python 2.7 to 3.x.

`versions.sh` beside it runs this with every version.
"""
from __future__ import unicode_literals

import datetime
import pickle
import sys

import numpy as np
import pandas as pd

NAME = sys.argv[1]
IDS = ["P01_01_0", "P01_01_1", "P02_03_0"]


def plain():
    columns = [
        ("verb_class", [3, 0, 7]), ("x", [0.5, 1.5, -2.0]), ("ok", [True, False, True]),
        ("narration", ["open door", "take p\u00e4n", "cut"]), ("all_noun_classes", [[1], [2, 3], []]), ("noun_class", [2, 9, 1]),
    ]
    frame = pd.DataFrame(dict(columns), index=pd.Index(IDS, name="narration_id"))
    return frame[[name for name, _ in columns]]


def rich():
    """Columns of every kind that the version has, beside two plain ones."""
    frame = plain()[["verb_class", "narration"]].copy()
    frame["verb"] = pd.Categorical(["open", None, "cut"])
    frame["level"] = pd.Categorical([5, 6, 5], categories=[6, 5], ordered=True)
    frame["when"] = [pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-02 03:04:05"), None]
    frame["zoned"] = pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"]).tz_localize("UTC")
    frame["span"] = pd.to_timedelta([1, 2, 3], unit="s")
    frame["day"] = [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2), None]
    frame["clock"] = [datetime.timedelta(seconds=5)] * 3
    for name, values, kind in [
        ("nullable", [1, None, 3], "Int64"), ("small", [1, 2, 3], "UInt8"), ("maybe", [True, None, False], "boolean"),
        ("real", [0.5, None, 1.5], "Float64"), ("text", ["a", None, "\u00e9"], "string"), ("arrow", ["a", None, "\u00e9"], "string[pyarrow]"),
        ("arrow_int", [1, None, 3], "int64[pyarrow]"), ("sparse", [0.0, 0.0, 1.0], "Sparse[float]"),
    ]:
        try:
            frame[name] = pd.array(values, dtype=kind)
        except (AttributeError, TypeError, ValueError, ImportError, NameError):
            pass
    for name, values in [("period", lambda: pd.period_range("2020-01", periods=3, freq="M")), ("range", lambda: pd.interval_range(0, 3))]:
        try:
            frame[name] = pd.Series(values(), index=frame.index)
            pickle.dumps(frame)
        except (AttributeError, TypeError, ValueError):
            frame = frame.drop(name, axis=1, errors="ignore") if name in frame else frame
    frame["last"] = ["x", "y", "z"]
    return frame


def write(name, value):
    for protocol in sorted({2, pickle.HIGHEST_PROTOCOL}):
        with open("{}.{}.p{}.pkl".format(NAME, name, protocol), "wb") as file:
            pickle.dump(value, file, protocol)


write("plain", plain())
write("rich", rich())
frame = plain()[["verb_class", "narration"]]
indexes = {
    "range": frame.reset_index(drop=True),
    "categories": frame.set_index(pd.CategoricalIndex(["b", "a", "b"], name="id")),
    "integers": frame.set_index(pd.Index([5, 7, 9], name="id")),
    "dates": frame.set_index(pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-04"])),
    "levels": frame.set_index(pd.MultiIndex.from_arrays([["a", "a", "b"], [1, 2, 1]], names=["x", "y"])),
}
write("indexes", indexes)
series = {"text": frame["narration"], "numbers": frame["verb_class"], "categories": rich()["verb"], "unnamed": pd.Series([1.5, 2.5])}
write("series", series)
