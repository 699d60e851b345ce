//! The options file of a published run.

use serde_json::{Map, Value};

use super::options::{CaptionType, CombFunc, Dataset, Modalities, ModelKind, Options, OptionsError};

fn wrong(field: &'static str, reason: impl Into<String>) -> OptionsError {
    OptionsError { field, reason: reason.into() }
}

/// A flat Python dictionary literal as JSON: strings in single or double quotes, `True`, `False`, `None`, numbers.
fn dictionary(line: &str) -> Option<Map<String, Value>> {
    let mut json = String::with_capacity(line.len());
    let mut chars = line.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let mut text = String::new();
                loop {
                    match chars.next()? {
                        '\\' => text.push(chars.next()?),
                        end if end == c => break,
                        other => text.push(other),
                    }
                }
                json.push_str(&Value::String(text).to_string());
            }
            c if c.is_ascii_alphabetic() => {
                let mut word = String::from(c);
                while let Some(next) = chars.next_if(|c| c.is_ascii_alphanumeric()) {
                    word.push(next);
                }
                json.push_str(match word.as_str() {
                    "True" => "true",
                    "False" => "false",
                    "None" => "null",
                    _ => return None,
                });
            }
            c => {
                json.push(c);
                // `1e-05` is the one number with a letter.
                if c.is_ascii_digit()
                    && let Some(e) = chars.next_if(|c| matches!(c, 'e' | 'E'))
                {
                    json.push(e);
                }
            }
        }
    }
    serde_json::from_str(&json).ok()
}

fn number(field: &'static str, value: &Value) -> Result<f32, OptionsError> {
    value.as_f64().map(|v| v as f32).ok_or_else(|| wrong(field, format!("{value} is not a number")))
}

fn count(field: &'static str, value: &Value) -> Result<usize, OptionsError> {
    let whole = value.as_u64().or_else(|| value.as_f64().filter(|v| v.fract() == 0.0 && *v >= 0.0).map(|v| v as u64));
    whole.map(|v| v as usize).ok_or_else(|| wrong(field, format!("{value} is not a whole number of at least 0")))
}

fn switch(field: &'static str, value: &Value) -> Result<bool, OptionsError> {
    value.as_bool().ok_or_else(|| wrong(field, format!("{value} is neither True nor False")))
}

pub(super) fn parse(text: &str) -> Result<(Options, Vec<String>), OptionsError> {
    let line = text.lines().next().unwrap_or_default();
    let entries = dictionary(line).ok_or_else(|| wrong("args.txt", "the first line is not a Python dictionary"))?;
    // MMEN runs have a caption type, JPoSE runs do not.
    let model = if entries.contains_key("caption_type") { ModelKind::Mmen } else { ModelKind::Jpose };
    let mut options = Options { model, ..Options::default() };
    let mut unknown = vec![];
    let (mut rgb, mut rgb_flow) = (false, false);
    for (key, value) in &entries {
        match key.as_str() {
            "dataset" => {
                options.dataset = match value.as_str() {
                    Some("epic100") => Dataset::Epic100,
                    Some("youcook2") => Dataset::Youcook2,
                    _ => return Err(wrong("dataset", format!("{value} is neither epic100 nor youcook2"))),
                }
            }
            "caption_type" => {
                options.caption_type = match value.as_str() {
                    Some("caption") => CaptionType::Caption,
                    Some("verb") => CaptionType::Verb,
                    Some("noun") => CaptionType::Noun,
                    _ => return Err(wrong("caption_type", format!("{value} is not caption, verb or noun"))),
                }
            }
            "comb_func" => {
                options.comb_func = match value.as_str() {
                    Some("cat") => CombFunc::Cat,
                    Some("fc") => CombFunc::Fc,
                    _ => return Err(wrong("comb_func", format!("{value} is neither cat nor fc"))),
                }
            }
            "rgb" => rgb = switch("rgb", value)?,
            "rgb_flow" => rgb_flow = switch("rgb_flow", value)?,
            "rel_margin" => options.rel_margin = switch("rel_margin", value)?,
            "all_noun_classes" => options.all_noun_classes = switch("all_noun_classes", value)?,
            "cosine" => options.cosine = switch("cosine", value)?,
            "margin" => options.margin = number("margin", value)?,
            "tt_weight" => options.tt_weight = number("tt_weight", value)?,
            "tv_weight" => options.tv_weight = number("tv_weight", value)?,
            "vt_weight" => options.vt_weight = number("vt_weight", value)?,
            "vv_weight" => options.vv_weight = number("vv_weight", value)?,
            "action_weight" => options.action_weight = number("action_weight", value)?,
            "verb_weight" => options.verb_weight = number("verb_weight", value)?,
            "noun_weight" => options.noun_weight = number("noun_weight", value)?,
            "learning_rate" => options.learning_rate = number("learning_rate", value)?,
            "momentum" => options.momentum = number("momentum", value)?,
            "comb_func_start" => options.comb_func_start = count("comb_func_start", value)?,
            "batch_size" => options.batch_size = count("batch_size", value)?,
            "num_triplets" => options.num_triplets = count("num_triplets", value)?,
            "triplet_sampling_rate" => options.triplet_sampling_rate = count("triplet_sampling_rate", value)?,
            "num_epochs" => options.num_epochs = count("num_epochs", value)?,
            "embedding_size" => options.embedding_size = count("embedding_size", value)?,
            "checkpoint_rate" => options.checkpoint_rate = count("checkpoint_rate", value)?,
            "gpu" | "num_layers" | "optimiser" | "out_dir" => {}
            other => unknown.push(other.to_string()),
        }
    }
    // `--rgb` wins, as published.
    options.modalities = match (rgb, rgb_flow) {
        (true, _) => Modalities::Rgb,
        (false, true) => Modalities::RgbFlow,
        (false, false) => Modalities::All,
    };
    Ok((options, unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_dictionary_is_read() {
        let line = "{'embedding_size': 10, 'gpu': False, 'learning_rate': 1e-05, 'rgb': True, 'rgb_flow': True, \
                    'dataset': 'youcook2', 'comb_func': 'fc', 'out_dir': './it\\'s', 'online_hard': None}\nmore";
        let (options, unknown) = parse(line).unwrap();
        assert_eq!(options.embedding_size, 10);
        assert_eq!(options.learning_rate, 1e-5);
        assert_eq!(options.modalities, Modalities::Rgb);
        assert_eq!((options.dataset, options.comb_func), (Dataset::Youcook2, CombFunc::Fc));
        assert_eq!(options.model, ModelKind::Jpose);
        assert_eq!(unknown, ["online_hard"]);
    }

    #[test]
    fn what_is_no_dictionary_or_does_not_fit_is_refused() {
        for text in ["", "[1]", "{'a': open('x')}", "{'a", "{'margin': }"] {
            assert_eq!(parse(text).unwrap_err().field, "args.txt", "{text}");
        }
        assert_eq!(parse("{'margin': 'x'}").unwrap_err().to_string(), "margin: \"x\" is not a number");
        assert_eq!(parse("{'batch_size': -1}").unwrap_err().field, "batch_size");
    }
}
