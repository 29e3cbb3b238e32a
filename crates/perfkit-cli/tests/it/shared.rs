//! Two gateways that share one cache: two processes and a Redis.

use crate::disk::{ask, origin, post};
use crate::program::{PATIENCE, Serving, refusal, run};
use crate::redis_server::Server;
use crate::wire::{Answer, Origin, send};
use std::time::Instant;

fn serve(origin: &Origin, redis: &Server, more: &[&str]) -> Serving {
    let url = redis.url();
    let mut all = vec!["--cache-redis", &url, "--cache-redis-deadline", "2s"];
    all.extend(["--token", "a-token-of-enough-letters"]);
    all.extend(more);
    Serving::start(&origin.url(), &all)
}

/// How many answers are on the server.
const COUNT: &str = "return #redis.call('KEYS', '*site.test/*')";

fn until(serving: &Serving, path: &str, is_so: impl Fn(&Answer) -> bool) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask(serving, path);
        if is_so(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{path}: {answer:?}");
    }
}

fn is_hit(answer: &Answer) -> bool {
    answer.header("cache-status").starts_with("perfkit; hit")
}

#[test]
fn two_processes_answer_what_one_has_fetched_and_neither_what_one_has_ended() {
    let Some(redis) = Server::start() else { return };
    let origin = origin();
    let (one, other) = (serve(&origin, &redis, &[]), serve(&origin, &redis, &[]));
    let paths = ["/by-key", "/by-tag", "/by-pattern", "/by-method", "/kept"];
    for path in paths {
        assert!(ask(&one, path).header("cache-status").contains("stored"));
    }
    // They are handed over soon after the answers.
    let deadline = Instant::now() + PATIENCE;
    while redis.number(&["EVAL", COUNT, "0"]) < paths.len() as i64 {
        assert!(Instant::now() < deadline, "nothing is shared");
    }
    for path in paths {
        let answer = ask(&other, path);
        assert!(answer.header("cache-status").ends_with("detail=remote"), "{answer:?}");
        assert!(answer.text().starts_with(path), "{answer:?}");
    }
    assert_eq!(origin.asked(), paths.len());

    let ends = [
        r#"{"key": "site.test/by-key"}"#,
        r#"{"tag": "by-tag"}"#,
        r#"{"pattern": "site.test/by-p*"}"#,
    ];
    for end in ends {
        let answer = post(&one, end);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let delete = "DELETE /by-method HTTP/1.1\r\nhost: site.test\r\nconnection: close\r\n\r\n";
    assert_eq!(send(one.address, delete.as_bytes()).status, 200);
    for path in &paths[..4] {
        until(&other, path, |answer| !is_hit(answer));
    }
    assert!(is_hit(&ask(&other, "/kept")));
    // One of another name of the origin has nothing to do with them.
    let stranger = serve(&origin, &redis, &["--keep-host"]);
    assert!(!is_hit(&ask(&stranger, "/kept")));
    // What they have is there for the next process.
    for serving in [one, other] {
        serving.signal("TERM");
        let (status, said) = serving.end();
        assert!(status.success() && !said.contains("could not"), "{said}");
    }
    let next = serve(&origin, &redis, &[]);
    assert!(ask(&next, "/kept").header("cache-status").ends_with("detail=remote"));
}

#[test]
fn a_password_is_used_and_never_said() {
    let secret = "a-secret/of:some@kind";
    let Some(redis) = Server::start_with(|_| vec!["--requirepass".to_owned(), secret.to_owned()])
    else {
        return;
    };
    let origin = origin();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, secret).unwrap();
    let with = ["--cache-redis-password-file", crate::program::text(&file)];
    let (one, other) = (serve(&origin, &redis, &with), serve(&origin, &redis, &with));
    ask(&one, "/a");
    until(&other, "/a", is_hit);
    one.signal("TERM");
    let (_, said) = one.end();
    assert!(said.contains("cache shared over redis://127.0.0.1"), "{said}");
    assert!(!said.contains("secret"), "{said}");
    let url = format!("redis://:{}@h", "wrong-secret");
    let shown = run(&["serve", "--origin", ".", "--cache-redis", &url, "--print-config"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("redis://:***@h") && !shown.contains("secret"), "{shown}");
}

#[test]
fn a_gateway_starts_and_serves_without_its_server() {
    let origin = origin();
    let port = crate::redis_server::free_port();
    let url = format!("redis://127.0.0.1:{port}");
    let serving = Serving::start(&origin.url(), &["--cache-redis", &url]);
    assert!(ask(&serving, "/a").header("cache-status").contains("fwd=miss; stored"));
    assert!(is_hit(&ask(&serving, "/a")));
    let said = refusal(&["serve", "--origin", ".", "--cache-redis", "memcached://h"], 2);
    assert!(said.contains("redis://"), "{said}");
}
