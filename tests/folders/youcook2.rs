//! A tiny folder in the YouCook2 layout.

use coembed::data::relational::sampling::ClassKey;
use coembed::data::relational::{FolderError, FolderOptions};
use coembed::data::youcook2::{load_eval, load_train};

use super::support::{Class, Folder, npy_texts, npz, relational, rng};
use Class::{Id, Ids, Pair, Text, Texts};

const CLIPS: [&str; 3] = ["xHr8X2Wpmno_0", "xHr8X2Wpmno_1", "GLd3aX16zBg_0"];
const CLIP: &str = "data/video_features/YC2_Resnet_feats/GLd3aX16zBg_0.npz";
const CAPTIONS: &str = "data/relational/caption_allnouns_relational_parsed_youcookii_synsets_train.pkl";

/// Three clips, two captions. The second clip has no verb and the third no noun; the first caption has no noun.
fn folder() -> Folder {
    let folder = Folder::empty();
    for (split, name) in [("trn", "train"), ("val", "val")] {
        folder.write(&format!("public_split_yc2/{split}_names.npy"), &npy_texts(&CLIPS));
        for level in ["caption", "verb", "noun"] {
            let text = format!("data/text_features/{level}_features_parsed_youcookii_synsets_{name}.pkl");
            folder.array(&text, [2, 2], &[1.0_f32, 2.0, 3.0, 4.0]);
            let relevance = format!("data/relevancy/{level}_prova_relevancy_parsed_youcookii_synsets_{name}.pkl");
            folder.array(&relevance, [3, 2], &[1.0_f64, 0.0, 0.5, 0.0, 0.25, 1.0]);
        }
    }
    for (clip, name) in CLIPS.iter().enumerate() {
        let first = clip as f32;
        let features = [first, 1.0, first + 1.0, 2.0, first + 2.0, 6.0];
        folder
            .write(&format!("data/video_features/YC2_Resnet_feats/{name}.npz"), &npz("features", "(3, 2)", &features));
    }
    let [a, b, c] = CLIPS.map(Text);
    for (level, class2vid) in [("verb", [5, 7]), ("noun", [5, 7])] {
        let path = format!("data/relational/{level}_allnouns_relational_parsed_youcookii_synsets_train.pkl");
        folder.pickle(&path, |root| {
            relational(
                root,
                &[
                    ("vid2class", &[(a, Id(5)), (b, Id(-1)), (c, Id(7))]),
                    ("vid2classes", &[(a, Ids(&[5, 7])), (b, Ids(&[])), (c, Ids(&[7]))]),
                    (
                        "class2vid",
                        &[(Id(class2vid[0]), Texts(&CLIPS[..1])), (Id(class2vid[1]), Texts(&[CLIPS[0], CLIPS[2]]))],
                    ),
                    ("sent2class", &[(Id(0), Id(5)), (Id(1), Id(7))]),
                    ("sent2classes", &[(Id(0), Ids(&[5])), (Id(1), Ids(&[7]))]),
                    ("class2sent", &[(Id(5), Ids(&[0])), (Id(7), Ids(&[1]))]),
                ],
            );
        });
    }
    folder.pickle(CAPTIONS, |root| {
        relational(
            root,
            &[
                ("vid2class", &[(a, Text("5_1")), (b, Text("-1_2")), (c, Text("7_-1"))]),
                ("vid2classes", &[(a, Pair(&[5, 7], &[1, 3])), (b, Pair(&[], &[2])), (c, Pair(&[7], &[]))]),
                (
                    "class2vid",
                    &[
                        (Text("5_1"), Texts(&CLIPS[..1])),
                        (Text("-1_2"), Texts(&CLIPS[1..2])),
                        (Text("7_-1"), Texts(&CLIPS[2..])),
                    ],
                ),
                ("sent2class", &[(Id(0), Text("5_-1")), (Id(1), Text("7_2"))]),
                ("sent2classes", &[(Id(0), Pair(&[5], &[])), (Id(1), Pair(&[7], &[2, 4]))]),
                ("class2sent", &[(Text("5_-1"), Ids(&[0])), (Text("7_2"), Ids(&[1]))]),
            ],
        );
    });
    folder
}

#[test]
fn the_training_split() {
    let loaded = load_train(folder().path(), &FolderOptions::default(), &mut rng()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.files.len(), 8, "all clips count as one");
    let split = loaded.split;
    assert_eq!(split.features.video.as_slice(), [1.0, 3.0, 2.0, 3.0, 3.0, 3.0], "means of frames");
    let (verbs, captions) = (&split.relations.verb, &split.relations.action);
    assert_eq!(verbs.video.classes_of(0), [5, 7].map(ClassKey::Id));
    assert!(verbs.video.classes_of(1).is_empty());
    assert_eq!(split.relations.noun.video_classes[0].to_string(), "_5,7");
    assert_eq!(captions.video.classes_of(1), [ClassKey::Action("-1_2".into())]);
    assert_eq!(captions.video_classes[0].to_string(), "5,7_1,3");
    // Borrowed: the nouns of the one other caption, the verbs of one of two other clips.
    assert_eq!(captions.text_classes[0].to_string(), "5_2,4");
    assert!(["5,7_2", "7_2"].contains(&captions.video_classes[1].to_string().as_str()));
    assert!(["7_1,3", "7_2"].contains(&captions.video_classes[2].to_string().as_str()));

    let again = load_train(folder().path(), &FolderOptions::default(), &mut rng()).unwrap().split;
    assert_eq!(again, split, "the same seed borrows the same classes");
    let mmen = FolderOptions { first_noun_only: true, ..FolderOptions::default() };
    let mmen = load_train(folder().path(), &mmen, &mut rng()).unwrap().split;
    assert_eq!(mmen.relations.action.video_classes[1].to_string(), "-1_2");
}

#[test]
fn the_validation_split() {
    let folder = folder();
    let split = load_eval(folder.path(), &FolderOptions::default()).unwrap().split;
    assert_eq!(split.relevance.action.to_dense().as_slice(), [1.0, 0.0, 0.5, 0.0, 0.25, 1.0]);
    assert_eq!(split.ground_truth, None);
    let inner = load_eval(&folder.join("data"), &FolderOptions::default()).unwrap().split;
    assert_eq!(inner.features, split.features);
    let narrow = FolderOptions { video_width: Some(1), ..FolderOptions::default() };
    assert_eq!(load_eval(folder.path(), &narrow).unwrap().split.features.video.as_slice(), [1.0, 2.0, 3.0]);
}

#[test]
fn broken_files() {
    let check = |change: &dyn Fn(&Folder), file: &str, expected: &str| {
        let folder = folder();
        change(&folder);
        let error: FolderError = load_train(folder.path(), &FolderOptions::default(), &mut rng()).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(file) && message.contains(expected), "{message}");
    };
    let names = "public_split_yc2/trn_names.npy";
    check(&|f| f.remove(names), "trn_names.npy", "the list of clip names not found");
    check(&|f| f.write(names, b"\x93NUMPY"), "trn_names.npy", "not an .npy header");
    check(&|f| f.write(names, &npy_texts(&["../../etc/passwd"])), "trn_names.npy", "item 0: \"../../etc/passwd\"");
    check(&|f| f.write(names, &npy_texts(&["a", "a"])), "trn_names.npy", "item 1: \"a\" occurs before");
    check(&|f| f.write(names, &npy_texts(&["a"])), "/a.npz", "No such file");
    check(&|f| f.write(names, &npy_texts(&CLIPS[..2])), "train.pkl has 3", "trn_names.npy has 2");
    let clip = "GLd3aX16zBg_0.npz";
    check(&|f| f.remove(CLIP), clip, "No such file");
    check(&|f| f.write(CLIP, b"PK"), clip, "zip archive");
    check(
        &|f| f.write(CLIP, &npz("feats", "(1, 2)", &[1.0, 2.0])),
        clip,
        "array \"features\" expected, found 1 arrays: feats",
    );
    check(&|f| f.write(CLIP, &npz("features", "(2,)", &[1.0, 2.0])), clip, "features: 2 dimensions expected");
    check(&|f| f.write(CLIP, &npz("features", "(0, 2)", &[])), clip, "features: empty, of shape [0, 2]");
    check(&|f| f.write(CLIP, &npz("features", "(1, 2)", &[1.0, f32::NAN])), clip, "features: row 0, column 1 is NaN");
    check(&|f| f.write(CLIP, &npz("features", "(1, 1)", &[1.0])), clip, "width: ");
    check(&|f| f.remove(CAPTIONS), "caption_allnouns", "No such file");
    let pairs = |nouns: &'static [i64], lists: Class<'static>| {
        move |f: &Folder| {
            f.pickle(CAPTIONS, |root| {
                relational(
                    root,
                    &[
                        ("vid2class", &[(Text("a"), Text("1_2"))]),
                        ("vid2classes", &[(Text("a"), if nouns.is_empty() { Pair(&[1], nouns) } else { lists })]),
                        ("class2vid", &[]),
                        ("sent2class", &[]),
                        ("class2sent", &[]),
                    ],
                );
            });
        }
    };
    check(&pairs(&[], Id(0)), "caption_allnouns", "[\"vid2classes\"]: every list of nouns is empty");
    check(&pairs(&[1], Ids(&[1, 2, 3])), "caption_allnouns", "[[verbs], [nouns]] expected, found a list of 3 items");
}
