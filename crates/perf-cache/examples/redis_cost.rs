//! What a round trip to a Redis costs through the tier, beside a bare client in the same run; and
//! what a batch of a hundred costs beside one.
//!
//! `cargo run --release -p perf-cache --example redis_cost --features redis`, over a `redis-server`
//! that it starts, or behind it the URL of one that runs.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use perf_cache::TieredCache;
use perf_cache::codec::RawBytes;
use perf_cache::disk::{Put, PutTerms};
use perf_cache::remote::RedisTier;
use perf_cache::tiered::OuterTier;
use redis::{ConnectionLike, IntoConnectionInfo};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;
/// Asks for a key, or for all; whether the answer is right.
type Call<'a> = Box<dyn FnMut(usize) -> bool + 'a>;

const KEYS: usize = 100;
/// Rounds of all rows, one after the other, so that each meets the same machine.
const ROUNDS: usize = 300;
/// Calls of a row in a round.
const CALLS: usize = 20;

fn main() -> Result<(), Error> {
    if let Some(url) = std::env::args().nth(1) {
        return run(&url);
    }
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut server = start(port)?;
    let done = run(&format!("redis://127.0.0.1:{port}"));
    server.kill()?;
    server.wait()?;
    done
}

fn start(port: u16) -> Result<Child, Error> {
    let mut server = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .stdout(Stdio::null())
        .spawn()?;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if server.try_wait()?.is_some() {
            return Err("redis-server does not start".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(server)
}

fn run(url: &str) -> Result<(), Error> {
    for len in [100, 1_024] {
        table(url, len)?;
    }
    Ok(())
}

fn table(url: &str, len: usize) -> Result<(), Error> {
    let mut bare = connect(url)?;
    let second = Duration::from_secs(1);
    let tier = Arc::new(RedisTier::builder(url).deadline(second).build()?);
    let cache: TieredCache<u64, Vec<u8>> = TieredCache::builder()
        .without_memory()
        .tier(Arc::clone(&tier) as _)
        .codec(RawBytes)
        .deadline(second)
        .build()?;
    let value: Vec<u8> = (0..len).map(|n| ((n * n) >> 3) as u8).collect();
    let names: Vec<String> = (0..KEYS).map(|key| format!("key:{key}")).collect();
    for (key, name) in names.iter().enumerate() {
        redis::cmd("SET").arg(name).arg(&value).exec(&mut bare)?;
        if tier.put(name.as_bytes(), &value, PutTerms::default())? != Put::Stored {
            return Err("the server refused".into());
        }
        cache.insert(key as u64, value.clone());
    }
    let keys: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
    let mut get = redis::cmd("MGET");
    get.arg(&names);
    let batch = get.get_packed_command();

    let mut into = Vec::new();
    let mut rows: [(&str, Call); 5] = [
        ("a bare client, GET", {
            let (names, mut bare) = (&names, connect(url)?);
            Box::new(move |n| {
                let found: Vec<u8> =
                    redis::cmd("GET").arg(&names[n]).query(&mut bare).unwrap_or_default();
                found.len() == len
            })
        }),
        ("RedisTier::get", {
            let tier = &tier;
            let names = &names;
            Box::new(move |n| {
                into.clear();
                tier.get(names[n].as_bytes(), &mut into).is_ok_and(|found| found)
            })
        }),
        ("TieredCache::get without memory", {
            let cache = &cache;
            Box::new(move |n| cache.get(&(n as u64)).is_some())
        }),
        ("a bare client, MGET of 100", {
            Box::new(move |_| {
                bare.req_packed_command(&batch).is_ok_and(
                    |found| matches!(found, redis::Value::Array(all) if all.len() == KEYS),
                )
            })
        }),
        ("RedisTier::get_many of 100", {
            let tier = &tier;
            Box::new(move |_| {
                tier.get_many(&keys).is_ok_and(|found| found.iter().all(Option::is_some))
            })
        }),
    ];
    let mut times = vec![Vec::with_capacity(ROUNDS); rows.len()];
    for _ in 0..ROUNDS {
        for ((name, call), times) in rows.iter_mut().zip(&mut times) {
            let started = Instant::now();
            for n in 0..CALLS {
                if !call(n * 7 % KEYS) {
                    return Err(format!("{name}: fast and wrong").into());
                }
            }
            times.push(started.elapsed().as_nanos() as f64 / CALLS as f64 / 1_000.0);
        }
    }
    let title = format!("values of {len} bytes, medians");
    println!("{title:36} {:>8} {:>16}", "us", "x a bare GET");
    let bare = times[0].clone();
    for ((name, _), times) in rows.iter().zip(&mut times) {
        // Of each round by itself: the machine is the same then.
        let mut ratios: Vec<f64> = times.iter().zip(&bare).map(|(own, bare)| own / bare).collect();
        println!("{name:36} {:>8.1} {:>16.2}", median(times), median(&mut ratios));
    }
    Ok(())
}

fn connect(url: &str) -> Result<redis::Connection, Error> {
    let info = url.into_connection_info()?;
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    Ok(redis::Client::open(info.set_tcp_settings(tcp))?.get_connection()?)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
