"""Writes the annotations of a made-up split of three segments and two captions as CSV files and as pickled data frames.

Run in this folder with pandas 2 or later; the frames hold lists, as those of the published scripts do.
"""

import pandas as pd

ROWS = [
    ("P01_11_0", "take plate", "take", 0, "plate", 2, ["plate"], [2]),
    ("P01_11_1", "put plate and cup in sink", "put", 1, "plate", 2, ["plate", "cup", "sink", "plate"], [2, 13, 9, 2]),
    ("P02_03_7", "take cup, saucer", "take", 0, "cup", 13, ["cup", "saucer"], [13, 2]),
]
COLUMNS = ["narration_id", "narration", "verb", "verb_class", "noun", "noun_class", "all_nouns", "all_noun_classes"]
# The text of the second caption is not that of the segment with its id, as in the published file.
CAPTIONS = [("P01_11_1", "put plate and cup in sink"), ("P02_03_7", "take plate")]

segments = pd.DataFrame(ROWS, columns=COLUMNS).set_index("narration_id")
captions = pd.DataFrame(CAPTIONS, columns=["narration_id", "narration"]).set_index("narration_id")
for name, frame in [("test", segments), ("test_sentence", captions)]:
    frame.to_csv(f"EPIC_100_retrieval_{name}.csv")
    frame.to_pickle(f"EPIC_100_retrieval_{name}.pkl", protocol=4)
