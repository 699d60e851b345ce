//! The loops of the published programs, over lists.

use std::collections::BTreeSet;

/// Results by falling similarity, as a stable sort of a dict gives them; NaN last.
pub fn ranking(results: &[(u32, f64)]) -> Vec<u32> {
    let mut dict: Vec<(u32, f64)> = vec![];
    for &(video, similarity) in results {
        match dict.iter_mut().find(|(known, _)| *known == video) {
            Some(entry) => entry.1 = similarity,
            None => dict.push((video, similarity)),
        }
    }
    let key = |similarity: f64| if similarity.is_nan() { f64::NEG_INFINITY } else { similarity };
    dict.sort_by(|a, b| key(b.1).partial_cmp(&key(a.1)).unwrap());
    dict.into_iter().map(|(video, _)| video).collect()
}

/// `Σ hits / rank` over the videos of a ranking, and `positives`.
pub fn sum_of_precisions(ranking: impl IntoIterator<Item = u32>, is_hit: impl Fn(u32) -> bool) -> f64 {
    let (mut hits, mut sum) = (0.0, 0.0);
    for (rank, video) in ranking.into_iter().enumerate() {
        if is_hit(video) {
            hits += 1.0;
            sum += hits / (rank + 1) as f64;
        }
    }
    sum
}

/// VCDB and FIVR; `None`: a division by zero.
pub fn filtered(own: u32, truth: &[u32], all_db: &BTreeSet<u32>, results: &[(u32, f64)]) -> Option<f64> {
    let truth: BTreeSet<u32> = truth.iter().filter(|video| all_db.contains(video)).copied().collect();
    let ranked = ranking(results).into_iter().filter(|video| *video != own && all_db.contains(video));
    let sum = sum_of_precisions(ranked, |video| truth.contains(&video));
    (!truth.is_empty()).then(|| sum / truth.len() as f64)
}

/// ActivityNet, whose results are without the query.
pub fn unfiltered(truth: &[u32], all_db: &BTreeSet<u32>, results: &[(u32, f64)]) -> Option<f64> {
    let truth: BTreeSet<u32> = truth.iter().filter(|video| all_db.contains(video)).copied().collect();
    let sum = sum_of_precisions(ranking(results), |video| truth.contains(&video));
    (!truth.is_empty()).then(|| sum / truth.len() as f64)
}

/// CC_WEB_VIDEO; a label is `None` or whether it is relevant.
pub fn cc_web(
    labels: &[Option<bool>],
    excluded: &[bool],
    results: &[(u32, f64)],
    all: bool,
    clean: bool,
) -> Option<f64> {
    let label = |video: u32| labels[video as usize];
    let is_in = |video: u32| !clean || !excluded[video as usize];
    let ranked = ranking(results).into_iter().filter(|video| (all || label(*video).is_some()) && is_in(*video));
    let sum = sum_of_precisions(ranked, |video| label(video) == Some(true));
    let positives = (0..).zip(labels).filter(|(video, label)| **label == Some(true) && is_in(*video)).count();
    (positives > 0).then(|| sum / positives as f64)
}

/// EVVE.
pub fn trapezoids(truth: &[u32], all_db: &BTreeSet<u32>, results: &[(u32, f64)]) -> f64 {
    let truth: BTreeSet<u32> = truth.iter().filter(|video| all_db.contains(video)).copied().collect();
    if truth.is_empty() {
        return 0.0;
    }
    let (mut rank, mut found, mut ap) = (0_u32, 0_u32, 0.0);
    for video in ranking(results).into_iter().filter(|video| all_db.contains(video)) {
        if truth.contains(&video) {
            let before = if rank == 0 { 1.0 } else { f64::from(found) / f64::from(rank) };
            let after = f64::from(found + 1) / f64::from(rank + 1);
            ap += (before + after) / (2.0 * truth.len() as f64);
            found += 1;
        }
        rank += 1;
    }
    ap
}

/// The official curve: pairs of target and score, padded to the size of the data set; `None` for queries that are left out.
pub fn curve(own: u32, truth: &[u32], all_db: &BTreeSet<u32>, results: &[(u32, f64)]) -> Option<Vec<f64>> {
    let truth: BTreeSet<u32> = truth.iter().filter(|video| all_db.contains(video)).copied().collect();
    let last = |video: u32| results.iter().rev().find(|(of, _)| *of == video).map(|(_, similarity)| *similarity);
    let retrieved: Vec<u32> =
        ranking(results).into_iter().filter(|video| *video != own && all_db.contains(video)).collect();
    let mut pairs: Vec<(bool, f64)> =
        retrieved.iter().map(|&video| (truth.contains(&video), last(video).unwrap())).collect();
    pairs.extend(truth.iter().filter(|video| !retrieved.contains(video)).map(|_| (true, 0.0)));
    while pairs.len() < all_db.len() {
        pairs.push((false, 0.0));
    }
    let mut points = vec![(1.0, 0.0)];
    for (_, threshold) in &pairs {
        let at_least: Vec<bool> =
            pairs.iter().filter(|(_, score)| score >= threshold).map(|(target, _)| *target).collect();
        let hits = at_least.iter().filter(|target| **target).count() as f64;
        points.push((hits / at_least.len() as f64, hits / truth.len() as f64));
    }
    let best = |level: f64| points.iter().filter(|(_, recall)| *recall >= level).map(|(p, _)| *p).fold(0.0, f64::max);
    (!truth.is_empty()).then(|| (0..21).map(|level| best(f64::from(level) * 0.05)).collect())
}
