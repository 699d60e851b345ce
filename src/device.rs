//! Whether there is a GPU to compute on, asked before anything else touches it.
//!
//! dfdx's `Cuda` panics where the driver does not start or has no such GPU. `probe` (with the feature `cuda`) asks the driver first and names
//! what is missing. One thing it cannot name: a program built with that feature is linked with `libcuda.so.1`, `libcublas` and `libnvrtc`,
//! and where one of them is not found the loader says so and ends the program (exit code 127) before it begins.

use std::fmt::{Display, Formatter};

/// A version of CUDA, as a driver or a compiler has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CudaVersion {
    /// 13 of 13.2.
    pub major: i32,
    /// 2 of 13.2.
    pub minor: i32,
}

impl Display for CudaVersion {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Why there is no device to compute on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The program was built without CUDA.
    #[error("a GPU needs a build with --features cuda")]
    NotBuilt,
    /// The driver is there, a GPU is not.
    #[error("no GPU: the CUDA driver finds none (is the card passed on to this container or virtual machine?)")]
    NoGpu,
    /// There are GPUs, but not this one.
    #[error("no GPU number {ordinal}: the CUDA driver finds {count}, counted from 0")]
    NoSuchGpu {
        /// The GPU asked for.
        ordinal: usize,
        /// How many there are.
        count: usize,
    },
    /// A library to link against stands where the driver's should.
    #[error("no CUDA driver: the libcuda that was loaded is a stand-in to link programs with")]
    StandIn,
    /// The driver cannot run what this program's compiler makes.
    #[error(
        "the CUDA driver is of CUDA {driver}, the program's kernels are of CUDA {kernels}: it takes a newer driver"
    )]
    OldDriver {
        /// What the driver supports.
        driver: CudaVersion,
        /// What the kernels need.
        kernels: CudaVersion,
    },
    /// dfdx allocates nothing at its start, which only a device with memory pools can do.
    #[error("the GPU has no memory pools (driver or virtualisation too old), which dfdx needs")]
    NoMemoryPools,
    /// The driver failed in another way.
    #[error("the CUDA driver does not work: {call} gives error {code}")]
    Driver {
        /// The function that failed.
        call: &'static str,
        /// The driver's number (`CUresult`).
        code: i32,
    },
    /// The driver works, but the libraries above it do not.
    #[error("the GPU cannot be opened: {0}")]
    Open(String),
}

#[cfg(feature = "cuda")]
pub use cuda::probe;

#[cfg(feature = "cuda")]
mod cuda {
    use super::{CudaVersion, DeviceError};

    // cudarc 0.9.15 declares these with an enum of CUDA 11.8's results. A result that is not in it would be undefined behaviour, and the
    // driver's first calls are where one from a newer driver is to be expected; here results are numbers.
    unsafe extern "C" {
        fn cuInit(flags: u32) -> i32;
        fn cuDriverGetVersion(version: *mut i32) -> i32;
        fn cuDeviceGetCount(count: *mut i32) -> i32;
        fn cuDeviceGet(device: *mut i32, ordinal: i32) -> i32;
        fn cuDeviceGetAttribute(value: *mut i32, attribute: i32, device: i32) -> i32;
        fn nvrtcVersion(major: *mut i32, minor: *mut i32) -> i32;
    }

    // Of cuda.h: CUDA_ERROR_*, CU_DEVICE_ATTRIBUTE_*.
    const STUB_LIBRARY: i32 = 34;
    const NO_DEVICE: i32 = 100;
    const MEMORY_POOLS_SUPPORTED: i32 = 115;

    /// Starts the driver and checks that GPU `ordinal` is there and can run this program.
    ///
    /// # Errors
    /// [`DeviceError`], naming what is missing.
    pub fn probe(ordinal: usize) -> Result<(), DeviceError> {
        // SAFETY: the signatures are those of cuda.h and nvrtc.h; every pointer is to a local that lives through the call.
        check("cuInit", unsafe { cuInit(0) })?;
        let (mut driver, mut kernels) = (0, CudaVersion { major: 0, minor: 0 });
        // SAFETY: as above.
        check("cuDriverGetVersion", unsafe { cuDriverGetVersion(&mut driver) })?;
        // SAFETY: as above.
        check("nvrtcVersion", unsafe { nvrtcVersion(&mut kernels.major, &mut kernels.minor) })?;
        // 13020 is CUDA 13.2.
        let driver = CudaVersion { major: driver / 1000, minor: driver % 1000 / 10 };
        if driver < kernels {
            return Err(DeviceError::OldDriver { driver, kernels });
        }
        let (mut count, mut device, mut pools) = (0, 0, 0);
        // SAFETY: as above.
        check("cuDeviceGetCount", unsafe { cuDeviceGetCount(&mut count) })?;
        let number = i32::try_from(ordinal).ok().filter(|number| *number < count);
        let Some(number) = number else {
            let count = usize::try_from(count).unwrap_or(0);
            return Err(if count == 0 { DeviceError::NoGpu } else { DeviceError::NoSuchGpu { ordinal, count } });
        };
        // SAFETY: as above.
        check("cuDeviceGet", unsafe { cuDeviceGet(&mut device, number) })?;
        // SAFETY: as above.
        let result = unsafe { cuDeviceGetAttribute(&mut pools, MEMORY_POOLS_SUPPORTED, device) };
        check("cuDeviceGetAttribute", result)?;
        if pools == 0 { Err(DeviceError::NoMemoryPools) } else { Ok(()) }
    }

    fn check(call: &'static str, code: i32) -> Result<(), DeviceError> {
        match code {
            0 => Ok(()),
            NO_DEVICE => Err(DeviceError::NoGpu),
            STUB_LIBRARY => Err(DeviceError::StandIn),
            code => Err(DeviceError::Driver { call, code }),
        }
    }
}
