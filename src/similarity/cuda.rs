//! Top-k and chamfer similarity on an NVIDIA GPU: blocks of inner products by cuBLAS, selected and reduced by kernels of our own, which are
//! compiled at run time.
//!
//! Same types, checks and order of ties as on the CPU. Scores agree with the CPU's within the rounding of f32 sums in another order; where two
//! items differ by less than that, their order may differ, too.
//!
//! It has been run on an interpreter of the kernels (`docs/cuda.md`), not on a card yet.

use std::ops::Range;
use std::sync::Arc;

use cudarc::cublas::result::CublasError;
use cudarc::cublas::sys::cublasOperation_t;
use cudarc::cublas::{CudaBlas, Gemm, GemmConfig};
use cudarc::driver::{CudaDevice, CudaFunction, CudaSlice, DriverError, LaunchAsync, LaunchConfig};
use cudarc::nvrtc::{CompileError, compile_ptx};

use super::kernel::Kernel;
use super::panels::Panels;
use super::top_k::{item_of, score_of};
use super::{Embeddings, FrameSets, LargestNorm, Measure, Side, SimilarityError, TopK, room};
use crate::device::{DeviceError, probe};
use crate::matrix::Matrix;

const MODULE: &str = "coembed_similarity";

/// Rows and columns of a block of scores: 128 MiB.
const BLOCK_ROWS: usize = 4096;
const BLOCK_COLUMNS: usize = 8192;

/// Threads that select from one row.
const SELECT_THREADS: u32 = 256;

/// Most items per query that [`Cuda::top_k`] can keep in shared memory.
pub const MAX_K: usize = 1024;

/// Why a GPU gives no result.
#[derive(Debug, thiserror::Error)]
pub enum CudaError {
    /// The arguments have no similarity, on any device.
    #[error(transparent)]
    Similarity(#[from] SimilarityError),
    /// Larger than [`MAX_K`].
    #[error("k is {k}: at most {MAX_K} items per query are selected on a GPU")]
    K {
        /// The value given.
        k: usize,
    },
    /// There is no such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The driver: no memory, a failed launch.
    #[error("CUDA driver: {0:?}")]
    Driver(#[from] DriverError),
    /// The matrix product.
    #[error("cuBLAS: {0:?}")]
    Blas(#[from] CublasError),
    /// The run-time compiler.
    #[error("NVRTC: {0:?}")]
    Compile(#[from] CompileError),
}

/// A GPU with the kernels loaded.
#[derive(Debug)]
pub struct Cuda {
    device: Arc<CudaDevice>,
    blas: CudaBlas,
    merge_top_k: CudaFunction,
    set_maxima: CudaFunction,
}

/// Rows on the device, checked and scaled, with their squared norms.
struct Rows {
    values: CudaSlice<f32>,
    squares: CudaSlice<f32>,
    len: usize,
    largest: LargestNorm,
}

impl Cuda {
    /// Opens device `ordinal` (from 0) and compiles the kernels for it.
    ///
    /// # Errors
    /// [`CudaError`]: no such device, a failing compiler or library.
    pub fn new(ordinal: usize) -> Result<Self, CudaError> {
        probe(ordinal)?;
        let device = CudaDevice::new(ordinal)?;
        device.load_ptx(compile_ptx(include_str!("cuda/kernels.cu"))?, MODULE, &["merge_top_k", "set_maxima"])?;
        let function = |name| {
            let missing = DriverError(cudarc::driver::sys::CUresult::CUDA_ERROR_NOT_FOUND);
            device.get_func(MODULE, name).ok_or(missing)
        };
        let (merge_top_k, set_maxima) = (function("merge_top_k")?, function("set_maxima")?);
        Ok(Self { blas: CudaBlas::new(device.clone())?, device, merge_top_k, set_maxima })
    }

    /// [`top_k`](super::top_k()) on the device, for `k` up to [`MAX_K`]. Device memory: the queries, a block of items and a block of scores.
    ///
    /// # Shapes
    /// `queries`: N x D, `items`: M x D; results: N x k.
    ///
    /// # Errors
    /// [`CudaError`]: as on the CPU, or of the device.
    pub fn top_k(
        &self,
        queries: impl Embeddings,
        items: impl Embeddings,
        measure: Measure,
        k: usize,
    ) -> Result<TopK, CudaError> {
        let (rows, cols) = (queries.rows(), items.rows());
        if k == 0 || k > cols {
            return Err(SimilarityError::K { k, items: cols }.into());
        }
        if k > MAX_K {
            return Err(CudaError::K { k });
        }
        let too_many = || SimilarityError::TooMany { queries: rows, items: cols };
        u32::try_from(cols).map_err(|_| too_many())?;
        let width = check_width(&queries, &items)?;
        let len = room::<u64>(rows, k).ok_or_else(too_many)?;
        if rows == 0 {
            return Ok(head(&[], 0, k)?);
        }

        let queries = self.upload(&queries, 0..rows, measure, Side::Queries)?;
        let mut best = self.device.alloc_zeros::<u64>(len)?;
        let mut scores = self.device.alloc_zeros::<f32>(rows.min(BLOCK_ROWS) * cols.min(BLOCK_COLUMNS))?;
        let half = (k.next_power_of_two() as u32).max(2 * SELECT_THREADS);
        for start in (0..cols).step_by(BLOCK_COLUMNS) {
            let items = self.upload(&items, start..cols.min(start + BLOCK_COLUMNS), measure, Side::Items)?;
            measure.check(queries.largest, items.largest)?;
            for first in (0..rows).step_by(BLOCK_ROWS) {
                let block = first..rows.min(first + BLOCK_ROWS);
                self.product(&queries, block.clone(), &items, width, &mut scores)?;
                let launch = LaunchConfig {
                    grid_dim: (block.len() as u32, 1, 1),
                    block_dim: (SELECT_THREADS, 1, 1),
                    shared_mem_bytes: 2 * half * size_of::<u64>() as u32,
                };
                let distance = u32::from(measure == Measure::NegativeSquaredEuclidean);
                let arguments = (
                    &scores,
                    &mut best,
                    items.len,
                    first,
                    start,
                    k as u32,
                    half,
                    distance,
                    &queries.squares,
                    &items.squares,
                );
                // SAFETY: types and order are those of the kernel; it reads `block.len()` rows of `items.len` scores, which `product` has
                // written, and as many squares; its keys are those of `block`, inside `best`.
                unsafe { self.merge_top_k.clone().launch(launch, arguments) }?;
            }
        }
        Ok(head(&self.device.dtoh_sync_copy(&best)?, rows, k)?)
    }

    /// [`chamfer`](super::chamfer()) on the device. Device memory: all frames of the queries, a group of items, a block of scores.
    ///
    /// # Shapes
    /// `queries`: N sets of frames of D dimensions, `items`: M sets; result: N x M.
    ///
    /// # Errors
    /// [`CudaError`]: as on the CPU, or of the device.
    pub fn chamfer<Q: Embeddings, I: Embeddings>(
        &self,
        queries: FrameSets<'_, Q>,
        items: FrameSets<'_, I>,
        measure: Measure,
    ) -> Result<Matrix<f32>, CudaError> {
        self.one_way(&queries, &items, measure)
    }

    fn one_way<Q: Embeddings, I: Embeddings>(
        &self,
        queries: &FrameSets<'_, Q>,
        items: &FrameSets<'_, I>,
        measure: Measure,
    ) -> Result<Matrix<f32>, CudaError> {
        let width = check_width(&queries.frames, &items.frames)?;
        queries.check(Side::Queries)?;
        items.check(Side::Items)?;
        let too_many = || SimilarityError::TooMany { queries: queries.len(), items: items.len() };
        let len = room::<f64>(queries.len(), items.len()).ok_or_else(too_many)?;
        let mut sums = vec![0.0_f64; len];
        if !sums.is_empty() {
            let frames = self.upload(&queries.frames, 0..queries.frames.rows(), measure, Side::Queries)?;
            for group in items.groups(BLOCK_COLUMNS) {
                self.add_maxima(queries, &frames, items, group, (measure, width), &mut sums)?;
            }
        }
        let mean = |(i, sum): (usize, f64)| (sum / queries.rows(i / items.len()).len() as f64) as f32;
        let means = sums.into_iter().enumerate().map(mean).collect();
        Ok(Matrix::new(means, queries.len(), items.len()).map_err(|_| too_many())?)
    }

    /// [`symmetric_chamfer`](super::symmetric_chamfer()) on the device, from one pass for each direction.
    ///
    /// # Shapes
    /// As [`Cuda::chamfer`].
    ///
    /// # Errors
    /// As [`Cuda::chamfer`].
    pub fn symmetric_chamfer<Q: Embeddings, I: Embeddings>(
        &self,
        queries: FrameSets<'_, Q>,
        items: FrameSets<'_, I>,
        measure: Measure,
    ) -> Result<Matrix<f32>, CudaError> {
        let mut there = self.one_way(&queries, &items, measure)?;
        let back = self.one_way(&items, &queries, measure)?;
        for i in 0..there.rows() {
            for (j, value) in there.row_mut(i).iter_mut().enumerate() {
                *value = 0.5 * (*value + back.row(j)[i]);
            }
        }
        Ok(there)
    }

    /// Adds, for all queries and a group of items, the largest score of every query frame over every item.
    fn add_maxima<Q: Embeddings, I: Embeddings>(
        &self,
        queries: &FrameSets<'_, Q>,
        frames: &Rows,
        items: &FrameSets<'_, I>,
        group: Range<usize>,
        (measure, width): (Measure, usize),
        sums: &mut [f64],
    ) -> Result<(), CudaError> {
        let span = items.rows(group.start).start..items.rows(group.end - 1).end;
        let packed = self.upload(&items.frames, span.clone(), measure, Side::Items)?;
        measure.check(frames.largest, packed.largest)?;
        let ends = group.clone().map(|set| (items.rows(set).end - span.start) as u64);
        let offsets = self.device.htod_sync_copy(&std::iter::once(0).chain(ends).collect::<Vec<u64>>())?;
        let rows = frames.len.min(BLOCK_ROWS);
        let mut scores = self.device.alloc_zeros::<f32>(rows * packed.len)?;
        let mut maxima = self.device.alloc_zeros::<f32>(rows * group.len())?;
        let mut query = 0;
        for first in (0..frames.len).step_by(BLOCK_ROWS) {
            let block = first..frames.len.min(first + BLOCK_ROWS);
            self.product(frames, block.clone(), &packed, width, &mut scores)?;
            let launch = LaunchConfig {
                grid_dim: (block.len() as u32, group.len().min(65_535) as u32, 1),
                block_dim: (32, 1, 1),
                shared_mem_bytes: 0,
            };
            let distance = u32::from(measure == Measure::NegativeSquaredEuclidean);
            let arguments = (
                &scores,
                &mut maxima,
                packed.len,
                &offsets,
                group.len(),
                first,
                distance,
                &frames.squares,
                &packed.squares,
            );
            // SAFETY: types and order are those of the kernel; it reads `block.len()` rows of `packed.len` scores, which `product` has written,
            // in the columns between the offsets, and writes `block.len()` rows of one maximum per set.
            unsafe { self.set_maxima.clone().launch(launch, arguments) }?;
            let host = self.device.dtoh_sync_copy(&maxima)?;
            for (frame, maxima) in block.zip(host.chunks(group.len())) {
                while frame >= queries.rows(query).end {
                    query += 1;
                }
                let sums = &mut sums[query * items.len()..][group.clone()];
                sums.iter_mut().zip(maxima).for_each(|(sum, &most)| *sum += f64::from(most));
            }
        }
        Ok(())
    }

    fn upload(
        &self,
        set: &impl Embeddings,
        rows: Range<usize>,
        measure: Measure,
        side: Side,
    ) -> Result<Rows, CudaError> {
        let mut packed = Panels::row_major(Kernel::best(), side);
        packed.pack(set, rows.clone(), measure, true)?;
        // The driver allocates no empty buffers.
        let values = if packed.values().is_empty() { &[0.0] } else { packed.values() };
        let values = self.device.htod_sync_copy(values)?;
        let squares = self.device.htod_sync_copy(&packed.squares)?;
        Ok(Rows { values, squares, len: rows.len(), largest: packed.largest() })
    }

    /// Inner products of some queries with all items of a block, row-major from the start of `scores` on.
    fn product(
        &self,
        queries: &Rows,
        rows: Range<usize>,
        items: &Rows,
        width: usize,
        scores: &mut CudaSlice<f32>,
    ) -> Result<(), CudaError> {
        if width == 0 {
            return Ok(self.device.memset_zeros(scores)?);
        }
        let too_many = |_| SimilarityError::TooMany { queries: rows.len(), items: items.len };
        let size = |n: usize| i32::try_from(n).map_err(too_many);
        // Column-major, as cuBLAS has it: scores' = items · queries', each stored with the dimensions of a row side by side.
        let config = GemmConfig {
            transa: cublasOperation_t::CUBLAS_OP_T,
            transb: cublasOperation_t::CUBLAS_OP_N,
            m: size(items.len)?,
            n: size(rows.len())?,
            k: size(width)?,
            alpha: 1.0,
            lda: size(width)?,
            ldb: size(width)?,
            beta: 0.0,
            ldc: size(items.len)?,
        };
        let chosen = queries.values.slice(rows.start * width..rows.end * width);
        // SAFETY: the buffers hold `items.len * width`, `rows.len() * width` and at least `rows.len() * items.len` values.
        unsafe { self.blas.gemm(config, &items.values, &chosen, scores) }?;
        Ok(())
    }
}

fn check_width(queries: &impl Embeddings, items: &impl Embeddings) -> Result<usize, SimilarityError> {
    let (queries, items) = (queries.cols(), items.cols());
    if queries == items { Ok(items) } else { Err(SimilarityError::Dimensions { queries, items }) }
}

/// `keys`: `k` falling ones per row.
fn head(keys: &[u64], rows: usize, k: usize) -> Result<TopK, SimilarityError> {
    let malformed = |_| SimilarityError::TooMany { queries: rows, items: k };
    Ok(TopK {
        indices: Matrix::new(keys.iter().map(|&key| item_of(key)).collect(), rows, k).map_err(malformed)?,
        scores: Matrix::new(keys.iter().map(|&key| score_of(key)).collect(), rows, k).map_err(malformed)?,
    })
}
