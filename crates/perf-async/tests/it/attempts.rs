//! What goes on around an operation: attempts, fallbacks, progress.

mod fallback;
mod progress;
