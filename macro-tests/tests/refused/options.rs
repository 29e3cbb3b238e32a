use perfkit::cache::{Cache, cached, cached_api_response};

#[cached(tttl = "5m")]
fn no_such_option(n: u64) -> u64 {
    n
}

#[cached(time = 300)]
fn called_otherwise(n: u64) -> u64 {
    n
}

#[cached(sync_writes = "by_key")]
fn needs_none(n: u64) -> u64 {
    n
}

#[cached(max_entries = 10, ttl = "5m", max_entries = 20)]
fn said_twice(n: u64) -> u64 {
    n
}

#[cached(max_entries = 0)]
fn no_room(n: u64) -> u64 {
    n
}

#[cached(max_entries = "1000")]
fn number_as_text(n: u64) -> u64 {
    n
}

#[cached(max_bytes = "64 parsecs", size = |n| 8_u64)]
fn no_size(n: u64) -> u64 {
    n
}

#[cached(max_bytes = "64MiB")]
fn bytes_of_nothing(n: u64) -> u64 {
    n
}

#[cached(size = 100)]
fn size_as_number(n: u64) -> u64 {
    n
}

#[cached(ttl = 300)]
fn no_unit(n: u64) -> u64 {
    n
}

#[cached(ttl = "5 minutes or so")]
fn no_time(n: u64) -> u64 {
    n
}

#[cached(ttl = "5m", refresh_after = 1.5)]
fn no_share(n: u64) -> u64 {
    n
}

#[cached(refresh_after = 0.8)]
fn share_of_nothing(n: u64) -> u64 {
    n
}

#[cached(stale_if_error = "1h", ttl = "5m")]
fn never_fails(n: u64) -> u64 {
    n
}

#[cached(stale_if_error = "1h")]
fn never_old(n: u64) -> Result<u64, String> {
    Ok(n)
}

#[cached(negative_ttl = "1s")]
fn always_answers(n: u64) -> u64 {
    n
}

#[cached(kind = cdn)]
fn no_kind(n: u64) -> u64 {
    n
}

#[cached(name = "")]
fn no_name(n: u64) -> u64 {
    n
}

#[cached(cache_errors)]
fn no_errors(n: u64) -> u64 {
    n
}

#[cached(api_response, db_query)]
fn two_presets(n: u64) -> u64 {
    n
}

#[cached_api_response(db_query)]
fn two_presets_again(n: u64) -> u64 {
    n
}

#[cached(cache = elsewhere(), ttl = "5m", max_entries = 10)]
fn made_elsewhere(n: u64) -> u64 {
    n
}

#[cached(crate = "no path")]
fn no_path(n: u64) -> u64 {
    n
}

#[cached(max_entries)]
fn no_value(n: u64) -> u64 {
    n
}

fn elsewhere() -> &'static Cache<u64, u64> {
    panic!("never called")
}

fn main() {}
