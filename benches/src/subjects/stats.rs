//! The statistics that judge all the others.

use super::CoreBench;

pub(super) fn benches() -> Vec<CoreBench> {
    Vec::new()
}
