"""Writes compressed pickles and files that are something else than their names say: `python generate.py`, Python alone."""
import bz2
import gzip
import json
import lzma
import pathlib
import pickle
import zipfile
import zlib

HERE = pathlib.Path(__file__).parent
VALUE = {"video0": [1.0, 2.0], "text": "h\u00e9"}
PICKLE = pickle.dumps(VALUE, 4)

(HERE / "x.pkl.gz").write_bytes(gzip.compress(PICKLE, mtime=0))
# Two members in a row are one file.
(HERE / "two.pkl.gz").write_bytes(gzip.compress(PICKLE[:20], mtime=0) + gzip.compress(PICKLE[20:], mtime=0))
(HERE / "x.pkl.bz2").write_bytes(bz2.compress(PICKLE))
(HERE / "x.pkl.xz").write_bytes(lzma.compress(PICKLE))
(HERE / "x.pkl.z").write_bytes(zlib.compress(PICKLE))
with zipfile.ZipFile(HERE / "x.pkl.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr(zipfile.ZipInfo("x.pkl"), PICKLE)
(HERE / "x.json.gz").write_bytes(gzip.compress(json.dumps(VALUE).encode(), mtime=0))
text = pickle.dumps({"a": [1, 2.5], "b": "text"}, 0)
(HERE / "crlf.pkl").write_bytes(text.replace(b"\n", b"\r\n"))
