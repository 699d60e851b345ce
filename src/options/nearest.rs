/// The names nearest to a wrong one, best first, at most three.
pub fn nearest<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let wrong = wrong.to_lowercase();
    let likeness = |name: &str| {
        let name = name.to_lowercase();
        let within = name.contains(&wrong) || wrong.contains(&name);
        strsim::jaro_winkler(&wrong, &name).max(if within { 0.85 } else { 0.0 })
    };
    let mut near: Vec<_> = names.map(|name| (likeness(name), name)).filter(|(like, _)| *like >= 0.75).collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.into_iter().map(|(_, name)| name).take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_first_and_far_ones_not_at_all() {
        let names = ["learning_rate", "margin", "rel_margin", "epochs"];
        assert_eq!(nearest("margins", names.into_iter())[0], "margin");
        assert_eq!(nearest("learning-rate", names.into_iter())[0], "learning_rate");
        assert!(nearest("xyz", names.into_iter()).is_empty());
    }
}
