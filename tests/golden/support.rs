//! Reading fixtures and comparing with them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use coembed::blocks::{Parameters, Path, Role, Visitor};
use coembed::matrix::Matrix;
use coembed::ops;
use coembed::relevance::{ClassSet, Classes};
use coembed::train::{StateDict, StateTensor, StateValues};
use dfdx::prelude::{Dim, Gradients, Shape, Tensor};
use safetensors::{Dtype, SafeTensors};

/// The device of the golden tests.
#[cfg(not(feature = "cuda"))]
pub type Dev = dfdx::prelude::Cpu;
#[cfg(feature = "cuda")]
pub type Dev = dfdx::prelude::Cuda;

pub fn golden_dir() -> PathBuf {
    std::env::var_os("GOLDEN_DIR").map_or_else(|| "tests/golden".into(), PathBuf::from)
}

/// Folder of real data, or `None` (said on standard error) where it is absent.
pub fn data_dir(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("COEMBED_DATA").map_or_else(|| "../shared/data".into(), PathBuf::from);
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no folder {} (set COEMBED_DATA)", folder.display());
    None
}

/// Declares the cases of a family, each a function of that name in `$cases`, and the test that fixtures and cases agree.
macro_rules! cases {
    ($family:ident, $cases:ident: $($case:ident),+ $(,)?) => {
        mod $family {
            $(
                #[test]
                fn $case() {
                    if crate::support::has_family(stringify!($family)) {
                        crate::$cases::$case();
                    }
                }
            )+

            #[test]
            fn every_fixture_has_a_test_and_every_test_its_fixture() {
                crate::support::compare_with_folder(stringify!($family), &[$(stringify!($case)),+]);
            }
        }
    };
}
pub(crate) use cases;

/// Whether the folder of fixtures has that family; that it has not is said on standard error. A folder that does not exist is a
/// mistake.
pub fn has_family(family: &str) -> bool {
    let folder = golden_dir();
    assert!(folder.is_dir(), "GOLDEN_DIR is no folder: {}", folder.display());
    let has = folder.join(family).is_dir();
    if !has {
        eprintln!("skipped: no folder {}", folder.join(family).display());
    }
    has
}

pub fn compare_with_folder(family: &str, cases: &[&str]) {
    if !has_family(family) {
        return;
    }
    let entries = std::fs::read_dir(golden_dir().join(family)).unwrap();
    let files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let fixtures: BTreeSet<String> = files
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "safetensors" || e == "json"))
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_string())
        .collect();
    let cases: BTreeSet<String> = cases.iter().map(|case| case.to_string()).collect();
    assert_eq!(fixtures.difference(&cases).collect::<Vec<_>>(), Vec::<&String>::new(), "fixtures without a test");
    assert_eq!(cases.difference(&fixtures).collect::<Vec<_>>(), Vec::<&String>::new(), "tests without a fixture");
}

enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I64(Vec<i64>),
    U8(Vec<u8>),
}

/// One fixture.
pub struct Case {
    tensors: BTreeMap<String, (Vec<usize>, Values)>,
    metadata: BTreeMap<String, String>,
    compared: RefCell<BTreeSet<String>>,
}

impl Case {
    pub fn load(family: &str, name: &str) -> Self {
        let path = golden_dir().join(family).join(format!("{name}.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let tensors = file
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                let data = view.data();
                let values = match view.dtype() {
                    Dtype::F32 => Values::F32(data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
                    Dtype::F64 => Values::F64(data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()),
                    Dtype::I64 => Values::I64(data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect()),
                    Dtype::U8 => Values::U8(data.to_vec()),
                    other => panic!("{name}: unexpected type {other:?}"),
                };
                (name, (view.shape().to_vec(), values))
            })
            .collect();
        Self { tensors, metadata, compared: RefCell::default() }
    }

    /// The tensors whose names start so, in order.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        self.tensors.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    fn get(&self, name: &str) -> &(Vec<usize>, Values) {
        self.tensors.get(name).unwrap_or_else(|| panic!("the fixture has no tensor {name}"))
    }

    pub fn shape(&self, name: &str) -> &[usize] {
        &self.get(name).0
    }

    pub fn f32(&self, name: &str) -> Vec<f32> {
        match &self.get(name).1 {
            Values::F32(v) => v.clone(),
            _ => panic!("{name} is not f32"),
        }
    }

    pub fn i64(&self, name: &str) -> Vec<i64> {
        match &self.get(name).1 {
            Values::I64(v) => v.clone(),
            Values::U8(v) => v.iter().map(|v| i64::from(*v)).collect(),
            _ => panic!("{name} is not an integer tensor"),
        }
    }

    pub fn f64(&self, name: &str) -> Vec<f64> {
        match &self.get(name).1 {
            Values::F32(v) => v.iter().map(|v| f64::from(*v)).collect(),
            Values::F64(v) => v.clone(),
            Values::I64(v) => v.iter().map(|v| *v as f64).collect(),
            Values::U8(v) => v.iter().map(|v| f64::from(*v)).collect(),
        }
    }

    pub fn rows(&self, name: &str) -> Vec<u32> {
        self.i64(name).into_iter().map(|v| v as u32).collect()
    }

    pub fn matrix(&self, name: &str) -> Matrix<f32> {
        let shape = self.shape(name);
        Matrix::new(self.f32(name), shape[0], shape[1]).unwrap()
    }

    pub fn matrix_f64(&self, name: &str) -> Matrix<f64> {
        let shape = self.shape(name);
        Matrix::new(self.f64(name), shape[0], shape[1]).unwrap()
    }

    /// A tensor of two axes; sizes in the types must be those of the fixture.
    pub fn tensor<A: Dim, B: Dim>(&self, name: &str) -> Tensor<(A, B), f32, Dev> {
        let shape = self.shape(name);
        let dims = (A::from_size(shape[0]).unwrap(), B::from_size(shape[1]).unwrap());
        ops::to_tensor(&Dev::default(), self.f32(name), dims).unwrap()
    }

    pub fn meta(&self, key: &str) -> &str {
        self.metadata.get(key).unwrap_or_else(|| panic!("the fixture has no metadata {key}"))
    }

    pub fn has_meta(&self, key: &str) -> bool {
        self.metadata.contains_key(key)
    }

    pub fn number(&self, key: &str) -> f64 {
        self.meta(key).parse().unwrap()
    }

    /// Lists padded to a fixed width, with their true lengths beside them.
    pub fn lists(&self, name: &str) -> Vec<Vec<i64>> {
        let (values, width) = (self.i64(name), self.shape(name)[1]);
        let lengths = self.i64(&format!("{name}_len"));
        values.chunks(width).zip(lengths).map(|(list, n)| list[..n as usize].to_vec()).collect()
    }

    /// `param.*` as a state dict.
    pub fn parameters(&self) -> StateDict {
        let named = self.tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix("param.")?, tensor)));
        named
            .map(|(name, (shape, values))| {
                let values = match values {
                    Values::F32(v) => StateValues::F32(v.clone()),
                    Values::I64(v) => StateValues::I64(v.clone()),
                    _ => panic!("{name}: unexpected type"),
                };
                (name.to_string(), StateTensor { shape: shape.clone(), values })
            })
            .collect()
    }

    /// Loads `param.*` into a model; every entry must fit.
    pub fn load_into(&self, model: &mut impl Parameters<Dev>) {
        let report = coembed::train::load(model, &self.parameters()).unwrap();
        assert!(report.is_complete(), "{report}");
    }

    /// How far a tensor may be off: the family's rule, read from the metadata of the fixture.
    ///
    /// `relmargin`: `tolerance · max(max|want|, 0.01)`; gradients that are zero in exact arithmetic have an absolute tolerance. The others:
    /// a tolerance for outputs and one for gradients, times `max(max|want|, floor)`, where the floor is 1 for losses, the largest
    /// gradient of the case for gradients that are zero in exact arithmetic, a hundredth of it for other gradients, 1e-6 otherwise.
    /// Where the fixture states its rule itself (`relative_to`): one tolerance, the floor 1e-3 of the largest gradient of the case for
    /// gradients, 1 for losses, 0 otherwise.
    fn limit(&self, name: &str, want: &[f64]) -> f64 {
        let finite = |values: &[f64]| values.iter().filter(|w| w.is_finite()).fold(0.0f64, |m, w| m.max(w.abs()));
        let largest = finite(want);
        if self.metadata.contains_key("relative_to") {
            let floor = if name.starts_with("grad.") {
                let gradients = self.tensors.keys().filter(|name| name.starts_with("grad."));
                1e-3 * gradients.map(|name| finite(&self.f64(name))).fold(0.0, f64::max)
            } else if name.ends_with(".loss") {
                1.0
            } else {
                0.0
            };
            return self.number("tolerance") * largest.max(floor);
        }
        if !self.metadata.contains_key("tolerance_outputs") {
            let near_zero: Vec<String> = self
                .metadata
                .get("near_zero_tensors")
                .map(|list| serde_json::from_str(list).unwrap())
                .unwrap_or_default();
            let near_zero = near_zero.iter().any(|n| n == name);
            return if near_zero {
                self.number("near_zero_atol")
            } else {
                self.number("tolerance") * largest.max(0.01)
            };
        }
        let (tolerance, floor) = match name {
            "output.loss" | "output.rank_loss" | "output.distil_loss" => ("tolerance_outputs", 1.0),
            _ if self.meta("zero_gradients").split(',').any(|n| n == name) => {
                ("tolerance_grads", self.number("grad_max"))
            }
            _ if name.starts_with("grad.") => ("tolerance_grads", 0.01 * self.number("grad_max")),
            _ => ("tolerance_outputs", 1e-6),
        };
        self.number(tolerance) * largest.max(floor)
    }

    /// Compares a result with the fixture's.
    #[track_caller]
    pub fn compare(&self, name: &str, got: &[f64]) {
        let want = self.f64(name);
        assert_eq!(got.len(), want.len(), "{name}: number of values");
        let limit = self.limit(name, &want);
        for (i, (g, w)) in got.iter().zip(&want).enumerate() {
            let same = g == w || g.is_nan() && w.is_nan();
            assert!(
                same || (g - w).abs() <= limit,
                "{name}[{i}]: got {g}, want {w}, off by {:e} > {limit:e}",
                (g - w).abs()
            );
        }
        self.compared.borrow_mut().insert(name.to_string());
    }

    #[track_caller]
    pub fn compare_f32(&self, name: &str, got: &[f32]) {
        self.compare(name, &got.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
    }

    #[track_caller]
    pub fn compare_tensor<S: Shape>(&self, name: &str, got: &Tensor<S, f32, Dev>) {
        self.compare_f32(name, &ops::to_vec(got).unwrap());
    }

    #[track_caller]
    pub fn compare_gradient<S: Shape>(&self, name: &str, gradients: &Gradients<f32, Dev>, of: &Tensor<S, f32, Dev>) {
        self.compare_tensor(name, &gradients.get(of));
    }

    /// Compares the gradient of every parameter that has one in the fixture; the others must be zero.
    #[track_caller]
    pub fn compare_gradients(&self, model: &impl Parameters<Dev>, gradients: Gradients<f32, Dev>) {
        for (name, gradient) in gradients_by_name(model, gradients) {
            let stored = format!("grad.param.{name}");
            if self.has(&stored) {
                self.compare_f32(&stored, &gradient);
            } else {
                assert!(gradient.iter().all(|g| *g == 0.0), "{name} is unused but has a gradient");
            }
        }
    }

    /// Compares a state dict with the tensors behind a prefix.
    #[track_caller]
    pub fn compare_state(&self, prefix: &str, state: &StateDict) {
        for (name, tensor) in state {
            let stored = format!("{prefix}{name}");
            if self.has(&stored) {
                match &tensor.values {
                    StateValues::F32(v) => self.compare_f32(&stored, v),
                    StateValues::I64(v) => self.compare(&stored, &v.iter().map(|v| *v as f64).collect::<Vec<_>>()),
                }
            }
        }
    }

    /// Fails if an output or gradient of the fixture was not compared.
    #[track_caller]
    pub fn finish(self) {
        let compared = self.compared.borrow();
        let results = self.tensors.keys().filter(|name| name.starts_with("output.") || name.starts_with("grad."));
        let left: Vec<_> = results.filter(|name| !compared.contains(*name)).collect();
        assert!(left.is_empty(), "not compared: {left:?}");
        assert!(!compared.is_empty(), "nothing was compared");
    }
}

pub fn gradients_by_name(model: &impl Parameters<Dev>, gradients: Gradients<f32, Dev>) -> Vec<(String, Vec<f32>)> {
    struct Collect(Gradients<f32, Dev>, Vec<(String, Vec<f32>)>);
    impl Visitor<Dev> for Collect {
        type Error = std::convert::Infallible;

        fn tensor<S: Shape>(&mut self, path: &Path, role: Role, t: &Tensor<S, f32, Dev>) -> Result<(), Self::Error> {
            if role == Role::Trained {
                self.0.try_alloc_for(t).unwrap();
                self.1.push((path.to_string(), ops::to_vec(&self.0.get(t)).unwrap()));
            }
            Ok(())
        }

        fn counter(&mut self, _: &Path, _: &u64) -> Result<(), Self::Error> {
            Ok(())
        }
    }
    let mut collect = Collect(gradients, vec![]);
    let Ok(()) = model.visit(&Path::ROOT, &mut collect);
    collect.1
}

/// Classes from lists of verbs and nouns.
pub fn classes(verbs: &[Vec<i64>], nouns: &[Vec<i64>]) -> Vec<Classes> {
    let set = |list: &Vec<i64>| list.iter().copied().collect::<ClassSet>();
    verbs.iter().zip(nouns).map(|(v, n)| Classes { verbs: set(v), nouns: set(n) }).collect()
}

/// A training pass without dropout.
pub fn training() -> coembed::blocks::Phase<'static> {
    static STREAM: coembed::blocks::StepStream = coembed::blocks::StepStream::new(0);
    coembed::blocks::Phase::Training(&STREAM)
}
