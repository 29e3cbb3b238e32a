//! `Database` on a real PostgreSQL server.

use crate::postgres_server::Server;
use perf_bench::{Database, DatabaseBuilder, Synchronous};
use postgres::{Client, NoTls};
use std::ops::ControlFlow;
use std::time::Duration;

const TABLES: &str = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'perfkit%'";

fn small(url: &str) -> DatabaseBuilder {
    Database::postgres(url).rows(600).operations(200).batch(50)
}

#[test]
fn a_real_server_gives_right_answers_and_keeps_nothing() {
    let Some(server) = Server::start() else { return };
    server.psql("CREATE TABLE users (id int); INSERT INTO users SELECT generate_series(1, 100)");
    for (threads, synchronous) in [(1, Synchronous::Full), (4, Synchronous::Off)] {
        let builder = small(&server.url()).concurrency(threads).synchronous(synchronous);
        let report = builder.build().unwrap().run().unwrap();
        assert!(report.complete, "{report:?}");
        assert!(report.engine.starts_with("PostgreSQL "), "{}", report.engine);
        let asked = if threads == 1 { "on" } else { "off" };
        assert!(report.stated.contains(&("synchronous_commit".to_owned(), asked.to_owned())));
        assert!(report.steps.iter().all(|step| step.operations > 0), "{report:?}");
        let check = report.check.unwrap();
        assert_eq!((check.counted, check.read_back), (check.expected, check.expected));
    }
    assert_eq!(server.psql(TABLES), "0");
    assert_eq!(server.psql("SELECT sum(id) FROM users"), "5050");
}

#[test]
fn a_locked_table_is_counted_by_its_state_and_tried_again() {
    let Some(server) = Server::start() else { return };
    let database = small(&server.url())
        .busy_timeout(Duration::from_millis(20))
        .retries(1_000)
        .build()
        .unwrap();
    let mut other = Some(Client::connect(&server.url(), NoTls).unwrap());
    let mut calls = 0;
    let report = database
        .run_watched(&mut |_| {
            calls += 1;
            match &mut other {
                Some(client) if calls == 1 => {
                    let name = "SELECT tablename FROM pg_tables WHERE tablename LIKE 'perfkit%'";
                    let table: String = client.query_one(name, &[]).unwrap().get(0);
                    let lock = format!("BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE");
                    client.batch_execute(&lock).unwrap();
                }
                _ if calls == 4 => other = None, // closes it, which rolls back
                _ => {}
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(report.complete, "{report:?}");
    let locked: u64 = report.steps.iter().filter_map(|step| step.errors.get("55P03")).sum();
    assert!(locked > 0, "{report:?}");
    assert_eq!(server.psql(TABLES), "0");
}

#[test]
fn a_server_that_ends_half_way_leaves_what_was_measured() {
    let Some(mut server) = Server::start() else { return };
    let database = small(&server.url()).operations(20_000).build().unwrap();
    let report = database
        .run_watched(&mut |progress| {
            if progress.step == "insert_batch" || progress.number > 2 {
                server.stop();
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(!report.complete && report.check.is_none(), "{report:?}");
    assert!(report.step("insert_single").unwrap().operations > 0);
    assert_eq!(report.steps.iter().filter(|step| step.failure.is_some()).count(), 1);
    assert!(report.left_behind.unwrap().contains("could not be removed"));
}

#[test]
fn a_server_that_is_not_there_is_named_without_the_password() {
    let address = "postgres://ada:secret@127.0.0.1:1/shop?connect_timeout=2";
    let error = small(address).build().unwrap().run().unwrap_err().to_string();
    assert!(error.contains("database shop at 127.0.0.1:1"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    let error = small("postgres://ada:secret@host:port").build().unwrap().run().unwrap_err();
    assert!(error.is_setting() && !error.to_string().contains("secret"), "{error}");
}
