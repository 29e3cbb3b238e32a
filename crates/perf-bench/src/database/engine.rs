//! The seam: what a database must be able to do to be measured.

use super::content::Row;

/// A database with the table of this run.
pub(super) trait Engine: Sync {
    /// Name and version.
    fn name(&self) -> String;

    /// Where it is, without a password.
    fn place(&self) -> String;

    /// Settings that the figures depend on, as the database itself states them.
    fn stated(&self) -> Vec<(String, String)>;

    /// Opens a connection, does the work on it, and closes it.
    fn with_session(&self, work: &mut dyn FnMut(&mut dyn Session)) -> Result<(), Fault>;

    /// Removes the table, and whatever else was made for the run, and sets back what was changed.
    fn finish(self: Box<Self>) -> Left;
}

/// What stays of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// What could not be removed or set back, if anything.
    pub(super) behind: Option<String>,
    /// What else the user should know.
    pub(super) notices: Vec<String>,
}

/// One connection.
pub(super) trait Session {
    /// Inserts the rows in one transaction.
    fn insert(&mut self, rows: &[Row]) -> Result<(), Fault>;

    /// Reads the row with this key into `out`; `false` if there is none.
    fn read(&mut self, key: i64, out: &mut Row) -> Result<bool, Fault>;

    /// Reads up to `most` rows from this key on, in order of their keys.
    fn range(&mut self, from: i64, most: usize, out: &mut Vec<Row>) -> Result<(), Fault>;

    /// Updates the row with the key of `row`, and answers how many there were.
    fn update(&mut self, row: &Row) -> Result<u64, Fault>;

    /// Deletes the row with this key, and answers how many there were.
    fn delete(&mut self, key: i64) -> Result<u64, Fault>;

    /// Counts all rows.
    fn count(&mut self) -> Result<u64, Fault>;
}

/// What a database answered instead.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// The database's own name for it, such as `SQLITE_BUSY` or `40001`.
    pub(super) kind: String,
    /// Its words.
    pub(super) message: String,
    /// Whether the same operation may well succeed a moment later, and has left nothing behind.
    pub(super) passes: bool,
}

impl Fault {
    /// An answer that is not the right one.
    pub(super) fn wrong(message: impl Into<String>) -> Fault {
        Fault { kind: "wrong answer".to_owned(), message: message.into(), passes: false }
    }
}

/// The name of the table of this run: no other run takes it.
pub(super) fn table_name() -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos());
    format!("{TABLE_PREFIX}{}_{:x}", std::process::id(), now & 0xff_ffff_ffff)
}

/// What the names of all our tables begin with.
pub(super) const TABLE_PREFIX: &str = "perfkit_bench_";
