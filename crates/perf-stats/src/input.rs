//! What goes in is looked at once, here; the methods behind trust it.

use crate::StatsError;

/// Beyond this squares do not fit a floating-point number, and ratios neither.
const LARGEST: f64 = 1e150;

/// At least `need` values, all of them finite and such that sums of squares fit.
pub(crate) fn finite(values: &[f64], need: usize) -> Result<(), StatsError> {
    if values.len() < need {
        return Err(StatsError::TooFew { have: values.len(), need });
    }
    for (index, value) in values.iter().copied().enumerate() {
        if !value.is_finite() {
            return Err(StatsError::NotFinite { index, value });
        }
        if value.abs() > LARGEST {
            let allowed = "from -1e150 to 1e150";
            return Err(StatsError::OutOfRange { setting: "a value", value, allowed });
        }
    }
    Ok(())
}

/// At least `need` finite values above zero, such that ratios of them fit.
pub(crate) fn positive(values: &[f64], need: usize) -> Result<(), StatsError> {
    finite(values, need)?;
    for (index, value) in values.iter().copied().enumerate() {
        if value <= 0.0 {
            return Err(StatsError::NotPositive { index, value });
        }
        if value < 1.0 / LARGEST {
            let allowed = "from 1e-150 to 1e150 where a ratio is asked for";
            return Err(StatsError::OutOfRange { setting: "a value", value, allowed });
        }
    }
    Ok(())
}

/// The natural logarithms of at least `need` finite values above zero.
pub(crate) fn logarithms(values: &[f64], need: usize) -> Result<Vec<f64>, StatsError> {
    positive(values, need)?;
    Ok(values.iter().map(|v| v.ln()).collect())
}

/// Two rows that make pairs.
pub(crate) fn paired(first: &[f64], second: &[f64]) -> Result<(), StatsError> {
    if first.len() == second.len() {
        Ok(())
    } else {
        Err(StatsError::Unpaired { first: first.len(), second: second.len() })
    }
}

/// Sorted copy of finite values; `-0.0` becomes `0.0`, so that equal values are equal in order too.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().map(|v| v + 0.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}
