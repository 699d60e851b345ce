//! The smallest contents of the files in a folder of the authors' features. Each has an entry for every video.

use std::path::Path;

use coembed::formats::pickle_writer::Writer;

/// Writes a file, and the folders above it.
pub fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A list of videos.
pub fn list(videos: &[&str], ending: &str) -> Vec<u8> {
    videos.iter().map(|video| format!("{video}{ending}\n")).collect::<String>().into()
}

/// A pickled dict; `value` writes that of the video of a number.
pub fn pickle(videos: &[&str], value: impl Fn(&mut Writer, usize)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.dict(|entries| {
        for (number, video) in videos.iter().enumerate() {
            entries.str(video);
            value(entries, number);
        }
    });
    writer.finish()
}

/// Features of an expert: `shape` is `[D]`, or `[n, D]` of a sequence.
pub fn features(videos: &[&str], shape: &[usize], seed: usize) -> Vec<u8> {
    pickle(videos, |writer, video| writer.array(shape, &numbers(seed + video, shape.iter().product())))
}

/// Word vectors of so many captions of so many words.
pub fn text(videos: &[&str], [captions, words, width]: [usize; 3]) -> Vec<u8> {
    pickle(videos, |writer, video| {
        let caption = |caption| numbers(200 + captions * video + caption, words * width);
        writer.list(|list| (0..captions).for_each(|number| list.array(&[words, width], &caption(number))));
    })
}

/// So many captions of one word.
pub fn sentences(videos: &[&str], captions: usize) -> Vec<u8> {
    pickle(videos, |writer, _| {
        writer.list(|list| (0..captions).for_each(|_| list.list(|words| words.str("word"))));
    })
}

fn numbers(seed: usize, count: usize) -> Vec<f32> {
    (0..count).map(|i| ((seed * 31 + i) as f32).sin()).collect()
}
