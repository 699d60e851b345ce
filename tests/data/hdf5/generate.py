"""Makes the files of this folder: HDF5 as different programs and versions lay it out.

Run in this folder as `python generate.py h5py` with h5py 3 and PyTables, and once with each of hickle 3.4.9 and 4.0.4
(`pip install "numpy<2" h5py dill six; pip install --no-deps hickle==4.0.4`) and hickle 5.0.3 as `python generate.py hickle`.
The elements of dataset number n are n, n + 1, n + 2 and so on in C order (of `video20` and more those of n modulo 20); those of `fill` datasets that are not written are 7.
"""

import sys

import h5py
import numpy as np


def values(n, *shape, dtype=np.float32):
    return (np.arange(np.prod(shape, dtype=int)) + n).reshape(shape).astype(dtype)


def types(file):
    for n, code in enumerate(["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]):
        for order in "<>":
            name = {"<": "little", ">": "big"}[order] + "_" + code
            file.create_dataset(name, data=values(n, 2, 3, dtype=order + code))
    file["bool"] = np.array([True, False, True])
    file["enum"] = np.array([1, 0], dtype=h5py.enum_dtype({"one": 1, "none": 0}, basetype="i2"))
    file["scalar"] = np.float64(5)
    file["none"] = h5py.Empty("f4")
    file["no_rows"] = np.zeros((0, 4), np.float32)
    file["fixed_text"] = np.array([b"ab", b"c"], "S2")
    file["named_type"] = np.dtype("f4")
    file.create_dataset("of_named_type", data=values(3, 4), dtype=file["named_type"])


def unread(file):
    file["video0"] = values(0, 2)
    file["text"] = "a text"
    file["texts"] = np.array(["a", "bc"], dtype=h5py.string_dtype())
    file["complex"] = np.array([1 + 2j])
    file["opaque"] = np.void(b"abc")
    file["reference"] = file["video0"].ref
    file["sequence"] = np.array([np.arange(2), np.arange(3)], dtype=h5py.vlen_dtype("i4"))
    file["arrays"] = np.zeros(2, dtype=[("a", "f4", (2,))])
    file["long_double"] = np.zeros(2, np.longdouble)
    file.create_dataset("scale_offset", data=np.arange(10), scaleoffset=4, chunks=(5,))
    file.create_dataset("external", (2,), "f4", external=[("none.bin", 0, 8)])
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("none.h5", "x", (2,))
    file.create_virtual_dataset("virtual", layout)
    file["other_file"] = h5py.ExternalLink("other.h5", "/x")
    file["soft"] = h5py.SoftLink("/video0")
    file["dangling"] = h5py.SoftLink("/video9")
    file.create_group("group")["up"] = h5py.SoftLink("/group")
    file["group/relative"] = h5py.SoftLink("inner")
    file["group/inner"] = values(1, 3)
    file["hard"] = file["video0"]


def layouts(file):
    put = file.create_dataset
    every = dict(compression="gzip", shuffle=True, fletcher32=True)
    put("contiguous", data=values(0, 3, 5))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((3, 5))
    compact = h5py.h5d.create(file.id, b"compact", h5py.h5t.IEEE_F32LE, space, plist)
    compact.write(h5py.h5s.ALL, h5py.h5s.ALL, values(1, 3, 5))
    put("chunked", data=values(2, 5, 7), chunks=(2, 3))
    put("gzip", data=values(3, 5, 7), chunks=(2, 3), **every)
    put("lzf", data=values(4, 50, 7) // 9, chunks=(20, 7), compression="lzf")
    put("lzf_shuffle", data=values(5, 50, 7), chunks=(20, 7), compression="lzf", shuffle=True)
    put("single", data=values(6, 4, 4), chunks=(4, 4))
    put("single_gzip", data=values(7, 4, 4), chunks=(4, 4), **every)
    put("growing", data=values(8, 5, 7), chunks=(2, 3), maxshape=(None, 7))
    put("growing_gzip", data=values(9, 5, 7), chunks=(2, 3), maxshape=(5, None), **every)
    put("growing_twice", data=values(10, 5, 7), chunks=(2, 3), maxshape=(None, None))
    put("growing_twice_gzip", data=values(11, 5, 7), chunks=(2, 3), maxshape=(None, None), **every)
    put("bounded", data=values(12, 5, 7), chunks=(2, 3), maxshape=(50, 70))
    put("three_axes", data=values(13, 3, 4, 5), chunks=(2, 3, 2), maxshape=(3, None, 9), compression="gzip")
    put("fletcher", data=values(14, 3, 3, dtype="i1"), chunks=(3, 3), fletcher32=True)
    put("fill", (4, 6), "f4", fillvalue=7)
    some = put("fill_chunks", (10, 10), "f4", chunks=(5, 5), fillvalue=7, maxshape=(None, 10))
    some[:5, 5:] = 1
    put("fill_none", (4, 6), "f4", chunks=(2, 2))
    shrunk = put("shrunk", data=values(15, 8, 3), chunks=(2, 3), maxshape=(None, 3))
    shrunk.resize((3, 3))
    filled = put("edges", data=values(16, 7, 7, dtype="i2"), chunks=(4, 4), compression="gzip")
    assert filled.chunks == (4, 4)


def early(file):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((2, 3))
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    space = h5py.h5s.create_simple((5, 7))
    implicit = h5py.h5d.create(file.id, b"implicit", h5py.h5t.IEEE_F32LE, space, plist)
    implicit.write(h5py.h5s.ALL, h5py.h5s.ALL, values(0, 5, 7))


def arrays_of_chunks(file):
    """Enough chunks for pages, super blocks and inner nodes; bytes, so that the file is small."""
    put = file.create_dataset
    put("fixed", data=values(0, 2100, dtype="u1"), chunks=(1,))
    put("fixed_gaps", (3000,), "u1", chunks=(1,))[2900:2950] = values(0, 50, dtype="u1")
    put("extensible", data=values(2, 2500, dtype="u1"), chunks=(1,), maxshape=(None,))
    put("extensible_gaps", (60000,), "u1", chunks=(2,), maxshape=(None,))[59990:] = values(0, 10, dtype="u1")
    put("tree", data=values(4, 30, 30, dtype="u1"), chunks=(1, 1), maxshape=(None, None))


def links(file, count):
    for n in range(count):
        file[f"video{n}"] = values(n, 1) if n < 20 else file[f"video{n % 20}"]
    file["a long name " + "x" * 300] = values(count, 1)


def h5py_files():
    for version in ["earliest", "latest"]:
        options = dict(libver=version)
        for make in [types, unread, layouts]:
            with h5py.File(f"{make.__name__}_{version}.h5", "w", **options) as file:
                make(file)
        with h5py.File(f"user_block_{version}.h5", "w", userblock_size=1024, **options) as file:
            links(file, 3)
    with h5py.File("early.h5", "w", libver="latest") as file:
        early(file)
    with h5py.File("arrays_of_chunks.h5", "w", libver="latest") as file:
        arrays_of_chunks(file)
    for count in [5, 20, 300]:
        with h5py.File(f"links_{count}_tracked.h5", "w", track_order=True) as file:
            links(file, count)
        with h5py.File(f"links_{count}_latest.h5", "w", libver="latest") as file:
            links(file, count)
    with h5py.File("links_300_earliest.h5", "w") as file:
        links(file, 300)
    with h5py.File("huge_name.h5", "w", libver="latest") as file:
        for n in range(10):
            file[f"video{n}" + "x" * 5000 * (n == 3)] = values(n, 1)
    with h5py.File("v110.h5", "w", libver=("v110", "v110")) as file:
        layouts(file)


def hostile_files():
    """Small files that ask for much."""
    with h5py.File("hostile_declared.h5", "w") as file:
        file.create_dataset("video0", (2_000_000, 8_000), "f4", fillvalue=1)
        file["video1"] = values(1, 4)
    with h5py.File("hostile_declared_chunks.h5", "w") as file:
        file.create_dataset("video0", (2_000_000, 8_000), "f4", chunks=(1, 8))[0, :8] = 1
    with h5py.File("hostile_shared_groups.h5", "w", libver="latest") as file:
        group = file.create_group("group")
        for _ in range(30):
            group["one"] = file.create_group(None)
            group["other"] = group["one"]
            group = group["one"]
    with h5py.File("hostile_cycle.h5", "w") as file:
        inner = file.create_group("group/inner")
        inner["outer"] = file["group"]
    with h5py.File("hostile_deep.h5", "w", libver="latest") as file:
        file.create_group("/".join("g" * 300))


def pytables():
    import tables

    with tables.open_file("pytables.h5", "w") as file:
        file.create_array("/", "array", values(0, 2, 3))
        file.create_carray("/", "carray", obj=values(1, 5, 7), chunkshape=(2, 3), filters=tables.Filters(5, "zlib", shuffle=True))
        file.create_earray("/", "earray", obj=values(2, 5, 7), chunkshape=(2, 7))
        file.create_array("/", "bool", np.array([True, False, True]))
        file.create_vlarray("/", "vlarray", tables.Float32Atom(), chunkshape=2).append(values(3, 2))
        file.create_group("/", "group")
        file.create_array("/group", "inner", values(4, 2, dtype="f8"))


def hickle_files():
    import hickle

    version = hickle.__version__.split(".")[0]
    content = {f"video{n}": values(n, 2, 4) for n in range(12)}
    content |= {
        "nan": float("nan"),
        "nested": {"deep": {"array": values(20, 3)}},
        "list": [values(21, 2), values(22, 3)],
        "long": [values(n, 1) for n in range(12)],
        "tuple": (values(23, 2),),
        "numbers": [1, 2, 3],
        "empty": {},
        "integer": 3,
        "truth": True,
        "none": None,
        "text": "a text",
        "bytes": b"some bytes",
        "no_rows": np.zeros((0, 4), np.float32),
        "scalar": np.array(4.0),
        5: values(24, 2),
    }
    if version > "3":
        content["a/b"] = values(25, 2)
        content["single"] = np.float32(1.5)
    if version == "5":
        content["again"] = content["video0"]
    hickle.dump(content, f"hickle{version}.hickle", mode="w")
    hickle.dump(values(1, 2, 4), f"hickle{version}_array.hickle", mode="w")
    hickle.dump([values(1, 2), values(2, 3)], f"hickle{version}_list.hickle", mode="w")
    zipped = {f"video{n}": values(n, 20, 4) for n in range(3)}
    hickle.dump(zipped, f"hickle{version}_gzip.hickle", mode="w", compression="gzip")


if sys.argv[1] == "h5py":
    h5py_files()
    hostile_files()
    pytables()
else:
    hickle_files()
