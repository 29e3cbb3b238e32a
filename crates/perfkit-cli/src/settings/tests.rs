use super::*;
use crate::arguments::{Arguments, Command};
use clap::{CommandFactory, FromArgMatches};

fn gather(flags: &[&str], file: &str, known: &[(&str, &str)]) -> Result<Settings, Failure> {
    let command = Arguments::command();
    let line = ["perfkit", "serve"].iter().chain(flags);
    let matches = command.try_get_matches_from(line).unwrap();
    let Command::Serve(given) = Arguments::from_arg_matches(&matches).unwrap().command else {
        panic!("another command");
    };
    let known = KnownNames::from_environment(|name| {
        known.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    })?;
    let file = toml::from_str(file).map_err(|e| Failure::usage(e.to_string()))?;
    Settings::resolve(&given, matches.subcommand().unwrap().1, file, known)
}

#[test]
fn flags_beat_the_environment_beats_the_file_beats_defaults() {
    let file = "origin = './site'\nttl = '10s'\ncache-memory = '1GiB'\ndrain = '1s'";
    let settings = gather(
        &["--ttl", "30s"],
        file,
        &[("CACHE_DEFAULT_TTL_SECONDS", "20"), ("CACHE_MEMORY_MAX_SIZE", "64MiB")],
    )
    .unwrap();
    assert_eq!(settings.ttl.value.0.as_secs(), 30);
    assert_eq!(settings.ttl.from, Source::Flag);
    assert_eq!(settings.cache_memory.value, ByteSize::mib(64));
    assert_eq!(settings.cache_memory.from, Source::Environment("CACHE_MEMORY_MAX_SIZE"));
    assert_eq!(settings.drain.from, Source::File);
    assert_eq!(settings.listen.from, Source::Default);
}

#[test]
fn what_is_printed_can_be_read_again() {
    let settings = gather(
        &[
            "--origin",
            "./a \"b\"",
            "--max-header",
            "32KiB",
            "--access-log",
            "a.log",
            "--warm",
            "urls",
        ],
        "",
        &[],
    )
    .unwrap();
    let text = settings.to_toml();
    let again = gather(&[], &text, &[]).unwrap();
    assert_eq!(again.origin.value, settings.origin.value);
    assert_eq!(again.max_header.value, ByteSize::kib(32));
    assert_eq!(again.access_log.unwrap().value.to_str(), Some("a.log"));
    assert_eq!(again.warm.unwrap().value.to_str(), Some("urls"));
    assert!(text.contains("# flag") && text.contains("# default"), "{text}");
}

#[test]
fn a_secret_is_not_printed() {
    let token = "sixteen-letters.";
    let settings = gather(&["--origin", ".", "--token", token], "", &[]).unwrap();
    assert!(!settings.to_toml().contains(token));
    assert!(!format!("{settings:?}").contains(token));
}

#[test]
fn unknown_keys_and_bad_values_are_refused_with_their_place() {
    for (file, part) in [
        ("colour = 'red'", "colour"),
        ("ttl = 300", "ttl"),
        ("ttl = 'soon'", "soon"),
        ("cache-memory = '12 parsecs'", "12 parsecs"),
        ("listen = 'localhost'", "localhost"),
        ("origin = 'https://x'", "TLS"),
        ("origin = ", "line 1"),
    ] {
        let message = gather(&[], file, &[]).unwrap_err().to_string();
        assert!(message.contains(part) && message.contains("line 1"), "{message}");
    }
}

#[test]
fn an_origin_is_needed() {
    let message = gather(&[], "", &[]).unwrap_err().to_string();
    assert!(message.contains("--origin"), "{message}");
}

#[cfg(feature = "redis")]
#[test]
fn a_shared_cache_is_printed_without_its_password() {
    let secret = "a-secret";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, format!("{secret}\n")).unwrap();
    let path = path.to_str().unwrap();
    let address = format!("redis://me:{secret}@h");
    for flags in [
        &["--cache-redis", &address, "--cache-redis-prefix", "shop:"][..],
        &["--cache-redis", "redis://h,redis://i:7000", "--cache-redis-password-file", path],
        &["--cache-redis", "redis://h", "--cache-redis-password", secret],
    ] {
        let all = [&["--origin", "."], flags].concat();
        let settings = gather(&all, "", &[]).unwrap();
        let text = settings.to_toml();
        assert!(text.contains("cache-redis = [\"redis://"), "{text}");
        assert!(text.contains("cache-redis-stale-window = \"30s\""), "{text}");
        let has_file = flags.contains(&"--cache-redis-password-file");
        assert_eq!(text.contains("cache-redis-password-file = "), has_file, "{text}");
        assert!(!text.contains(secret) && !format!("{settings:?}").contains(secret), "{text}");
        assert!(gather(&[], &text, &[]).unwrap().cache_redis.is_some());
    }
}

#[cfg(feature = "redis")]
#[test]
fn a_shared_cache_that_cannot_be_is_refused_with_the_remedy() {
    for (file, part) in [
        ("cache-redis = 'http://:a-secret@h'", "redis://"),
        ("cache-redis = []", "names no server"),
        ("cache-redis-prefix = 'a:'", "--cache-redis"),
        ("cache-redis = 'redis://:a-secret@h'\ncache-redis-password = 'a-secret'", "give it once"),
        ("cache-redis = 'redis://:a-secret?b@h'", "--cache-redis-password-file"),
        ("cdn = { purge = 'surrogate-keys', url = 'http://me:a-secret@h' }", "--cdn-secret-file"),
        ("cache-redis = 'redis://h'\ncache-redis-prefix = '{a}'", "braces"),
        ("cache-redis = 'redis://h'\ncache-redis-deadline = '0s'", "1ms"),
        ("cache-redis = 'redis://h'\ncache-redis-password-file = '/no/such'", "/no/such"),
        #[cfg(not(feature = "redis-tls"))]
        ("cache-redis = 'rediss://h'", "--features redis-tls"),
    ] {
        let message = gather(&["--origin", "."], file, &[]).unwrap_err().to_string();
        assert!(message.contains(part) && !message.contains("a-secret"), "{message}");
    }
}
