"""A data set of 24 videos in the layout of QuerYD's archive: two experts, of which a third of the videos lack one, and word vectors."""

import os
import pickle

import numpy as np

ROOT = os.path.dirname(os.path.abspath(__file__))
random = np.random.RandomState(0)


def write(path, content):
    path = os.path.join(ROOT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        pickle.dump(content, file, 2)


videos = [f"video{i:02}" for i in range(24)]
for name, part in [("train_list.txt", videos[:14]), ("val_list.txt", videos[14:19]), ("test_list.txt", videos[19:])]:
    with open(os.path.join(ROOT, name), "w") as file:
        file.write("\n".join(part))
# What a video is about; experts and words see it through maps of their own.
about = {video: random.randn(6).astype(np.float32) for video in videos}
face, audio, words = (random.randn(6, width).astype(np.float32) for width in (32, 128, 300))
write("face.pkl", {v: about[v] @ face if i % 3 else float("nan") for i, v in enumerate(videos)})
write("audio.pkl", {v: np.tile(about[v] @ audio, (2, 1)) for v in videos})
write("text_embeddings/w2v.pkl", {v: [np.tile(about[v] @ words, (2, 1))] for v in videos})
