//! Recorded requests: access logs, lists of keys, and the formats in which the literature passes
//! its traces on.
//!
//! ```
//! use perf_bench::trace::{Access, AccessKey, TraceFormat, TraceReader};
//! use std::ops::ControlFlow;
//!
//! let log = br#"::1 - - [21/Nov/2026:15:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 512
//! ::1 - - [21/Nov/2026:15:00:01 +0000] "POST /a HTTP/1.1" 200 3
//! "#;
//! let mut keys = Vec::new();
//! let summary = TraceReader::new().read(&log[..], "access.log", |access| {
//!     if let Access { key: AccessKey::Text(path), size: Some(bytes), .. } = access {
//!         keys.push((path.to_vec(), bytes));
//!     }
//!     ControlFlow::Continue(())
//! })?;
//! assert_eq!(keys, [(b"/a?b=c".to_vec(), 512)]);
//! assert_eq!(summary.format, TraceFormat::AccessLog);
//! assert_eq!((summary.requests, summary.skipped, summary.malformed), (1, 1, 0));
//! # Ok::<(), perf_bench::trace::TraceError>(())
//! ```

mod access_log;
mod binary;
mod compressed;
mod detect;
mod error;
mod fields;
mod format;
mod json;
mod reader;
mod status;

pub use error::TraceError;
pub use format::TraceFormat;
pub use reader::{Access, AccessKey, Malformed, TraceReader, TraceSummary};
pub use status::{ParseStatusesError, Statuses};
