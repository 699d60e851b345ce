//! Videos made of shots of pictures, and copies of them: near-duplicate retrieval.

use coembed::data::near_duplicate::{FrameFeatures, RetrievalSet, VideoIds};
use coembed::matrix::Matrix;
use coembed::recipes::tca::{Annotations, TcaData, TrainingPairs};
use coembed::vision::{Pca, Projection};
use rand::seq::index;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::picture::{self, Frame};
use super::{EmojiError, all_names, drawing, hex};

/// Width of a whitened frame.
pub const FRAME_WIDTH: usize = 128;
/// Pairs to train on, and as many videos without a copy.
const PAIRS: usize = 320;
/// Queries of the test split, copies of each in the database, and videos that are copies of nothing.
const QUERIES: usize = 100;
const COPIES: usize = 3;
const OTHERS: usize = 400;
/// Shots of a video, and frames of a shot.
const SHOTS: usize = 4;
const SHOT: usize = 6;

/// A video of the built-in data.
struct Video {
    id: String,
    frames: Vec<Frame>,
}

/// Videos and copies, of pictures that occur in one of the two splits only: frames are described by hand-made features, whitened to
/// [`FRAME_WIDTH`] values by what the frames to train on have in common. `seed` draws everything. Also a digest of the features.
///
/// # Errors
/// [`EmojiError`].
pub fn copies(seed: u64) -> Result<(TcaData, String), EmojiError> {
    let pictures: Vec<Frame> =
        all_names().filter_map(|emoji| drawing(emoji.as_str())).map(picture::decode).collect::<Result<_, _>>()?;
    let (train, test) = pictures.split_at(pictures.len() / 2);
    let [pairs, negatives] = ["pair", "negative"].map(|kind| (0..PAIRS).map(move |i| format!("{kind} {i}")));
    let originals = |pictures: &[Frame], ids: Vec<String>| -> Vec<Video> {
        ids.into_par_iter().map(|id| original(pictures, seed, id)).collect()
    };
    let (pairs, negatives) = (originals(train, pairs.collect()), originals(train, negatives.collect()));
    let queries = originals(test, (0..QUERIES).map(|i| format!("query {i}")).collect());
    let others = originals(test, (0..OTHERS).map(|i| format!("other {i}")).collect());
    let copied = |of: &[Video], pictures: &[Frame], copies: usize| -> Vec<Video> {
        let all = of.iter().flat_map(|video| (0..copies).map(move |i| (video, i))).collect::<Vec<_>>();
        all.into_par_iter().map(|(video, i)| copy(video, pictures, seed, i)).collect()
    };
    let (positives, database) = (copied(&pairs, train, 1), copied(&queries, test, COPIES));

    let mut ids = VideoIds::default();
    let mut numbers =
        |videos: &[Video]| videos.iter().map(|video| ids.insert(&video.id)).collect::<Result<Vec<u32>, _>>();
    let (anchors, of_positives, of_negatives) = (numbers(&pairs)?, numbers(&positives)?, numbers(&negatives)?);
    let (of_queries, of_copies, of_others) = (numbers(&queries)?, numbers(&database)?, numbers(&others)?);
    let training = TrainingPairs {
        ids: ids.clone(),
        pairs: anchors.into_iter().zip(of_positives).map(|(anchor, positive)| [anchor, positive]).collect(),
        negatives: of_negatives,
    };
    let truths = of_copies.chunks(COPIES).map(<[u32]>::to_vec).collect();
    let set = RetrievalSet { ids, queries: of_queries, database: [of_copies, of_others].concat(), truths };

    let trained = [&pairs, &positives, &negatives];
    let described = |videos: &[Video]| -> Vec<(String, Matrix<f32>)> {
        videos.par_iter().map(|video| (video.id.clone(), describe(&video.frames))).collect()
    };
    let mut features: Vec<_> = trained.into_iter().flat_map(|videos| described(videos)).collect();
    let whitening = whitening(&features)?;
    features.extend([&queries, &database, &others].into_iter().flat_map(|videos| described(videos)));
    let whitened = features.into_par_iter().map(|(id, frames)| Ok((id, whitening.apply(frames.view())?)));
    let whitened = whitened.collect::<Result<Vec<_>, EmojiError>>()?;
    let mut digest = Sha256::new();
    whitened.iter().flat_map(|(_, frames)| frames.as_slice()).for_each(|value| digest.update(value.to_le_bytes()));
    let digest = hex(digest);
    let features = FrameFeatures::given(whitened, FRAME_WIDTH);
    let test = Annotations::Relevant(set);
    Ok((TcaData { features, training: Some(training), test, name: "emoji copies".into() }, digest))
}

/// What frames to train on have in common.
fn whitening(features: &[(String, Matrix<f32>)]) -> Result<Projection, EmojiError> {
    // A frame of every shot is enough.
    let rows: Vec<f32> = features
        .iter()
        .flat_map(|(_, frames)| (0..frames.rows()).step_by(SHOT).flat_map(|row| frames.row(row).to_vec()))
        .collect();
    let width = features[0].1.cols();
    let count = rows.len() / width;
    let rows = Matrix::new(rows, count, width).map_err(|_| EmojiError::Size)?;
    Ok(Pca::fit(rows.view(), FRAME_WIDTH)?.projection(FRAME_WIDTH, true)?)
}

fn stream(seed: u64, id: &str, part: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(super::words::hash(id.as_bytes(), seed.wrapping_mul(1 << 16).wrapping_add(part)))
}

/// Shots of pictures drawn from a pool, each under a camera that drifts.
fn original(pictures: &[Frame], seed: u64, id: String) -> Video {
    let draws = &mut stream(seed, &id, 0);
    let chosen = index::sample(draws, pictures.len(), SHOTS);
    let frames = chosen.into_iter().flat_map(|at| picture::film(&pictures[at], SHOT, draws)).collect();
    Video { id, frames }
}

/// What happens to a copy.
#[derive(Clone, Copy)]
enum Edit {
    Crop,
    Flip,
    Colour,
    Speed,
    Insertion,
    Cut,
}

const EDITS: [Edit; 6] = [Edit::Crop, Edit::Flip, Edit::Colour, Edit::Speed, Edit::Insertion, Edit::Cut];

/// A copy with two different edits.
fn copy(of: &Video, pictures: &[Frame], seed: u64, number: usize) -> Video {
    let draws = &mut stream(seed, &of.id, 1 + number as u64);
    let mut frames = of.frames.clone();
    for edit in index::sample(draws, EDITS.len(), 2) {
        frames = edited(frames, EDITS[edit], pictures, draws);
    }
    Video { id: format!("{}, copy {number}", of.id), frames }
}

fn edited(mut frames: Vec<Frame>, edit: Edit, pictures: &[Frame], draws: &mut impl Rng) -> Vec<Frame> {
    match edit {
        Edit::Crop => {
            let (zoom, shift) = (draws.random_range(1.15..1.4), [(); 2].map(|()| draws.random_range(-3.0..3.0)));
            frames.iter().map(|frame| picture::zoomed(frame, zoom, shift)).collect()
        }
        Edit::Flip => frames.iter().map(picture::mirrored).collect(),
        Edit::Colour => {
            let gains = [(); 3].map(|()| draws.random_range(0.6..1.0));
            frames.iter_mut().flatten().for_each(|pixel| (0..3).for_each(|c| pixel[c] *= gains[c]));
            frames
        }
        Edit::Speed if draws.random_bool(0.5) => frames.into_iter().step_by(2).collect(),
        Edit::Speed => frames.into_iter().flat_map(|frame| [frame.clone(), frame]).collect(),
        Edit::Insertion => {
            let at = draws.random_range(0..=frames.len());
            let picture = &pictures[draws.random_range(0..pictures.len())];
            let shots = 1 + usize::from(draws.random_bool(0.5));
            let inserted: Vec<Frame> = (0..shots).flat_map(|_| picture::film(picture, SHOT, draws)).collect();
            frames.splice(at..at, inserted);
            frames
        }
        Edit::Cut => {
            let length = draws.random_range(frames.len() / 2..=frames.len());
            let first = draws.random_range(0..=frames.len() - length);
            frames.drain(first..first + length).collect()
        }
    }
}

fn describe(frames: &[Frame]) -> Matrix<f32> {
    let rows: Vec<f32> = frames.iter().flat_map(picture::frame_features).collect();
    let width = rows.len() / frames.len().max(1);
    Matrix::from_fn(frames.len(), width, |row, column| rows[row * width + column])
}
