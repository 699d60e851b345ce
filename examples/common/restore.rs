//! Parameters into models.

use coembed::blocks::Parameters;
use coembed::ops::OpsDevice;
use coembed::train::{StateDict, load};
use miette::{IntoDiagnostic, Result, bail};

/// Loads parameters into a model that they must fit in every entry.
pub fn load_all<D: OpsDevice>(model: &mut impl Parameters<D>, parameters: &StateDict) -> Result<()> {
    let report = load(model, parameters).into_diagnostic()?;
    if !report.is_complete() {
        bail!("the checkpoint does not fit the model: {report}");
    }
    Ok(())
}
