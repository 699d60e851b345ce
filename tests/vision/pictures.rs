use coembed::vision::pillow::{self, Filter};
use coembed::vision::{FrameSampling, Normalisation, Picture, PictureError, Transform, Window, opencv};
use proptest::prelude::*;

fn picture(height: usize, width: usize, value: impl Fn(usize) -> u8) -> Picture {
    Picture::new((0..height * width * 3).map(value).collect(), height, width).unwrap()
}

#[test]
fn pictures_have_their_size() {
    let error = |values: usize, height, width| Picture::new(vec![0; values], height, width).unwrap_err();
    assert_eq!(error(5, 1, 2).to_string(), "5 bytes are no RGB picture of height 1 and width 2");
    assert_eq!(error(0, 0, 2), PictureError::Empty { height: 0, width: 2 });
    assert!(matches!(error(6, usize::MAX, 2), PictureError::Size { .. }));
    let rows = picture(4, 5, |i| (i / 15) as u8);
    let window = |top, left, height, width| Window { top, left, height, width };
    assert_eq!(rows.crop(window(1, 2, 2, 3)).unwrap().values(), [[1; 9], [2; 9]].concat());
    for outside in [window(3, 0, 2, 1), window(0, 5, 1, 1), window(usize::MAX, 0, 2, 1), window(0, 1, 1, usize::MAX)] {
        assert!(matches!(rows.crop(outside), Err(PictureError::Outside { .. })), "{outside:?}");
    }
    assert!(matches!(rows.crop(window(0, 0, 0, 1)), Err(PictureError::Empty { .. })));
}

#[test]
fn results_without_room_are_refused() {
    let line = picture(1, 1 << 20, |_| 7);
    let error = opencv::resize_shorter_side(&line, 1 << 20).unwrap_err();
    assert_eq!(error.to_string(), "a picture of height 1048576 and width 1099511627776 is too large");
    assert!(opencv::resize_shorter_side(&line, usize::MAX).is_err());
    assert!(matches!(opencv::resize_shorter_side(&line, 0), Err(PictureError::Empty { .. })));
    for side in [1 << 20, usize::MAX] {
        let refused = pillow::resize_shorter_side(&line, side, Filter::Bicubic);
        assert!(matches!(refused, Err(PictureError::TooLarge { .. })), "{side}");
    }
    assert!(matches!(pillow::resize(&line, 0, 3, Filter::Bilinear), Err(PictureError::Empty { .. })));
    assert!(matches!(pillow::crop_centre(&line, 2), Err(PictureError::Outside { .. })));
}

proptest! {
    #[test]
    fn one_colour_stays_one_colour(height in 1usize..40, width in 1usize..40, side in 1usize..40, value: u8) {
        let picture = picture(height, width, |_| value);
        let shorter = |picture: &Picture| picture.height().min(picture.width());
        let resized = opencv::resize_shorter_side(&picture, side).unwrap();
        prop_assert!(resized.values().iter().all(|v| *v == value));
        prop_assert_eq!(shorter(&resized), side);
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            let resized = pillow::resize_shorter_side(&picture, side, filter).unwrap();
            prop_assert!(resized.values().iter().all(|v| *v == value));
            prop_assert_eq!(shorter(&resized), side);
        }
    }

    #[test]
    fn the_same_size_is_the_same_picture(height in 1usize..20, width in 1usize..20, seed: u64) {
        let value = |i: usize| ((seed ^ i as u64).wrapping_mul(6364136223846793005) >> 40) as u8;
        let picture = picture(height, width, value);
        prop_assert_eq!(&opencv::resize_shorter_side(&picture, height.min(width)).unwrap(), &picture);
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            prop_assert_eq!(&pillow::resize(&picture, height, width, filter).unwrap(), &picture);
        }
    }

    #[test]
    fn kept_frames_are_in_order_and_the_last_one_stands_twice(fps in -1.0f64..300.0, frames in 0usize..500) {
        let kept = FrameSampling::new(Some(fps)).indices(frames);
        prop_assert_eq!(kept.is_empty(), frames == 0);
        if let [first, .., before, last] = kept[..] {
            prop_assert_eq!((first, before), (0, last));
            prop_assert!(last < frames && kept[..kept.len() - 1].is_sorted_by(|a, b| a < b));
        }
    }
}

#[test]
fn antialiasing_takes_the_mean_of_what_falls_together() {
    let halves = picture(2, 2, |i| if i % 6 < 3 { 0 } else { 100 });
    assert_eq!(pillow::resize(&halves, 1, 1, Filter::Bilinear).unwrap().values(), [50; 3]);
}

#[test]
fn frame_rates_that_cannot_be_count_as_25() {
    let usual = FrameSampling::new(Some(25.0));
    for fps in [None, Some(f64::NAN), Some(0.0), Some(-3.0), Some(144.5), Some(f64::INFINITY)] {
        assert_eq!(FrameSampling::new(fps), usual, "{fps:?}");
    }
    assert_eq!(FrameSampling::new(Some(144.0)).indices(200), [0, 143, 143]);
    assert_eq!(FrameSampling::new(Some(0.2)).indices(3), [0, 1, 2, 2]);
}

#[test]
fn the_networks_input_is_normalised_by_colour() {
    let colours = picture(256, 300, |i| [255, 0, 51][i % 3]);
    let input = Transform::IMAGENET.apply(&colours).unwrap();
    assert_eq!(input.len(), 3 * 224 * 224);
    let Normalisation { mean, deviation } = Normalisation::IMAGENET;
    for (c, plane) in input.chunks(224 * 224).enumerate() {
        let want = ([1.0, 0.0, 0.2][c] - mean[c]) / deviation[c];
        assert!(plane.iter().all(|value| (value - want).abs() < 1e-6), "{c}");
    }
}
