//! Every configuration of `paper-repros` is read, valid, and the one that its name says.

use coembed::recipes::relmargin::{Options, PUBLISHED, published};

fn read(name: &str) -> Options {
    let path = format!("paper-repros/jpose_relmargin/{name}.ron");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let options: Options = ron::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
    options.check().unwrap_or_else(|e| panic!("{path}: {e}"));
    options
}

#[test]
fn there_is_a_configuration_for_every_published_row() {
    for row in PUBLISHED {
        assert_eq!(published(&read(row.name)), Some(row), "{}", row.name);
    }
}

#[test]
fn every_configuration_is_valid_and_no_two_are_equal() {
    let mut seen: Vec<(String, Options)> = vec![];
    for entry in std::fs::read_dir("paper-repros/jpose_relmargin").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "ron") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_string();
            let options = read(&name);
            if let Some((twin, _)) = seen.iter().find(|(_, other)| *other == options) {
                panic!("{name} and {twin} are the same configuration");
            }
            seen.push((name, options));
        }
    }
    assert_eq!(seen.len(), 20, "12 rows of EPIC-Kitchens-100, 8 of YouCook2");
}

#[test]
fn unknown_fields_and_wrong_types_are_refused_with_their_line() {
    let error = ron::from_str::<Options>("(\n    rel_margin: true,\n    learning_rat: 0.1,\n)").unwrap_err();
    assert_eq!(error.span.start.line, 3, "{error}");
    assert!(error.to_string().contains("learning_rat"), "{error}");
    let error = ron::from_str::<Options>("(batch_size: -4)").unwrap_err();
    assert_eq!(error.span.start.line, 1, "{error}");
}
