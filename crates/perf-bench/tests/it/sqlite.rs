//! `Database` on real SQLite files.

use perf_bench::report::{Block, Document};
use perf_bench::{
    Database, DatabaseBuilder, DatabaseProgress, DatabaseReport, Journal, Synchronous,
};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

fn small(path: &Path) -> DatabaseBuilder {
    Database::sqlite(path).rows(600).operations(200).batch(50).synchronous(Synchronous::Off)
}

fn run(builder: DatabaseBuilder) -> DatabaseReport {
    builder.build().unwrap().run().unwrap()
}

fn refusal(path: &Path) -> String {
    small(path).build().unwrap().run().unwrap_err().to_string()
}

fn operations(report: &DatabaseReport) -> Vec<(&str, u64)> {
    report.steps.iter().map(|step| (step.name.as_str(), step.operations)).collect()
}

#[test]
fn a_new_file_is_measured_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(small(&folder.path().join("new.db")));
    assert!(report.complete, "{report:?}");
    let expected = [
        ("insert_single", 200),
        ("insert_batch", 8),
        ("read_point", 200),
        ("read_range", 200),
        ("update", 200),
        ("mixed", 200),
        ("delete", 200),
    ];
    assert_eq!(operations(&report), expected);
    for step in &report.steps {
        let latency = step.latency.as_ref().unwrap();
        assert!(0 < latency.p50 && latency.p50 <= latency.p99 && latency.p99 <= latency.max);
        assert!(step.per_second > 0.0 && step.errors.is_empty());
    }
    let check = report.check.as_ref().unwrap();
    assert_eq!((check.counted, check.read_back), (check.expected, check.expected));
    assert!(report.stated.contains(&("journal".to_owned(), "wal".to_owned())), "{report:?}");
    assert!(report.stated.contains(&("synchronous".to_owned(), "off".to_owned())));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_same_seed_does_the_same_work() {
    let folder = tempfile::tempdir().unwrap();
    let mixed = |seed| {
        let report = run(small(&folder.path().join("new.db")).seed(seed));
        let parts = &report.step("mixed").unwrap().parts;
        parts.iter().map(|(kind, latency)| (kind.clone(), latency.count)).collect::<Vec<_>>()
    };
    assert_eq!(mixed(1), mixed(1));
    assert_ne!(mixed(1), mixed(2));
}

#[test]
fn many_connections_at_once_get_right_answers() {
    let folder = tempfile::tempdir().unwrap();
    for journal in [Journal::Wal, Journal::Delete] {
        let builder = small(&folder.path().join("new.db")).concurrency(4).journal(journal);
        let report = run(builder.busy_timeout(Duration::from_secs(30)));
        assert!(report.complete, "{report:?}");
        assert_eq!(report.step("mixed").unwrap().operations, 200);
    }
}

#[test]
fn a_busy_database_is_tried_again_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let database = small(&path).busy_timeout(Duration::ZERO).retries(1_000).build().unwrap();
    let mut other = None;
    let mut calls = 0;
    let report = database
        .run_watched(&mut |_| {
            calls += 1;
            if calls == 1 {
                let connection = Connection::open(&path).unwrap();
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                other = Some(connection);
            } else if calls == 4 {
                other = None; // closes it, which rolls back
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(report.complete, "{report:?}");
    let busy: u64 = report.steps.iter().filter_map(|step| step.errors.get("SQLITE_BUSY")).sum();
    let retries: u64 = report.steps.iter().map(|step| step.retries).sum();
    assert!(busy > 0 && busy == retries, "{report:?}");
    assert!(page(&report.document()).contains("SQLITE_BUSY"));
}

#[test]
fn a_database_that_stays_busy_fails_the_step_and_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.db");
    user_database(&path, "delete");
    let builder = small(&path).operations(5).busy_timeout(Duration::ZERO).retries(2);
    let (mut other, mut calls) = (None, 0);
    let report = builder
        .build()
        .unwrap()
        .run_watched(&mut |progress| {
            if progress.step == "update" {
                calls += 1;
            }
            if calls == 1 {
                let connection = Connection::open(&path).unwrap();
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                other = Some(connection);
            } else {
                other = None; // the step is over, and the table can be removed
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    // Whether the lock came in time for the first updates is a race; what was given up is not.
    let update = report.step("update").unwrap();
    assert_eq!(update.operations + update.given_up, 5, "{report:?}");
    if update.operations == 0 {
        assert!(update.failure.as_ref().unwrap().contains("busy"), "{report:?}");
        assert!(!report.complete);
    }
}

#[test]
fn the_tables_of_a_user_are_left_as_they_are() {
    for journal in ["delete", "wal"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        user_database(&path, journal);
        let before = Content::of(&path);
        let mut size = before.bytes.len();
        let other = if journal == "wal" { Journal::Delete } else { Journal::Wal };
        for builder in [small(&path), small(&path).concurrency(2).journal(other).rows(5_000)] {
            let report = run(builder);
            assert!(report.complete, "{report:?}");
            let after = Content::of(&path);
            let grown = after.bytes.len() > size;
            size = after.bytes.len();
            let said = report.notices.iter().any(|note| note.contains("free pages"));
            assert_eq!(said, grown, "{report:?}");
            assert_eq!(after.journal, journal);
            assert_eq!(after.dump, before.dump);
            for page in &before.used {
                assert_eq!(after.page(*page), before.page(*page), "page {page}");
            }
        }
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
    }
}

#[test]
fn a_file_that_was_there_is_written_as_surely_as_its_journal_needs() {
    let folder = tempfile::tempdir().unwrap();
    for (journal, asked, expected, warned) in [
        ("delete", None, "full", false),
        ("wal", None, "normal", false),
        ("delete", Some(Synchronous::Normal), "normal", true),
        ("wal", Some(Synchronous::Normal), "normal", false),
        ("wal", Some(Synchronous::Off), "off", true),
    ] {
        let path = folder.path().join(format!("{journal}-{asked:?}.db"));
        user_database(&path, journal);
        let mut builder = Database::sqlite(&path).rows(20).operations(5);
        if let Some(asked) = asked {
            builder = builder.synchronous(asked);
        }
        let report = run(builder);
        assert!(report.complete, "{report:?}");
        let stated = ("synchronous".to_owned(), expected.to_owned());
        assert!(report.stated.contains(&stated), "{report:?}");
        let said = report.notices.iter().any(|note| note.contains("power cut"));
        assert_eq!(said, warned, "{report:?}");
    }
}

#[test]
fn the_log_of_a_database_that_is_elsewhere_is_left_alone() {
    for suffix in ["-wal", "-shm", "-journal"] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join(format!("moved.db{suffix}"));
        fs::write(&log, "all that is left of it").unwrap();
        let said = refusal(&folder.path().join("moved.db"));
        assert!(said.contains(suffix) && said.contains("move it away"), "{said}");
        assert_eq!(fs::read_to_string(&log).unwrap(), "all that is left of it");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_table_left_by_a_killed_run_is_named_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.db");
    user_database(&path, "delete");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE perfkit_bench_1_2 (x)").unwrap();
    drop(connection);
    let report = run(small(&path));
    assert!(report.notices.iter().any(|note| note.contains("perfkit_bench_1_2")), "{report:?}");
    let connection = Connection::open(&path).unwrap();
    let left: i64 = connection
        .query_row("SELECT count(*) FROM perfkit_bench_1_2", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

#[test]
fn what_is_no_database_is_refused_by_name_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("notes.txt"), "SQLite is nice, but this is a text").unwrap();
    fs::write(path("empty"), "").unwrap();
    let torn = [b"SQLite format 3\0".as_slice(), &[7; 4_000]].concat();
    fs::write(path("torn.db"), &torn).unwrap();

    let said = refusal(&path("notes.txt"));
    assert!(said.contains("notes.txt is not an SQLite database"), "{said}");
    assert!(refusal(&path("empty")).contains("is empty, hence no SQLite database"));
    assert!(refusal(&path("torn.db")).contains("torn.db is not an SQLite database"));
    assert!(refusal(folder.path()).contains("is a folder"));
    assert!(refusal(&path("none/new.db")).contains("failed to make"));
    assert!(refusal(&path("notes.txt/new.db")).contains("failed to make"));
    assert!(refusal(Path::new(":memory:")).contains("name a file"));
    assert_eq!(fs::read(path("torn.db")).unwrap(), torn);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_is_refused_by_name() {
    // Even the administrator cannot read what stands at address 0.
    let said = refusal(Path::new("/proc/self/mem"));
    assert!(said.contains("failed to read /proc/self/mem"), "{said}");
}

#[test]
fn a_program_that_writes_meanwhile_is_not_disturbed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.db");
    user_database(&path, "wal");
    let builder = small(&path).busy_timeout(Duration::from_secs(30)).concurrency(2);
    let database = builder.build().unwrap();
    let mut written = 0;
    let connection = Connection::open(&path).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    let report = database
        .run_watched(&mut |_| {
            written += 1;
            connection.execute("INSERT INTO users (name) VALUES ('new')", []).unwrap();
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(report.complete, "{report:?}");
    let new: i64 = connection
        .query_row("SELECT count(*) FROM users WHERE name = 'new'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(new, written);
}

#[test]
fn a_failed_step_is_marked_and_the_others_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let database = small(&path).operations(300).build().unwrap();
    let report = interfere(&database, &path, "read_point", "DROP TABLE");
    assert!(!report.complete && report.check.is_none());
    assert_eq!(report.step("insert_single").unwrap().operations, 300);
    let failed = report.steps.iter().position(|step| step.failure.is_some()).unwrap();
    assert!(failed >= 2, "{report:?}");
    let failure = report.steps[failed].failure.as_ref().unwrap();
    assert!(failure.contains("SQLITE_ERROR: no such table"), "{failure}");
    for later in &report.steps[failed + 1..] {
        assert_eq!((later.operations, later.cut), (0, true));
    }
    assert!(!path.exists());
    let text = page(&report.document());
    assert!(text.contains("no such table") && text.contains("insert single"), "{text}");
}

#[test]
fn a_wrong_answer_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let database = small(&path).build().unwrap();
    let report = interfere(&database, &path, "read_point", "UPDATE TABLE SET value = x'00'");
    let failures: Vec<&String> =
        report.steps.iter().filter_map(|step| step.failure.as_ref()).collect();
    assert!(!report.complete && failures.len() == 1, "{report:?}");
    assert!(failures[0].starts_with("wrong answer"), "{failures:?}");
}

#[test]
fn rows_that_vanish_are_missed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    // A read of a missing row may be right while others delete, so only the end can tell.
    let database = small(&path).build().unwrap();
    let report = interfere(&database, &path, "delete", "INSERT INTO TABLE VALUES (5, 0, x'00')");
    assert!(!report.complete);
    let failure = report.check.unwrap().failure.unwrap();
    assert!(failure.contains("rows are there"), "{failure}");
}

#[test]
fn a_table_that_cannot_be_removed_is_told_and_the_journal_set_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.db");
    user_database(&path, "delete");
    let database = small(&path).journal(Journal::Wal).build().unwrap();
    // A row that is referred to cannot be dropped with its table.
    let sql = "create table notes (row REFERENCES TABLE (key));
               INSERT INTO notes SELECT key FROM TABLE LIMIT 1";
    let report = interfere_when(&database, &path, sql, |progress| {
        progress.step == "delete" && progress.done == progress.total
    });
    assert!(report.steps.iter().all(|step| step.failure.is_none()), "{report:?}");
    assert!(report.check.as_ref().unwrap().failure.is_none(), "{report:?}");
    let left = report.left_behind.as_ref().unwrap();
    assert!(left.contains("could not be removed: FOREIGN KEY") && !left.contains(';'), "{left}");
    assert!(!report.complete);
    assert!(page(&report.document()).contains(left));
    assert_eq!(Content::of(&path).journal, "delete");
}

#[test]
fn a_run_that_is_stopped_cleans_up_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let database = small(&path).rows(2_000_000).build().unwrap();
    let report = database
        .run_watched(&mut |progress| match progress.step {
            "insert_batch" if progress.done > 0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .unwrap();
    assert!(report.stopped && !report.complete);
    assert_eq!(report.step("insert_single").unwrap().operations, 200);
    assert!(report.step("insert_batch").unwrap().operations > 0);
    assert_eq!(report.step("read_point").unwrap().operations, 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_step_ends_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let builder = small(&path).rows(10_000_000).operations(100).value_size(50);
    let report = run(builder.step_limit(Duration::from_millis(300)));
    let batch = report.step("insert_batch").unwrap();
    assert!(batch.cut && batch.rows > 0 && batch.rows < 10_000_000, "{batch:?}");
    assert!(report.complete, "{report:?}");
}

#[test]
fn the_report_survives_its_json() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(small(&folder.path().join("new.db")));
    let json = serde_json::to_string(&report).unwrap();
    // Not the report itself: the last bit of a rate is lost in text.
    let read: DatabaseReport = serde_json::from_str(&json).unwrap();
    assert_eq!(read.document(), report.document());
}

/// Runs, and does something to the table when a step begins.
fn interfere(database: &Database, path: &Path, step: &str, sql: &str) -> DatabaseReport {
    interfere_when(database, path, sql, |progress| progress.step == step)
}

fn interfere_when(
    database: &Database,
    path: &Path,
    sql: &str,
    when: impl Fn(&DatabaseProgress) -> bool,
) -> DatabaseReport {
    let mut done = false;
    database
        .run_watched(&mut |progress| {
            if !done && when(progress) {
                done = true;
                let connection = Connection::open(path).unwrap();
                connection.busy_timeout(Duration::from_secs(30)).unwrap();
                let table: String = connection
                    .query_row(
                        "SELECT name FROM sqlite_master WHERE name LIKE 'perfkit%'",
                        [],
                        |row| row.get(0),
                    )
                    .unwrap();
                let sql = match sql {
                    "DROP TABLE" => format!("DROP TABLE {table}"),
                    sql => sql.replace("TABLE", &table),
                };
                connection.execute_batch(&sql).unwrap();
            }
            ControlFlow::Continue(())
        })
        .unwrap()
}

fn user_database(path: &Path, journal: &str) {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", journal).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, photo BLOB);
             CREATE INDEX by_name ON users (name);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
             INSERT INTO users SELECT i, 'user ' || i, randomblob(i * 7 % 3000) FROM n;
             DELETE FROM users WHERE id % 5 = 0;",
        )
        .unwrap();
}

/// All that is in a file.
struct Content {
    bytes: Vec<u8>,
    page_size: usize,
    journal: String,
    dump: String,
    /// Pages of the user's tables and indexes. Page 1 holds counters that every write moves.
    used: BTreeSet<usize>,
}

impl Content {
    fn of(path: &Path) -> Content {
        let connection = Connection::open(path).unwrap();
        let journal = connection.pragma_query_value(None, "journal_mode", |row| row.get(0));
        let page_size: i64 =
            connection.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
        let mut dump = String::new();
        for sql in ["SELECT type, name, sql FROM sqlite_master", "SELECT * FROM users"] {
            let mut statement = connection.prepare(sql).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                for column in 0..columns {
                    dump.push_str(&format!("{:?} ", row.get_ref(column).unwrap()));
                }
                dump.push('\n');
            }
        }
        let pages: i64 =
            connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        drop(connection);
        let bytes = fs::read(path).unwrap();
        let page_size = usize::try_from(page_size).unwrap();
        let mut used: BTreeSet<usize> = (2..=usize::try_from(pages).unwrap()).collect();
        // The list of free pages: trunk pages, each with the next trunk, a count and its leaves.
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let mut trunk = number(32);
        while trunk != 0 {
            used.remove(&trunk);
            let at = (trunk - 1) * page_size;
            for leaf in 0..number(at + 4) {
                used.remove(&number(at + 8 + 4 * leaf));
            }
            trunk = number(at);
        }
        Content { page_size, journal: journal.unwrap(), dump, used, bytes }
    }

    fn page(&self, number: usize) -> &[u8] {
        &self.bytes[(number - 1) * self.page_size..number * self.page_size]
    }
}

/// All words of a report.
fn page(document: &Document) -> String {
    let mut text = document.title.clone();
    for block in document.sections.iter().flat_map(|section| &section.blocks) {
        match block {
            Block::Text(more) | Block::Notice(_, more) => text.push_str(more),
            Block::Table(table) => {
                for (cell, _) in table.rows.iter().flatten() {
                    text.push_str(cell);
                    text.push('\n');
                }
            }
            _ => {}
        }
    }
    text
}
