//! PostgreSQL.

use super::content::Row;
use super::engine::{Engine, Fault, Left, Session, table_name};
use super::{DatabaseError, DatabaseSettings, Synchronous};
use postgres::config::Host;
use postgres::{Client, Config, NoTls, Statement};
use std::time::Duration;

/// How long a connection may take, unless the address says so.
const CONNECT: Duration = Duration::from_secs(10);

/// A database with the table of this run.
#[derive(Debug)]
pub(super) struct Postgres {
    config: Config,
    place: String,
    version: String,
    table: String,
    /// What each connection sets.
    set: String,
    stated: Vec<(String, String)>,
}

impl Postgres {
    pub(super) fn open(
        address: &str,
        settings: &DatabaseSettings,
    ) -> Result<Postgres, DatabaseError> {
        let mut config: Config = address.parse().map_err(|error| {
            // The address itself may hold a password and stays unsaid.
            DatabaseError::setting(format!(
                "the address is none of PostgreSQL, such as postgres://user@host:5432/name: {}",
                whole(&error)
            ))
        })?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("perfkit");
        }
        let synchronous = match settings.synchronous {
            None => "",
            Some(Synchronous::Off) => "SET synchronous_commit = off;",
            Some(Synchronous::Normal | Synchronous::Full) => "SET synchronous_commit = on;",
        };
        let set = format!(
            "{synchronous} SET lock_timeout = {}; SET statement_timeout = {};",
            settings.busy_timeout.as_millis(),
            settings.step_limit.as_millis() + 60_000,
        );
        let mut database = Postgres {
            place: place(&config),
            config,
            version: String::new(),
            table: table_name(),
            set,
            stated: Vec::new(),
        };
        database.prepare().map_err(|error| {
            DatabaseError::new(format!("failed to prepare {}: {}", database.place, whole(&error)))
        })?;
        Ok(database)
    }

    fn prepare(&mut self) -> Result<(), postgres::Error> {
        let mut client = self.connect()?;
        let mut show = |name: &str| -> Result<String, postgres::Error> {
            client.query_one(&format!("SHOW {name}"), &[])?.try_get(0)
        };
        self.version = show("server_version")?;
        for name in ["synchronous_commit", "fsync", "shared_buffers", "wal_sync_method"] {
            self.stated.push((name.to_owned(), show(name)?));
        }
        self.stated.push(("lock timeout".to_owned(), show("lock_timeout")?));
        self.stated.push(("batch".to_owned(), "one INSERT of arrays by unnest".to_owned()));
        client.batch_execute(&format!(
            "CREATE TABLE {} (key bigint PRIMARY KEY, version integer NOT NULL, \
             value bytea NOT NULL)",
            self.table
        ))
    }

    fn connect(&self) -> Result<Client, postgres::Error> {
        let mut client = self.config.connect(NoTls)?;
        client.batch_execute(&self.set)?;
        Ok(client)
    }
}

impl Engine for Postgres {
    fn name(&self) -> String {
        format!("PostgreSQL {}", self.version)
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn stated(&self) -> Vec<(String, String)> {
        self.stated.clone()
    }

    fn with_session(&self, work: &mut dyn FnMut(&mut dyn Session)) -> Result<(), Fault> {
        let mut client = self.connect()?;
        let table = &self.table;
        let mut session = PostgresSession {
            insert: client.prepare(&format!("INSERT INTO {table} VALUES ($1, $2, $3)"))?,
            batch: client.prepare(&format!(
                "INSERT INTO {table} SELECT * FROM unnest($1::bigint[], $2::integer[], $3::bytea[])"
            ))?,
            read: client.prepare(&format!("SELECT version, value FROM {table} WHERE key = $1"))?,
            range: client.prepare(&format!(
                "SELECT key, version, value FROM {table} WHERE key >= $1 ORDER BY key LIMIT $2"
            ))?,
            update: client
                .prepare(&format!("UPDATE {table} SET version = $2, value = $3 WHERE key = $1"))?,
            delete: client.prepare(&format!("DELETE FROM {table} WHERE key = $1"))?,
            count: client.prepare(&format!("SELECT count(*) FROM {table}"))?,
            client,
        };
        work(&mut session);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Left {
        let dropped = self.connect().and_then(|mut client| {
            client.batch_execute(&format!(
                "SET lock_timeout = 30000; DROP TABLE IF EXISTS {}",
                self.table
            ))
        });
        let behind = dropped.err().map(|error| {
            format!("the table `{}` could not be removed: {}", self.table, whole(&error))
        });
        Left { behind, notices: Vec::new() }
    }
}

struct PostgresSession {
    client: Client,
    insert: Statement,
    batch: Statement,
    read: Statement,
    range: Statement,
    update: Statement,
    delete: Statement,
    count: Statement,
}

impl Session for PostgresSession {
    fn insert(&mut self, rows: &[Row]) -> Result<(), Fault> {
        if let [row] = rows {
            self.client.execute(&self.insert, &[&row.key, &row.version, &row.value])?;
            return Ok(());
        }
        let keys: Vec<i64> = rows.iter().map(|row| row.key).collect();
        let versions: Vec<i32> = rows.iter().map(|row| row.version).collect();
        let values: Vec<&[u8]> = rows.iter().map(|row| row.value.as_slice()).collect();
        self.client.execute(&self.batch, &[&keys, &versions, &values])?;
        Ok(())
    }

    fn read(&mut self, key: i64, out: &mut Row) -> Result<bool, Fault> {
        let Some(row) = self.client.query_opt(&self.read, &[&key])? else { return Ok(false) };
        out.key = key;
        out.version = row.try_get(0)?;
        take(&row, 1, &mut out.value)?;
        Ok(true)
    }

    fn range(&mut self, from: i64, most: usize, out: &mut Vec<Row>) -> Result<(), Fault> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = self.client.query(&self.range, &[&from, &most])?;
        out.resize_with(rows.len(), Row::default);
        for (row, out) in rows.iter().zip(out) {
            out.key = row.try_get(0)?;
            out.version = row.try_get(1)?;
            take(row, 2, &mut out.value)?;
        }
        Ok(())
    }

    fn update(&mut self, row: &Row) -> Result<u64, Fault> {
        Ok(self.client.execute(&self.update, &[&row.key, &row.version, &row.value])?)
    }

    fn delete(&mut self, key: i64) -> Result<u64, Fault> {
        Ok(self.client.execute(&self.delete, &[&key])?)
    }

    fn count(&mut self) -> Result<u64, Fault> {
        let count: i64 = self.client.query_one(&self.count, &[])?.try_get(0)?;
        Ok(count.unsigned_abs())
    }
}

fn take(row: &postgres::Row, column: usize, out: &mut Vec<u8>) -> Result<(), postgres::Error> {
    let value: &[u8] = row.try_get(column)?;
    out.clear();
    out.extend_from_slice(value);
    Ok(())
}

impl From<postgres::Error> for Fault {
    fn from(error: postgres::Error) -> Fault {
        let kind = error.code().map_or("connection", |state| state.code()).to_owned();
        // Serialization failure, deadlock, lock not available.
        let passes = matches!(kind.as_str(), "40001" | "40P01" | "55P03");
        Fault { kind, message: whole(&error), passes }
    }
}

/// An error with its causes: the driver's own words say only what it was doing.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Where a server is, without user and password.
fn place(config: &Config) -> String {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => format!("{name}:{port}"),
        #[cfg(unix)]
        Some(Host::Unix(path)) => format!("{}, port {port}", path.display()),
        None => format!("port {port}"),
    };
    let name = config.get_dbname().or_else(|| config.get_user()).unwrap_or("?");
    format!("database {name} at {host}")
}
