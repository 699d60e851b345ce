use crate::device::DeviceError;
use crate::ops::OpsDevice;

/// Something to do on a device that is known only at run time.
pub trait Job {
    /// What it gives.
    type Output;

    /// Does it.
    fn run<D: OpsDevice>(self, device: D) -> Self::Output;
}

/// Does a job on the GPU or the CPU; where that is not said, on the GPU if the library was built for one.
///
/// # Errors
/// [`DeviceError`] names what is missing for the GPU.
pub fn on_device<J: Job>(gpu: Option<bool>, job: J) -> Result<J::Output, DeviceError> {
    match gpu.unwrap_or(cfg!(feature = "cuda")) {
        false => Ok(job.run(dfdx::prelude::Cpu::open()?)),
        #[cfg(feature = "cuda")]
        true => Ok(job.run(dfdx::prelude::Cuda::open()?)),
        #[cfg(not(feature = "cuda"))]
        true => Err(DeviceError::NotBuilt),
    }
}
