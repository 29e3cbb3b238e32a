//! Commands and settings that cannot work: an exit code and one message with value and remedy.

use crate::program::{perfkit, refusal, run, site, text};
use std::fs;
use std::net::TcpListener;

#[test]
fn bad_flags_are_usage_errors() {
    for (arguments, part) in [
        (&["serve", "--colour"][..], "--colour"),
        (&["serve", "--origin", ".", "--cache-memory", "12 parsecs"], "12 parsecs"),
        (&["serve", "--origin", ".", "--ttl", "soon"], "soon"),
        (&["serve", "--origin", ".", "--listen", "nowhere"], "nowhere"),
        (&["serve", "--origin", "https://example.org"], "http://"),
        (&["serve", "--origin", ".", "--token", "short"], "16"),
        (&["serve"], "--origin"),
        (&["demo", "--for", "1ms"], "500ms"),
        (&["demo", "--pages", "0"], "from 1 up"),
        (&["fly"], "fly"),
    ] {
        let message = refusal(arguments, 2);
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
}

#[test]
fn a_missing_folder_is_named() {
    let message = refusal(&["serve", "--origin", "/no/such/folder"], 1);
    assert!(message.contains("/no/such/folder") && message.contains("check"), "{message}");
    let message = refusal(&["demo", "--origin", "/no/such/folder"], 1);
    assert!(message.contains("/no/such/folder"), "{message}");
}

#[test]
fn an_occupied_port_is_named() {
    let folder = site(&[("index.html", b"x")]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let origin = text(folder.path());
    for flags in [
        ["--listen", &address, "--admin", "127.0.0.1:0"],
        ["--listen", "127.0.0.1:0", "--admin", &address],
    ] {
        let mut arguments = vec!["serve", "--origin", origin];
        arguments.extend(flags);
        let message = refusal(&arguments, 1);
        assert!(message.contains(&address) && message.contains("another"), "{message}");
    }
}

#[test]
fn a_public_dashboard_needs_a_token() {
    let folder = site(&[("index.html", b"x")]);
    let origin = text(folder.path());
    let flags = ["--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0"];
    let mut arguments = vec!["serve", "--origin", origin];
    arguments.extend(flags);
    let message = refusal(&arguments, 1);
    assert!(message.contains("token"), "{message}");
}

#[test]
fn a_broken_file_is_named_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("perfkit.toml");
    for (content, part) in [
        ("origin = '.'\ncolour = 'red'\n", "colour"),
        ("origin = '.'\nttl = \n", "line 2"),
        ("origin = '.'\nttl = 'soon'\n", "soon"),
    ] {
        fs::write(&file, content).unwrap();
        let message = refusal(&["serve", "--config", text(&file)], 2);
        assert!(message.contains(part) && message.contains("line 2"), "{message}");
        assert!(message.contains("perfkit.toml"), "{message}");
    }
    let message = refusal(&["serve", "--config", "/no/such.toml"], 2);
    assert!(message.contains("/no/such.toml"), "{message}");
}

#[test]
fn settings_come_from_flags_environment_and_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("perfkit.toml");
    fs::write(&file, "origin = './site'\nttl = '10s'\nname = 'edge'\ndrain = '3s'").unwrap();
    let output = perfkit(&["serve", "--config", text(&file), "--print-config", "--name", "shop"])
        .env("CACHE_DEFAULT_TTL_SECONDS", "60")
        .env("PERFKIT_CACHE_MEMORY", "64MiB")
        .output()
        .unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    for (setting, from) in [
        ("name = \"shop\"", "# flag"),
        ("cache-memory = \"64 MiB\"", "# environment"),
        ("ttl = \"60s\"", "# environment, CACHE_DEFAULT_TTL_SECONDS"),
        ("drain = \"3s\"", "# file"),
        ("concurrency = 256", "# default"),
    ] {
        let line = printed.lines().find(|line| line.starts_with(setting));
        let line = line.unwrap_or_else(|| panic!("no {setting} in {printed}"));
        assert!(line.ends_with(from), "{line}");
    }
}

#[test]
fn help_has_examples() {
    for command in ["serve", "demo", "run"] {
        let output = run(&[command, "--help"]);
        assert!(output.status.success());
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains("Examples:") && help.contains(&format!("perfkit {command}")));
    }
    assert!(run(&["--version"]).status.success());
}
