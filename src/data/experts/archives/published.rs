//! What is published of each archive.

use super::Release::{self, Challenge1, Challenge2, FeaturesV1, FeaturesV2, HighQuality};

/// One archive: which it is, and what the publications say of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub release: Release,
    pub dataset: &'static str,
    /// Why nobody can fetch it from a published address, if so.
    pub no_address: Option<&'static str>,
    /// Its size, as the texts have it.
    pub size: Option<&'static str>,
    /// SHA-1, any of which may be right.
    pub sums: &'static [&'static str],
}

const fn archive(
    release: Release,
    dataset: &'static str,
    size: Option<&'static str>,
    sums: &'static [&'static str],
) -> Published {
    Published { release, dataset, no_address: None, size, sums }
}

/// Of challenges and of QuerYD neither sizes nor sums are published.
const fn bare(release: Release, dataset: &'static str) -> Published {
    archive(release, dataset, None, &[])
}

pub(super) const PUBLISHED: &[Published] = &[
    archive(FeaturesV1, "MSRVTT", Some("19.6 GiB"), &["959bda588793ef05f348d16de26da84200c5a469"]),
    Published {
        release: FeaturesV1,
        dataset: "LSMDC",
        no_address: Some("it is given out on request only"),
        size: Some("6.1 GiB (README), 6.0 GiB (page of the data set)"),
        sums: &["7ce018e981752db9e793e449c2ba5bc88217373d"],
    },
    archive(
        FeaturesV1,
        "MSVD",
        Some("2.1 GiB"),
        &["6071827257c14de455b3a13fe1e885c2a7887c9e", "a3dc395eddd48527b01b4af7321e4fcee1386ee7"],
    ),
    archive(FeaturesV1, "DiDeMo", Some("2.3 GiB"), &["6fd4bcc68c1611052de2499fd8ab3f488c7c195b"]),
    archive(FeaturesV1, "activity-net", Some("3.8 GiB"), &["b16685576c97cdec2783fb89ea30ca7d17abb021"]),
    archive(FeaturesV2, "MSRVTT", None, &["9018a9bf215e174c982b997fd4ee140eb0865040"]),
    archive(FeaturesV2, "LSMDC", Some("2.1 GiB"), &["43c9c6090cb34fbbeebebe033e08ae019b11c64f"]),
    archive(FeaturesV2, "MSVD", Some("1.3 GiB"), &["999ef6e34c9d9ffe15363ade90400741bae5cb34"]),
    archive(FeaturesV2, "DiDeMo", Some("1.2 GiB"), &["19dfa1272e5db57191446a0c4fca59d298cb8663"]),
    archive(FeaturesV2, "activity-net", Some("3.7 GiB"), &["2901046fa6a3d6f6393ee0047818e960fcfabd69"]),
    bare(FeaturesV2, "QuerYD"),
    bare(FeaturesV2, "QuerYDSegments"),
    archive(
        HighQuality,
        "MSRVTT",
        None,
        &["734650c3b98509996da75cdedc12101836624917", "311529eeb17527a728a1b930f64415dc15a11298"],
    ),
    archive(HighQuality, "MSVD", None, &["c8eba8c5291dd6bb501757ed0cc327cd22217965"]),
    archive(HighQuality, "DiDeMo", None, &["8e128309f12cf3260fe538f82578b5ad91a46bd0"]),
    archive(HighQuality, "activity-net", None, &["2f3c7c2fe86bd6d0c6230464a940c429291a4012"]),
    Published {
        release: HighQuality,
        dataset: "LSMDC",
        no_address: Some("no address of it is published"),
        size: None,
        sums: &[],
    },
    bare(Challenge1, "MSRVTT"),
    bare(Challenge1, "MSVD"),
    bare(Challenge1, "DiDeMo"),
    bare(Challenge1, "YouCook2"),
    bare(Challenge1, "activity-net"),
    bare(Challenge1, "LSMDC"),
    bare(Challenge2, "MSRVTT"),
    bare(Challenge2, "MSVD"),
    bare(Challenge2, "DiDeMo"),
    bare(Challenge2, "YouCook2"),
    bare(Challenge2, "activity-net"),
    bare(Challenge2, "LSMDC"),
];
