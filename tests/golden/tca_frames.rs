//! What stands before the models: pictures, features of frames, whitening.

use coembed::blocks::{Config, VideoComparatorConfig, num_parameters};
use coembed::models::{FoldedResNet50, ResNet50, ResNet50Config, StageMaps};
use coembed::ops;
use coembed::train::{self, StateDict, StateTensor, StateValues};
use coembed::vision::{
    FeatureMaps, FrameSampling, Pca, Picture, Transform, imac as pool_imac, opencv, pillow, rmac as pool_rmac,
};
use dfdx::prelude::{Const, Dim, HasShape, Tensor};
use rand::SeedableRng;

use crate::support::{Case, Dev};

fn load(name: &str) -> Case {
    Case::load("tca", name)
}

fn bytes(case: &Case, name: &str) -> Vec<u8> {
    case.i64(name).into_iter().map(|value| value as u8).collect()
}

fn compare_bytes(case: &Case, name: &str, got: &[u8]) {
    case.compare(name, &got.iter().map(|value| f64::from(*value)).collect::<Vec<_>>());
}

/// Integers in all of their bits, which numbers of f64 have no room for.
fn compare_integers(case: &Case, name: &str, got: &[i64]) {
    assert_eq!(case.i64(name), got, "{name}");
    case.compare(name, &got.iter().map(|value| *value as f64).collect::<Vec<_>>());
}

/// What Intel's library makes of a picture depends on the processor, and is off by one from OpenCV's own arithmetic in about 5 % of the values:
/// the fixture has it to show that.
fn compare_within_one(case: &Case, name: &str, got: &[u8]) {
    let want = bytes(case, name);
    assert_eq!(got.len(), want.len(), "{name}");
    assert!(got.iter().zip(&want).all(|(got, want)| got.abs_diff(*want) <= 1), "{name}");
    compare_bytes(case, name, &want);
}

/// FNV-1a of 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// A picture from integers alone.
fn procedural(height: usize, width: usize, k: usize) -> Picture {
    let pixel = |y: usize, x: usize| {
        let checks = (x / 16 + y / 16 + k) % 2 * 180 + (5 * x + 3 * y) % 76;
        [(x + 2 * y + 17 * k) % 256, (x * y / 7 + 31 * k) % 256, checks]
    };
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    let values = places.flat_map(|(y, x)| pixel(y, x)).map(|value| value as u8).collect();
    Picture::new(values, height, width).unwrap()
}

/// Every `step`-th row.
fn rows(picture: &Picture, step: usize) -> Vec<u8> {
    picture.values().chunks(3 * picture.width()).step_by(step).flatten().copied().collect()
}

pub fn opencv_resize() {
    let case = load("opencv_resize");
    let targets = case.names("input.").into_iter().filter_map(|name| name.strip_suffix(".target").map(String::from));
    for input in targets {
        let name = input.strip_prefix("input.").unwrap();
        let shape = case.shape(&input);
        let picture = Picture::new(bytes(&case, &input), shape[0], shape[1]).unwrap();
        let target = case.i64(&format!("{input}.target"))[0] as usize;
        let resized = opencv::resize_shorter_side(&picture, target).unwrap();
        let output = |what: &str| format!("output.{name}.{what}");
        assert_eq!(case.shape(&output("resized")), [resized.height(), resized.width(), 3], "{name}");
        compare_bytes(&case, &output("resized"), resized.values());
        compare_within_one(&case, &output("resized_ipp"), resized.values());
        let cropped = resized.crop(opencv::centre(resized.height(), resized.width(), target)).unwrap();
        assert_eq!(case.shape(&output("cropped")), [cropped.height(), cropped.width(), 3], "{name}");
        compare_bytes(&case, &output("cropped"), cropped.values());
    }
    let k = case.number("procedural_k") as usize;
    for sizes in case.names("output.proc_").iter().filter_map(|name| name.strip_suffix(".resized_size_hw")) {
        let (height, width) = sizes.strip_prefix("output.proc_").unwrap().split_once('x').unwrap();
        let picture = procedural(height.parse().unwrap(), width.parse().unwrap(), k);
        let resized = opencv::resize_shorter_side(&picture, 256).unwrap();
        let size = [resized.height(), resized.width()].map(|size| size as i64);
        compare_integers(&case, &format!("{sizes}.resized_size_hw"), &size);
        compare_integers(&case, &format!("{sizes}.resized_fnv"), &[fnv(resized.values()) as i64]);
        let cropped = opencv::stored_frame(&picture).unwrap();
        compare_integers(&case, &format!("{sizes}.cropped_fnv"), &[fnv(cropped.values()) as i64]);
        compare_bytes(&case, &format!("{sizes}.cropped_every32nd_row"), &rows(&cropped, 32));
        compare_within_one(&case, &format!("{sizes}.cropped_every32nd_row_ipp"), &rows(&cropped, 32));
    }
    case.finish();
}

pub fn frame_sampling() {
    let case = load("frame_sampling");
    for input in case.names("input.fps_and_frames") {
        let number = input.strip_prefix("input.fps_and_frames").unwrap();
        let [fps, frames] = case.f64(&input)[..] else { panic!("two numbers") };
        let kept = FrameSampling::new(Some(fps)).indices(frames as usize);
        let kept: Vec<i64> = kept.into_iter().map(|i| i as i64).collect();
        compare_integers(&case, &format!("output.frame_index{number}"), &kept);
    }
    let crop = case.number("crop") as usize;
    for input in case.names("input.size") {
        let number = input.strip_prefix("input.size").unwrap();
        let [height, width] = case.i64(&input)[..] else { panic!("two numbers") };
        let window = opencv::centre(height as usize, width as usize, crop);
        let got = [window.top, window.left, window.height, window.width].map(|value| value as i64);
        compare_integers(&case, &format!("output.crop_top_left_and_size{number}"), &got);
    }
    case.finish();
}

fn pooled(name: &str, pool: impl Fn(&[FeatureMaps]) -> coembed::matrix::Matrix<f32>) {
    let case = load(name);
    let layers: Vec<_> = case.names("input.map").into_iter().map(|name| (case.f32(&name), case.shape(&name))).collect();
    let maps: Vec<_> =
        layers.iter().map(|(values, shape)| FeatureMaps::new(values, (*shape).try_into().unwrap()).unwrap()).collect();
    case.compare_f32("output.feature", pool(&maps).as_slice());
    case.finish();
}

pub fn imac() {
    pooled("imac", |maps| pool_imac(maps).unwrap());
}

pub fn rmac() {
    pooled("rmac", |maps| pool_rmac(maps).unwrap());
}

fn pca(name: &str) {
    let case = load(name);
    let components = case.number("k") as usize;
    let pca = Pca::fit(case.matrix("input.x").view(), components).unwrap();
    case.compare_f32("output.U", pca.directions().as_slice());
    case.compare_f32("output.lams", pca.variances());
    case.compare_f32("output.mu", pca.mean());
    case.compare_f32("output.Utmu", &pca.projected_mean());
    let query = case.matrix("input.query");
    for (whiten, applied) in [(true, "output.whitened_l2"), (false, "output.plain_l2")] {
        let projection = pca.projection(components, whiten).unwrap();
        if whiten {
            case.compare_f32("output.weight", projection.weight().as_slice());
            case.compare_f32("output.bias", projection.bias());
        }
        case.compare_f32(applied, projection.apply(query.view()).unwrap().as_slice());
    }
    case.finish();
}

pub fn pca_primal() {
    pca("pca_primal");
}

pub fn pca_dual() {
    pca("pca_dual");
}

pub fn pca_full() {
    pca("pca_full");
}

pub fn video_comparator() {
    let case = load("video_comparator");
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let mut comparator = VideoComparatorConfig.build(&Dev::default(), &mut rng).unwrap();
    case.load_into(&mut comparator);
    let compared = |similarities: Tensor<(usize, usize), f32, Dev>| {
        let (rows, columns) = *similarities.shape();
        comparator.forward(ops::reshape(similarities, (1usize, rows, columns)).unwrap()).unwrap()
    };
    for number in 0..2 {
        let similarities = compared(case.tensor(&format!("input.sim{number}")));
        let (_, rows, columns) = *similarities.shape();
        assert_eq!(case.shape(&format!("output.sim{number}")), [rows, columns]);
        case.compare_tensor(&format!("output.sim{number}"), &similarities);
    }
    let frames = |name: &str| case.tensor::<usize, usize>(name);
    let similarities = compared(ops::matmul_nt(frames("input.query"), frames("input.target")).unwrap());
    let columns = similarities.shape().2;
    let values = ops::to_vec(&similarities).unwrap();
    let maxima = values.chunks(columns).map(|row| row.iter().fold(f64::MIN, |most, value| most.max(f64::from(*value))));
    let rows = values.len() / columns;
    case.compare("output.chamfer_with_comparator", &[maxima.sum::<f64>() / rows as f64]);
    case.finish();
}

/// The numbers that stand for a parameter: from its name and integers alone.
fn procedural_values(name: &str, shape: &[usize], seed: u64) -> Vec<f32> {
    let root = |above: f64, below: usize| (above / below as f64).sqrt();
    let (centre, spread) = match name {
        "fc.weight" => (0.0, root(3.0, 2048)),
        _ if shape.len() == 4 => (0.0, root(6.0, shape[1..].iter().product())),
        _ if name.ends_with("running_var") => (1.0, 0.3),
        _ if name.ends_with("bn3.weight") => (0.4, 0.1),
        _ if name.ends_with("weight") => (1.0, 0.2),
        _ => (0.0, 0.1),
    };
    let hash = fnv(name.as_bytes()) ^ seed;
    let value = |i: u64| {
        let z = hash.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        let u = ((z ^ z >> 31) >> 11) as f64 / (1u64 << 53) as f64;
        (centre + spread * (2.0 * u - 1.0)) as f32
    };
    (0..shape.iter().product::<usize>() as u64).map(value).collect()
}

/// The network with procedural weights, loaded by their names.
fn procedural_network(case: &Case) -> ResNet50<Dev> {
    let seed = case.meta("weight_seed").parse().unwrap();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let mut network = ResNet50Config.build(&Dev::default(), &mut rng).unwrap();
    assert_eq!(Config::<Dev>::num_parameters(&ResNet50Config), num_parameters(&network));
    let procedural = |(name, of): (String, StateTensor)| {
        let values = match of.values {
            StateValues::F32(_) => StateValues::F32(procedural_values(&name, &of.shape, seed)),
            counter => counter,
        };
        (name, StateTensor { shape: of.shape, values })
    };
    let state: StateDict = train::state_dict(&network).unwrap().into_iter().map(procedural).collect();
    let numbers = |of: &StateTensor| if let StateValues::F32(values) = &of.values { values.clone() } else { vec![] };
    assert_eq!(state.values().map(|of| numbers(of).len()).sum::<usize>(), 25_610_152);
    for probe in case.names("input.probe.") {
        let name = probe.strip_prefix("input.probe.").unwrap().strip_suffix(".first8_last8").unwrap();
        let values = numbers(&state[name]);
        assert_eq!(case.f32(&probe), [&values[..8], &values[values.len() - 8..]].concat(), "{name}");
    }
    assert!(train::load(&mut network, &state).unwrap().is_complete());
    network
}

/// All channels of the first picture at a position.
fn channels_at<C: Dim>(maps: &Tensor<(usize, C, usize, usize), f32, Dev>, row: usize, column: usize) -> Vec<f32> {
    let (_, channels, height, width) = *maps.shape();
    let values = ops::to_vec(maps).unwrap();
    (0..channels.size()).map(|c| values[(c * height + row) * width + column]).collect()
}

fn compare_stages(
    case: &Case,
    network: &FoldedResNet50<Dev>,
    picture: Tensor<(usize, Const<3>, usize, usize), f32, Dev>,
) {
    let mut x = network.stem(picture).unwrap();
    case.compare_f32("output.debug.stem_at_28_28", &channels_at(&x, 28, 28));
    let layers = [&network.layer1, &network.layer2, &network.layer3, &network.layer4];
    for (layer, (blocks, at)) in layers.into_iter().zip([28, 14, 7, 3]).enumerate() {
        let name = format!("output.debug.layer{}", layer + 1);
        for (i, block) in blocks.iter().enumerate() {
            x = block.forward(x).unwrap();
            if i == 0 {
                case.compare_f32(&format!("{name}.0_at_{at}_{at}"), &channels_at(&x, at, at));
            }
        }
        case.compare_f32(&format!("{name}_at_{at}_{at}"), &channels_at(&x, at, at));
        let values = ops::to_vec(&x).unwrap();
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
        let most = values.iter().fold(f64::MIN, |most, value| most.max(f64::from(*value)));
        case.compare(&format!("{name}_mean_max"), &[mean, most]);
    }
}

/// Compares a picture's way to the network's input.
fn transformed(case: &Case, frame: usize, picture: &Picture) -> Vec<f32> {
    let output = |what: &str| format!("output.f{frame}.{what}");
    let Transform { shorter_side, filter, .. } = Transform::IMAGENET;
    let resized = pillow::resize_shorter_side(picture, shorter_side, filter).unwrap();
    let size = [resized.height(), resized.width()].map(|size| size as i64);
    compare_integers(case, &output("resized_size_hw"), &size);
    compare_integers(case, &output("resized_fnv"), &[fnv(resized.values()) as i64]);
    let cropped = Transform::IMAGENET.picture(picture).unwrap();
    compare_integers(case, &output("cropped_fnv"), &[fnv(cropped.values()) as i64]);
    compare_bytes(case, &output("cropped_u8_every8th_row"), &rows(&cropped, 8));
    let values = Transform::IMAGENET.apply(picture).unwrap();
    let some = (0..3).flat_map(|c| [0, 111, 223].map(|row| &values[(c * 224 + row) * 224..][..224]));
    case.compare_f32(&output("normalized_rows_0_111_223"), &some.collect::<Vec<_>>().concat());
    values
}

fn maps<C: Dim>(maps: &Tensor<(usize, C, usize, usize), f32, Dev>) -> (Vec<f32>, [usize; 4]) {
    let (frames, channels, height, width) = *maps.shape();
    (ops::to_vec(maps).unwrap(), [frames, channels.size(), height, width])
}

pub fn resnet50_imac() {
    let case = load("resnet50_imac");
    let parameters = procedural_network(&case);
    let network = parameters.folded().unwrap();
    let k = case.number("image_k") as usize;
    let sizes: Vec<[usize; 2]> = serde_json::from_str(case.meta("frame_sizes_hw")).unwrap();
    let frames = sizes.iter().enumerate().map(|(i, [height, width])| procedural(*height, *width, k + i));
    let mut inputs: Vec<_> = frames.enumerate().map(|(i, frame)| transformed(&case, i, &frame)).collect();
    // The second frame of the video of two; its first one is the first of these.
    inputs.push(Transform::IMAGENET.apply(&procedural(sizes[0][0], sizes[0][1], k + 7)).unwrap());
    let pictures = |inputs: &[Vec<f32>]| {
        ops::to_tensor(&Dev::default(), inputs.concat(), (inputs.len(), Const::<3>, 224usize, 224usize)).unwrap()
    };
    let first = ops::reshape(pictures(&inputs[..1]), (1usize, 3usize, 224usize, 224usize)).unwrap();
    let convolved = parameters.conv1.forward(first).unwrap();
    case.compare_f32("output.debug.conv1_at_56_56", &channels_at(&convolved, 56, 56));
    compare_stages(&case, &network, pictures(&inputs[..1]));
    let StageMaps { layer1, layer2, layer3, layer4 } = network.stages(pictures(&inputs)).unwrap();
    let layers = [maps(&layer1), maps(&layer2), maps(&layer3), maps(&layer4)];
    let layers = layers.each_ref().map(|(values, sizes)| FeatureMaps::new(values, *sizes).unwrap());
    let (imac, rmac) = (pool_imac(&layers).unwrap(), pool_rmac(&layers).unwrap());
    let of_frames = |features: &coembed::matrix::Matrix<f32>, frames: &[usize]| {
        frames.iter().map(|frame| features.row(*frame)).collect::<Vec<_>>().concat()
    };
    case.compare_f32("output.imac", &of_frames(&imac, &[0, 1, 2]));
    case.compare_f32("output.imac_two_frames", &of_frames(&imac, &[0, 3]));
    case.compare_f32("output.rmac", &of_frames(&rmac, &[0, 1, 2]));
    case.finish();
}
