//! What the cache on disk keeps and what it never has: looked for in its files and asked of the next
//! process.

use crate::disk::{ask, ask_with, kill, post, serve, wait_until_written};
use crate::program::{refusal, text};
use crate::wire::{Origin, send};
use std::fs;
use std::io::Write;
use std::path::Path;
use tempfile::TempDir;

/// What an origin says of an answer that is for one client, by path.
const PRIVATE: [(&str, &str); 7] = [
    ("/private", "cache-control: private, max-age=600"),
    ("/no-store", "cache-control: no-store"),
    ("/set-cookie", "cache-control: max-age=600\r\nset-cookie: id=SECRET"),
    ("/vary-all", "cache-control: max-age=600\r\nvary: *"),
    ("/authorized", "cache-control: max-age=600"),
    ("/assumed", "x-none: none"),
    ("/partial", "cache-control: max-age=600"),
];

/// An origin with secrets, and some answers for everybody.
fn origin() -> Origin {
    Origin::start(|request, mut stream| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let fields = PRIVATE.iter().find(|(private, _)| *private == path);
        let (fields, word) = match fields {
            Some((_, fields)) => (*fields, "SECRET"),
            None => ("cache-control: public, max-age=600\r\nvary: cookie, authorization", "SHARED"),
        };
        let status = if path == "/partial" { "206 Partial Content" } else { "200 OK" };
        let body = format!("{word} {path}");
        let head = format!(
            "HTTP/1.1 {status}\r\n{fields}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
    })
}

/// Whether a word stands in any file below a folder.
fn is_written(folder: &Path, word: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|file| {
        let path = file.unwrap().path();
        match path.is_dir() {
            true => is_written(&path, word),
            false => {
                let bytes = fs::read(&path).unwrap();
                bytes.windows(word.len()).any(|part| part == word.as_bytes())
            }
        }
    })
}

#[test]
fn what_is_for_one_client_never_reaches_the_disk() {
    let (folder, origin) = (TempDir::new().unwrap(), origin());
    let secrets = [("authorization", "Bearer SECRET"), ("cookie", "session=SECRET")];
    let serving = serve(&origin, &folder, &[]);
    for (path, _) in PRIVATE {
        let answer = ask_with(&serving, path, &secrets);
        assert!(answer.text().contains("SECRET"), "{answer:?}");
        assert!(!answer.header("cache-status").contains("stored"), "{path}: {answer:?}");
    }
    let answer = ask_with(&serving, "/shared", &secrets);
    assert!(answer.header("cache-status").contains("stored"), "{answer:?}");
    serving.signal("TERM");
    assert!(serving.end().0.success());
    assert!(is_written(folder.path(), "SHARED"), "else nothing would be shown");
    assert!(!is_written(folder.path(), "SECRET"));

    let serving = serve(&origin, &folder, &[]);
    let asked = origin.asked();
    for (path, _) in PRIVATE {
        assert!(ask(&serving, path).text().contains("SECRET"));
    }
    assert_eq!(origin.asked(), asked + PRIVATE.len(), "each comes from the origin");
    // Who says the same gets the answer, and nobody else.
    for others in [&[secrets[0]][..], &[secrets[1]], &[("cookie", "session=OTHER"), secrets[0]]] {
        let answer = ask_with(&serving, "/shared", others);
        assert!(answer.header("cache-status").contains("fwd=vary-miss"), "{answer:?}");
    }
    let answer = ask_with(&serving, "/shared", &secrets);
    assert!(answer.header("cache-status").contains("hit"), "{answer:?}");
}

#[test]
fn whatever_ends_an_answer_ends_it_for_the_next_process() {
    let (folder, origin) = (TempDir::new().unwrap(), crate::disk::origin());
    let paths = ["/by-key", "/by-tag", "/by-pattern", "/by-method", "/kept"];
    let serving = serve(&origin, &folder, &[]);
    for path in paths {
        assert!(ask(&serving, path).header("cache-status").contains("stored"));
    }
    wait_until_written(&folder, paths.len());
    kill(serving);
    // A process that has none of it in memory ends it, and is killed at once.
    let serving = serve(&origin, &folder, &[]);
    let ends = [
        r#"{"key": "site.test/by-key"}"#,
        r#"{"tag": "by-tag"}"#,
        r#"{"pattern": "site.test/by-p*"}"#,
    ];
    for end in ends {
        let answer = post(&serving, end);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains("only beyond memory is not counted"), "{}", answer.text());
    }
    let delete = "DELETE /by-method HTTP/1.1\r\nhost: site.test\r\nconnection: close\r\n\r\n";
    assert_eq!(send(serving.address, delete.as_bytes()).status, 200);
    kill(serving);

    let serving = serve(&origin, &folder, &[]);
    for path in &paths[..4] {
        let answer = ask(&serving, path);
        assert!(answer.header("cache-status").contains("fwd=miss"), "{path}: {answer:?}");
    }
    assert!(ask(&serving, "/kept").header("cache-status").contains("detail=disk"));
}

#[test]
fn the_answers_of_one_origin_are_not_those_of_another() {
    let folder = TempDir::new().unwrap();
    let (old, new) = (crate::disk::origin(), origin());
    let serving = serve(&old, &folder, &[]);
    ask(&serving, "/a");
    ask(&serving, "/b");
    serving.signal("TERM");
    assert!(serving.end().0.success());

    let serving = serve(&new, &folder, &[]);
    assert_eq!(ask(&serving, "/a").text(), "SHARED /a");
    kill(serving);
    let serving = serve(&old, &folder, &["--keep-host"]);
    assert!(ask(&serving, "/b").header("cache-status").contains("fwd=miss"));
    kill(serving);
}

#[test]
fn a_directory_of_another_store_is_refused() {
    let (folder, origin) = (TempDir::new().unwrap(), crate::disk::origin());
    let stores = ["log", "sqlite"];
    for (kind, other) in [(stores[0], stores[1]), (stores[1], stores[0])] {
        let at = folder.path().join(kind);
        let dir = text(&at);
        let serve_in = |store: &str| {
            let free = "127.0.0.1:0";
            let url = origin.url();
            let all = ["serve", "--origin", &url, "--listen", free, "--admin", free];
            let disk = ["--cache-disk", dir, "--cache-disk-store", store];
            refusal(&[&all[..], &disk].concat(), 2)
        };
        let serving = crate::program::Serving::start(
            &origin.url(),
            &["--cache-disk", dir, "--cache-disk-store", kind],
        );
        ask(&serving, "/a");
        serving.signal("TERM");
        assert!(serving.end().0.success());
        let said = serve_in(other);
        assert!(
            said.contains(dir) && said.contains(&format!("--cache-disk-store {kind}")),
            "{said}"
        );
        #[cfg(unix)]
        {
            let mode =
                std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&at).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o700, "it is for this user alone");
        }
    }
}
