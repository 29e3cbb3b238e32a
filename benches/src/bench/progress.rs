//! A bar on standard error while something takes long, if somebody looks at it.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar with what is done, what it is at, and the time left. Gone when dropped.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for this activity.
    pub(super) fn new(activity: &str) -> Progress {
        let style = "{prefix} {bar:30} {pos}/{len}, {eta} left: {wide_msg}";
        let style = ProgressStyle::with_template(style).expect("the template is well formed");
        // On standard error, and hidden where that is no terminal.
        let bar = ProgressBar::new(0).with_style(style).with_prefix(activity.to_owned());
        Progress { bar }
    }

    /// Shows how far it is.
    pub(super) fn at(&self, done: u64, total: u64, what: &str) {
        self.bar.set_length(total);
        self.bar.set_message(what.to_owned());
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
