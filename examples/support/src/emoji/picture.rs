//! Pictures as short films, and films as features.

use std::f32::consts::PI;
use std::ops::Range;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::EmojiError;
use super::words::hash;

/// Side of a frame: the drawings have 72 pixels, two by two are averaged.
const SIDE: usize = 36;
/// Frames of a film.
const FRAMES: usize = 5;
/// Cells per side of the small picture, of the alpha thumbnail, of the gradients and of the motion.
const PIXELS: usize = 9;
const ALPHA: usize = 6;
const GRADIENTS: usize = 3;
const MOTION: usize = 4;
/// Levels per colour of the histogram, directions of the gradients.
const LEVELS: usize = 4;
const DIRECTIONS: usize = 8;

/// Where the three experts lie in a feature row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experts {
    /// Colour histogram and small picture (in the place of RGB features).
    pub appearance: Range<usize>,
    /// Differences between frames (in the place of flow).
    pub motion: Range<usize>,
    /// Gradient directions, silhouette and its moments (in the place of audio: a third view that owes nothing to colour).
    pub shape: Range<usize>,
}

/// The layout of every feature row.
pub const EXPERTS: Experts = {
    let appearance = LEVELS * LEVELS * LEVELS + 3 * PIXELS * PIXELS;
    let motion = appearance + 3 * MOTION * MOTION;
    let shape = motion + DIRECTIONS * GRADIENTS * GRADIENTS + ALPHA * ALPHA + MOMENTS;
    Experts { appearance: 0..appearance, motion: appearance..motion, shape: motion..shape }
};
const MOMENTS: usize = 6;

/// Length of the colour histogram, with which the appearance begins.
pub const HISTOGRAM: usize = LEVELS * LEVELS * LEVELS;
/// Cells of the motion, one after the other, and channels of each.
pub const MOTION_CELLS: [usize; 2] = [MOTION * MOTION, 3];

/// Width of a feature row.
pub const VIDEO_WIDTH: usize = EXPERTS.shape.end;

/// Red, green, blue (premultiplied) and alpha of `SIDE x SIDE` pixels, each in [0, 1].
pub(super) type Frame = Vec<[f32; 4]>;

pub(super) fn decode(png: &[u8]) -> Result<Frame, EmojiError> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
    let mut reader = decoder.read_info()?;
    let mut bytes = vec![0; reader.output_buffer_size().ok_or(EmojiError::Size)?];
    let info = reader.next_frame(&mut bytes)?;
    if (info.width as usize, info.height as usize) != (2 * SIDE, 2 * SIDE) {
        return Err(EmojiError::Size);
    }
    let samples = info.color_type.samples();
    let mut frame = vec![[0.0; 4]; SIDE * SIDE];
    for (at, pixel) in bytes.chunks_exact(samples).enumerate() {
        // Grey and alpha, or red, green, blue and alpha.
        let colour = |c: usize| f32::from(if samples == 2 { pixel[0] } else { pixel[c] }) / 255.0;
        let alpha = f32::from(pixel[samples - 1]) / 255.0;
        let sum = &mut frame[at / (2 * SIDE) / 2 * SIDE + at % (2 * SIDE) / 2];
        (0..3).for_each(|c| sum[c] += 0.25 * alpha * colour(c));
        sum[3] += 0.25 * alpha;
    }
    Ok(frame)
}

/// Where the camera looks: zoom, rotation, shift.
struct Camera {
    zoom: f32,
    angle: f32,
    shift: [f32; 2],
}

/// A film of so many frames: the camera drifts between two random views.
pub(super) fn film(still: &Frame, frames: usize, rng: &mut impl Rng) -> Vec<Frame> {
    let mut view = || Camera {
        zoom: rng.random_range(0.92..1.08),
        angle: rng.random_range(-0.1..0.1),
        shift: [rng.random_range(-1.5..1.5), rng.random_range(-1.5..1.5)],
    };
    let (start, end) = (view(), view());
    let frames = (0..frames).map(|at| {
        let t = at as f32 / (frames - 1) as f32;
        let between = |a: f32, b: f32| a + t * (b - a);
        let shift = [between(start.shift[0], end.shift[0]), between(start.shift[1], end.shift[1])];
        let camera = Camera { zoom: between(start.zoom, end.zoom), angle: between(start.angle, end.angle), shift };
        view_through(still, &camera)
    });
    frames.collect()
}

fn view_through(still: &Frame, camera: &Camera) -> Frame {
    let (sin, cos) = camera.angle.sin_cos();
    let centre = (SIDE - 1) as f32 / 2.0;
    let mut frame = vec![[0.0; 4]; SIDE * SIDE];
    for (at, pixel) in frame.iter_mut().enumerate() {
        let (x, y) = ((at % SIDE) as f32 - centre, (at / SIDE) as f32 - centre);
        let from_x = (cos * x - sin * y) / camera.zoom + camera.shift[0] + centre;
        let from_y = (sin * x + cos * y) / camera.zoom + camera.shift[1] + centre;
        let (left, top) = (from_x.floor(), from_y.floor());
        for (dx, dy) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
            let weight = (1.0 - (from_x - left - dx).abs()) * (1.0 - (from_y - top - dy).abs());
            let (column, row) = (left + dx, top + dy);
            let inside = 0.0..SIDE as f32;
            if inside.contains(&column) && inside.contains(&row) {
                let source = still[row as usize * SIDE + column as usize];
                (0..4).for_each(|c| pixel[c] += weight * source[c]);
            }
        }
    }
    frame
}

/// A part of a frame, enlarged.
pub(super) fn zoomed(frame: &Frame, zoom: f32, shift: [f32; 2]) -> Frame {
    view_through(frame, &Camera { zoom, angle: 0.0, shift })
}

/// A frame from left to right.
pub(super) fn mirrored(frame: &Frame) -> Frame {
    frame.chunks(SIDE).flat_map(|row| row.iter().rev().copied()).collect()
}

/// Features of a single frame.
pub(super) fn frame_features(frame: &Frame) -> Vec<f32> {
    let film = std::slice::from_ref(frame);
    let colours = histogram(film).into_iter().map(f32::sqrt).collect();
    [unit(colours), unit(small_picture(film)), unit(gradients(film)), unit(silhouette(film))].concat()
}

/// How much darker than white paper: 0 for the background, in each colour.
fn ink(pixel: &[f32; 4]) -> [f32; 3] {
    [0, 1, 2].map(|c| pixel[3] - pixel[c])
}

/// Index of a pixel's cell in a grid of `cells x cells`.
fn cell(at: usize, cells: usize) -> usize {
    at / SIDE * cells / SIDE * cells + at % SIDE * cells / SIDE
}

/// Features of a picture: a pure function of its bytes and the seed of the camera.
pub(super) fn features(png: &[u8], seed: u64) -> Result<Vec<f32>, EmojiError> {
    let mut rng = ChaCha8Rng::seed_from_u64(hash(png, seed));
    let film = film(&decode(png)?, FRAMES, &mut rng);
    let mut row = Vec::with_capacity(VIDEO_WIDTH);
    // The background is no colour; square roots make the few pixels of a detail count.
    row.extend(unit(histogram(&film).into_iter().map(f32::sqrt).collect()));
    row.extend(unit(small_picture(&film)));
    row.extend(unit(motion(&film)));
    row.extend(unit(gradients(&film)));
    row.extend(unit(silhouette(&film)));
    row.extend(moments(&film));
    Ok(row)
}

fn unit(mut values: Vec<f32>) -> Vec<f32> {
    let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
    values.iter_mut().for_each(|v| *v /= norm);
    values
}

fn histogram(film: &[Frame]) -> Vec<f32> {
    let mut bins = vec![0.0; LEVELS * LEVELS * LEVELS];
    for pixel in film.iter().flatten().filter(|pixel| pixel[3] > 0.5) {
        let level = |c: usize| ((pixel[c] / pixel[3] * LEVELS as f32) as usize).min(LEVELS - 1);
        bins[(level(0) * LEVELS + level(1)) * LEVELS + level(2)] += pixel[3];
    }
    bins
}

fn small_picture(film: &[Frame]) -> Vec<f32> {
    let mut cells = vec![0.0; 3 * PIXELS * PIXELS];
    for (at, pixel) in film.iter().flat_map(|frame| frame.iter().enumerate()) {
        let ink = ink(pixel);
        (0..3).for_each(|c| cells[3 * cell(at, PIXELS) + c] += ink[c]);
    }
    cells
}

fn motion(film: &[Frame]) -> Vec<f32> {
    let mut cells = vec![0.0; 3 * MOTION * MOTION];
    for pair in film.windows(2) {
        for (at, (before, after)) in pair[0].iter().zip(&pair[1]).enumerate() {
            let (before, after) = (ink(before), ink(after));
            (0..3).for_each(|c| cells[3 * cell(at, MOTION) + c] += (after[c] - before[c]).abs());
        }
    }
    cells
}

fn gradients(film: &[Frame]) -> Vec<f32> {
    let mut cells = vec![0.0; DIRECTIONS * GRADIENTS * GRADIENTS];
    for frame in film {
        let grey = |x: usize, y: usize| ink(&frame[y * SIDE + x]).iter().sum::<f32>();
        for (x, y) in (1..SIDE - 1).flat_map(|y| (1..SIDE - 1).map(move |x| (x, y))) {
            let (dx, dy) = (grey(x + 1, y) - grey(x - 1, y), grey(x, y + 1) - grey(x, y - 1));
            let turn = (dy.atan2(dx) / PI).rem_euclid(1.0);
            let direction = ((turn * DIRECTIONS as f32) as usize).min(DIRECTIONS - 1);
            cells[DIRECTIONS * cell(y * SIDE + x, GRADIENTS) + direction] += dx.hypot(dy);
        }
    }
    cells
}

fn silhouette(film: &[Frame]) -> Vec<f32> {
    let mut cells = vec![0.0; ALPHA * ALPHA];
    for (at, pixel) in film.iter().flat_map(|frame| frame.iter().enumerate()) {
        cells[cell(at, ALPHA)] += pixel[3];
    }
    cells
}

/// Area, centre, spread along both axes and slant of the silhouette, in units of the frame.
fn moments(film: &[Frame]) -> [f32; MOMENTS] {
    let mut sums = [0.0f32; 6];
    for (at, pixel) in film.iter().flat_map(|frame| frame.iter().enumerate()) {
        let place = |index: usize| (index as f32 + 0.5) / SIDE as f32 - 0.5;
        let (x, y) = (place(at % SIDE), place(at / SIDE));
        let terms = [1.0, x, y, x * x, y * y, x * y];
        sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += pixel[3] * term);
    }
    let area = sums[0].max(1e-6);
    let [x, y] = [sums[1] / area, sums[2] / area];
    let [xx, yy, xy] = [sums[3] / area - x * x, sums[4] / area - y * y, sums[5] / area - x * y];
    [area / (FRAMES * SIDE * SIDE) as f32, x, y, 4.0 * xx, 4.0 * yy, 4.0 * xy]
}
