use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/npy").join(name)
}

#[test]
fn every_element_type_and_order() {
    let read = |name: &str| from_path(&fixture(&format!("{name}.npy")), &Limits::default()).unwrap();
    for name in ["f4", "f8_fortran", "f8_big", "i1", "i2", "i4_big", "i8", "u1", "u2", "u4", "u8"] {
        assert_eq!(read(name).to_f64_matrix().unwrap().as_slice(), [0., 1., 2., 3., 4., 5.], "{name}");
    }
    assert_eq!(read("f2").to_f32_vec().unwrap()[5], 1.25);
    assert_eq!(read("bool").to_i64_vec().unwrap(), [1, 0, 1, 0, 1, 0]);
    assert_eq!(read("str").to_strings().unwrap(), ["P01", "中"]);
    assert_eq!(read("bytes").to_strings().unwrap(), ["ab", "c"]);
    assert_eq!(read("object").value(1), Some("x".into()));
    assert_eq!(read("object_fortran").to_strings().unwrap(), ["a", "b", "c", "d"]);
    assert_eq!((read("zero_d").shape(), read("empty").shape()), ([].as_slice(), [0, 3].as_slice()));
}

#[test]
fn archives_stored_and_deflated() {
    for name in ["stored.npz", "deflated.npz"] {
        let arrays = npz_from_path(&fixture(name), &Limits::default()).unwrap();
        assert_eq!(arrays[0].0, "features");
        assert_eq!(arrays[0].1.to_f32_matrix().unwrap().as_slice(), [1., 0., 0., 1.]);
        assert_eq!(arrays[1].1.to_strings().unwrap(), ["a", "b"]);
    }
}

#[test]
fn errors_name_the_file() {
    let error = from_path(Path::new("/nowhere/x.npy"), &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/x.npy");
}
