//! Windows of measurements in memory, and a recorder of operations.

mod history;
pub mod json;
mod process;
pub mod prometheus;
mod recorder;
mod seconds;
mod signal;

pub use history::{History, HistoryConfig, HistoryStats, Kind, Points, Select, SeriesInfo, Span};
pub use process::ProcessMonitor;
pub use recorder::{
    Guard, Metrics, OperationHandle, Outcome, Overflow, RecordedEvent, Recorder, RecorderBuilder,
    Severity, TraceId,
};
pub use signal::{OwnedReading, OwnedSignal};
