//! Ground truths of near-duplicate video retrieval: how videos relate to a query, and which of them a task counts as relevant.
//!
//! Videos are numbers of a table of ids (`data::near_duplicate::VideoIds`).

/// How a video of CC_WEB_VIDEO relates to the query of its set (Wu, Hauptmann & Ngo, *Practical Elimination of Near-Duplicates from Web
/// Video Search*, ACM MM 2007).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CcWebLabel {
    /// `E`: an exact duplicate.
    Exact,
    /// `S`: a similar video.
    Similar,
    /// `V`: a different version.
    Version,
    /// `M`: a major change.
    MajorChange,
    /// `L`: a longer version.
    Long,
    /// `X`: another video.
    Dissimilar,
}

impl CcWebLabel {
    /// The label of a letter; one `x` of the published file is small.
    pub fn of_letter(letter: &str) -> Option<Self> {
        Some(match letter {
            "E" => Self::Exact,
            "S" => Self::Similar,
            "V" => Self::Version,
            "M" => Self::MajorChange,
            "L" => Self::Long,
            "X" | "x" => Self::Dissimilar,
            _ => return None,
        })
    }

    /// Whether a video of this label is relevant: all but [`CcWebLabel::Dissimilar`].
    pub fn is_relevant(self) -> bool {
        self != Self::Dissimilar
    }
}

/// What CC_WEB_VIDEO says of one of its queries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CcWebTruth {
    /// The videos of the query's set with their labels, the query itself included, each video once.
    pub labels: Vec<(u32, CcWebLabel)>,
    /// Videos that the cleaned variants leave out.
    pub excluded: Vec<u32>,
}

/// How a video of FIVR-200K relates to a query (Kordopatis-Zilos et al., *FIVR: Fine-grained Incident Video Retrieval*, TMM 2019).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FivrLabel {
    /// `ND`: a near-duplicate.
    NearDuplicate,
    /// `DS`: it shares scenes.
    DuplicateScene,
    /// `CS`: it shows the same moment from elsewhere.
    ComplementaryScene,
    /// `IS`: it shows the same incident at another time.
    IncidentScene,
    /// `DA`: it shares the sound.
    DuplicateAudio,
}

impl FivrLabel {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::NearDuplicate,
        Self::DuplicateScene,
        Self::ComplementaryScene,
        Self::IncidentScene,
        Self::DuplicateAudio,
    ];

    /// Its name in annotations.
    pub fn name(self) -> &'static str {
        ["ND", "DS", "CS", "IS", "DA"][self as usize]
    }
}

/// A task of FIVR-200K: the labels that it counts as relevant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FivrTask {
    /// Duplicate scene video retrieval: ND and DS.
    Dsvr,
    /// Complementary scene video retrieval: ND, DS and CS.
    Csvr,
    /// Incident scene video retrieval: ND, DS, CS and IS.
    Isvr,
    /// Duplicate audio video retrieval: DA (Avgoustinakis et al., *Audio-based Near-Duplicate Video Retrieval with Audio Similarity
    /// Learning*, ICPR 2020).
    Davr,
}

impl FivrTask {
    /// The three of the FIVR paper, and of the published evaluation of Temporal Context Aggregation.
    pub const VISUAL: [Self; 3] = [Self::Dsvr, Self::Csvr, Self::Isvr];

    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dsvr, Self::Csvr, Self::Isvr, Self::Davr];

    /// The labels that count.
    pub fn labels(self) -> &'static [FivrLabel] {
        match self {
            Self::Dsvr => &FivrLabel::ALL[..2],
            Self::Csvr => &FivrLabel::ALL[..3],
            Self::Isvr => &FivrLabel::ALL[..4],
            Self::Davr => &FivrLabel::ALL[4..],
        }
    }
}

impl std::fmt::Display for FivrTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(["DSVR", "CSVR", "ISVR", "DAVR"][*self as usize])
    }
}

/// What FIVR says of one of its queries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FivrTruth {
    videos: [Vec<u32>; 5],
}

impl FivrTruth {
    /// Adds videos of a label. A video may have several labels.
    pub fn add(&mut self, label: FivrLabel, videos: impl IntoIterator<Item = u32>) {
        self.videos[label as usize].extend(videos);
    }

    /// The videos of a label, in the order in which they were added.
    pub fn of(&self, label: FivrLabel) -> &[u32] {
        &self.videos[label as usize]
    }

    /// The videos that are relevant for a task: ascending, each once.
    pub fn relevant(&self, task: FivrTask) -> Vec<u32> {
        let mut relevant: Vec<u32> = task.labels().iter().flat_map(|&label| self.of(label)).copied().collect();
        relevant.sort_unstable();
        relevant.dedup();
        relevant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_count_more_and_more_labels() {
        let mut truth = FivrTruth::default();
        for (label, videos) in FivrLabel::ALL.into_iter().zip([vec![4, 1], vec![1], vec![0], vec![], vec![9, 4]]) {
            truth.add(label, videos);
        }
        let relevant = FivrTask::ALL.map(|task| truth.relevant(task));
        assert_eq!(relevant, [vec![1, 4], vec![0, 1, 4], vec![0, 1, 4], vec![4, 9]]);
        assert_eq!(FivrTask::Davr.to_string(), "DAVR");
        assert_eq!(FivrTask::Csvr.labels().iter().map(|label| label.name()).collect::<Vec<_>>(), ["ND", "DS", "CS"]);
    }

    #[test]
    fn letters_are_labels() {
        let relevant = ["E", "S", "L", "M", "V"].map(|letter| CcWebLabel::of_letter(letter).unwrap().is_relevant());
        assert_eq!(relevant, [true; 5]);
        assert_eq!(["X", "x"].map(CcWebLabel::of_letter), [Some(CcWebLabel::Dissimilar); 2]);
        assert_eq!(["", "e", "ES"].map(CcWebLabel::of_letter), [None; 3]);
    }
}
