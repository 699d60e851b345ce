use dfdx::prelude::{Axis, Device, Dim, MaxTo, NoneTape, Tensor};

/// The largest absolute value of every row, at least `least`, in dfdx's own operations. A constant: what is divided by it on the way to a result
/// that does not depend on it is in the range of f32 however large it was.
pub(crate) fn largest_of_rows<B: Dim, E: Dim, D: Device<f32>, T>(
    x: &Tensor<(B, E), f32, D, T>,
    least: f32,
) -> Result<Tensor<(B,), f32, D>, D::Err> {
    x.retaped::<NoneTape>().try_abs()?.try_max::<(B,), Axis<1>>()?.try_clamp(least, f32::MAX)
}
