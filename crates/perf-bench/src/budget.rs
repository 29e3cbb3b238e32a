//! Budgets: what routes, operations, bundles, memory and start-up may cost at most.
//!
//! `perf-budget.toml` holds the limits, [`Measured`] what was found, and [`Budget::check`] a row for
//! each limit with the room that remains. A limit for which nothing was measured is never green: its
//! row says so, and the whole is inconclusive.
//!
//! ```
//! use perf_bench::Outcome;
//! use perf_bench::budget::{Budget, BudgetVerdict, Figure, Measured};
//! use std::time::Duration;
//!
//! let budget = Budget::read(
//!     r#"
//!     [[route]]
//!     route = "GET /docs/*"     # a glob over the names that were measured
//!     p95 = "100ms"             # also p50, p99, first-byte
//!     errors = "1%"
//!     response = "60KB"
//!
//!     [[operation]]
//!     operation = "cache/get"
//!     time = "1ms"
//!
//!     [[bundle]]
//!     bundle = "dashboard page"
//!     file = "dist/page.html"   # may be left out where the measurer knows it by name
//!     brotli = "60KB"           # also raw
//!
//!     [memory]
//!     resident = "100MiB"
//!
//!     [start-up]
//!     time = "200ms"
//!     "#,
//! )?;
//! let measured = Measured::new()
//!     .route("GET /docs/a.html", Figure::P95, 62e6)
//!     .start_up(Duration::from_millis(250));
//! let report = budget.check(&measured);
//! assert_eq!(report.rows[0].what, "start-up time");
//! assert_eq!(report.rows[0].verdict, BudgetVerdict::Broken);
//! assert_eq!(report.outcome(), Outcome::Regression);
//! # Ok::<(), perf_bench::budget::BudgetError>(())
//! ```

mod check;
mod limit;
mod read;
mod report;

pub use check::{BudgetReport, BudgetRow, BudgetVerdict, Measured};
pub use limit::{Figure, Kind, Limit};
pub use read::BudgetError;

use std::path::Path;

/// The limits of a project.
#[derive(Clone, Debug)]
pub struct Budget {
    limits: Vec<Limit>,
}

impl Budget {
    /// Reads the text of a `perf-budget.toml`.
    ///
    /// # Errors
    ///
    /// [`BudgetError`] with line, key and value, if the text is no TOML, a key is not known, a
    /// value has no unit or is out of range, one thing is limited twice, or nothing is limited.
    pub fn read(text: &str) -> Result<Budget, BudgetError> {
        read::read(text).map(|limits| Budget { limits })
    }

    /// Reads a file of at most 1 MiB.
    ///
    /// # Errors
    ///
    /// As [`Budget::read`], with the name of the file; or it cannot be read or is larger.
    pub fn load(file: &Path) -> Result<Budget, BudgetError> {
        read::load(file).map(|limits| Budget { limits })
    }

    /// The limits in the order of the file.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// The limits on one kind of thing alone.
    #[must_use]
    pub fn only(&self, kind: Kind) -> Budget {
        Budget {
            limits: self.limits.iter().filter(|limit| limit.kind() == kind).cloned().collect(),
        }
    }

    /// Holds what was measured against the limits: one row for each limit, worst first.
    ///
    /// Where several names match a limit, the one with the least room stands in its row.
    #[must_use]
    pub fn check(&self, measured: &Measured) -> BudgetReport {
        check::check(&self.limits, measured)
    }
}
