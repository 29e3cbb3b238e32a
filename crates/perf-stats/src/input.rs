//! What goes in is looked at once, here; the methods behind trust it.

use crate::StatsError;

/// At least `need` values, all of them finite.
pub(crate) fn finite(values: &[f64], need: usize) -> Result<(), StatsError> {
    if values.len() < need {
        return Err(StatsError::TooFew { have: values.len(), need });
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(StatsError::NotFinite { index, value: values[index] }),
        None => Ok(()),
    }
}

/// At least `need` finite values above zero.
pub(crate) fn positive(values: &[f64], need: usize) -> Result<(), StatsError> {
    finite(values, need)?;
    match values.iter().position(|v| *v <= 0.0) {
        Some(index) => Err(StatsError::NotPositive { index, value: values[index] }),
        None => Ok(()),
    }
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
