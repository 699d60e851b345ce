//! The published rows of the relevance margin are valid, and those that their names say.

use coembed::options::{Options as _, Table, parse};
use coembed::recipes::relmargin::{Modalities, ModelKind, Options, RelMargin, RelMarginDataset};
use coembed::run::Recipe;

fn table() -> Table<Options> {
    RelMargin.rows().unwrap()
}

#[test]
fn every_row_is_valid_and_no_two_are_equal() {
    let table = table();
    let mut seen: Vec<Options> = vec![];
    for row in &table.rows {
        let options = table.checked(&row.name).unwrap_or_else(|error| panic!("{error}"));
        assert!(!seen.contains(&options), "{} is another row, too", row.name);
        let found = table.find(|other| other.without_seeds() == options.without_seeds()).unwrap();
        assert_eq!(found.name, row.name, "a row is found by its options");
        seen.push((*options).clone());
    }
    assert_eq!(seen.len(), 20, "12 rows of EPIC-Kitchens-100, 8 of YouCook2");
}

#[test]
fn rows_are_what_their_names_say() {
    let table = table();
    for row in &table.rows {
        let (name, options) = (row.name.as_str(), table.options(&row.name).unwrap());
        assert_eq!(options.dataset == RelMarginDataset::Youcook2, name.starts_with("youcook2"), "{name}");
        assert_eq!(options.model == ModelKind::Mmen, name.contains("mmen"), "{name}");
        assert_eq!(options.rel_margin, name.ends_with("_relmargin"), "{name}");
        let modalities = match name {
            _ if name.contains("rgbflow") => Modalities::RgbFlow,
            _ if name.contains("rgb") => Modalities::Rgb,
            _ => Modalities::All,
        };
        assert_eq!(options.modalities, modalities, "{name}");
        let crossmodal = (options.tt_weight, options.vv_weight) == (0.0, 0.0);
        assert_eq!(crossmodal, name.contains("crossmodal"), "{name}");
        let action = (options.verb_weight, options.noun_weight) == (0.0, 0.0);
        assert_eq!(action, name.contains("_action"), "{name}");
        assert_eq!(row.scores.len(), if name.starts_with("epic") { 2 } else { 0 }, "{name}");
    }
    assert_eq!(table.row("epic_jpose_relmargin").unwrap().scores["action/nDCG/avg"], 0.562);
    assert_eq!(table.row("epic_jpose_relmargin").unwrap().scores["action/mAP/avg"], 0.458);
}

#[test]
fn unknown_fields_and_wrong_types_are_refused_with_their_line() {
    let error =
        parse::<Options>("a.ron", "(\n    rel_margin: true,\n    learning_rat: 0.1,\n)").unwrap_err().to_string();
    assert!(error.starts_with("a.ron, line 3, column "), "{error}");
    assert!(error.contains("`learning_rat`; the nearest are learning_rate"), "{error}");
    let error = parse::<Options>("a.ron", "(batch_size: -4)").unwrap_err().to_string();
    assert!(error.starts_with("a.ron, line 1, "), "{error}");
}
