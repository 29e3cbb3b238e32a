//! What a round trip to a Redis costs through the tier, beside a bare client in the same run; and
//! what a batch of a hundred costs beside one. On one server, and on a cluster of three.
//!
//! `cargo run --release -p perf-cache --example redis_cost --features redis`, over `redis-server`s
//! that it starts, or behind it the URL of one that runs. Medians.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use perf_cache::TieredCache;
use perf_cache::codec::RawBytes;
use perf_cache::disk::{Put, PutTerms};
use perf_cache::remote::RedisTier;
use perf_cache::tiered::OuterTier;
use redis::IntoConnectionInfo;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;
/// Asks for a key, or for all; whether the answer is right.
type Call<'a> = Box<dyn FnMut(usize) -> bool + 'a>;

const KEYS: usize = 100;
/// Slots of the nodes of a cluster, the first and the last of each.
const THIRDS: [(usize, usize); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];
/// Rounds of all rows, one after the other, so that each meets the same machine.
const ROUNDS: usize = 300;
/// Calls of a row in a round.
const CALLS: usize = 20;

fn main() -> Result<(), Error> {
    if let Some(url) = std::env::args().nth(1) {
        return run(&At { urls: vec![url], is_cluster: false });
    }
    let mut servers = Servers(Vec::new());
    let one = servers.start(&[])?;
    run(&At { urls: vec![one], is_cluster: false })?;
    let at = servers.start_cluster()?;
    run(&at)
}

/// What is asked.
struct At {
    urls: Vec<String>,
    is_cluster: bool,
}

/// Servers that end with this.
struct Servers(Vec<Child>);

impl Servers {
    fn start(&mut self, more: &[&str]) -> Result<String, Error> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(more)
            .stdout(Stdio::null())
            .spawn()?;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if server.try_wait()?.is_some() {
                return Err("redis-server does not start".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.0.push(server);
        Ok(format!("redis://127.0.0.1:{port}"))
    }

    /// Three nodes, each with a third of the slots.
    fn start_cluster(&mut self) -> Result<At, Error> {
        let mut urls: Vec<String> = Vec::new();
        let mut nodes = Vec::new();
        for (first, last) in THIRDS {
            let bus = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let file = std::env::temp_dir().join(format!("redis_cost.{bus}.conf"));
            let file = file.to_string_lossy();
            let bus_port = bus.to_string();
            let more = ["--cluster-enabled", "yes", "--cluster-port", &bus_port];
            let url = self.start(&[&more[..], &["--cluster-config-file", &file]].concat())?;
            let mut node = connect(&url)?;
            let slots = ["ADDSLOTSRANGE", &first.to_string(), &last.to_string()];
            redis::cmd("CLUSTER").arg(&slots).exec(&mut node)?;
            let port = url.rsplit(':').next().unwrap_or_default().to_owned();
            if let Some(first) = nodes.first_mut() {
                let known = ["MEET", "127.0.0.1", &port, &bus_port];
                redis::cmd("CLUSTER").arg(&known).exec(first)?;
            }
            urls.push(url);
            nodes.push(node);
        }
        for node in &mut nodes {
            let is_well = |info: String| {
                info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
            };
            while !is_well(redis::cmd("CLUSTER").arg("INFO").query(node)?) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Ok(At { urls, is_cluster: true })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &mut self.0 {
            let _ = server.kill().and_then(|()| server.wait());
        }
    }
}

fn run(at: &At) -> Result<(), Error> {
    for len in [100, 1_024] {
        table(at, len)?;
    }
    Ok(())
}

/// A bare client that knows which server has which key.
struct Bare {
    connections: Vec<redis::Connection>,
    names: Vec<String>,
    /// For each name the index of its connection.
    has: Vec<usize>,
}

impl Bare {
    fn new(at: &At) -> Result<Bare, Error> {
        let mut connections = Vec::new();
        for url in &at.urls {
            connections.push(connect(url)?);
        }
        let names: Vec<String> = (0..KEYS).map(|key| format!("key:{key}")).collect();
        let mut has = vec![0; KEYS];
        if at.is_cluster {
            for (name, has) in names.iter().zip(&mut has) {
                let asked = &mut connections[0];
                let slot: usize = redis::cmd("CLUSTER").arg(&["KEYSLOT", name]).query(asked)?;
                *has = THIRDS.iter().filter(|(first, _)| slot >= *first).count() - 1;
            }
        }
        Ok(Bare { connections, names, has })
    }

    fn get(&mut self, n: usize) -> redis::RedisResult<Vec<u8>> {
        redis::cmd("GET").arg(&self.names[n]).query(&mut self.connections[self.has[n]])
    }

    /// For each connection what asks for all that it has, and how many answers there will be: one
    /// where all keys may be in one command.
    fn batches(&self, at: &At) -> Vec<(Vec<u8>, usize)> {
        if !at.is_cluster {
            return vec![(redis::cmd("MGET").arg(&self.names).get_packed_command(), 1)];
        }
        let of = |node| {
            let mut get = redis::pipe();
            for (name, _) in self.names.iter().zip(&self.has).filter(|(_, has)| **has == node) {
                get.cmd("GET").arg(name);
            }
            (get.get_packed_pipeline(), get.len())
        };
        (0..self.connections.len()).map(of).collect()
    }

    /// Asks all servers, then waits for their answers; how many values there are.
    fn get_all(&mut self, batches: &[(Vec<u8>, usize)]) -> redis::RedisResult<usize> {
        for (connection, (bytes, _)) in self.connections.iter_mut().zip(batches) {
            connection.send_packed_command(bytes)?;
        }
        let mut found = 0;
        for (connection, (_, answers)) in self.connections.iter_mut().zip(batches) {
            for _ in 0..*answers {
                found += match connection.recv_response()? {
                    redis::Value::Array(all) => all.len(),
                    redis::Value::BulkString(_) => 1,
                    _ => 0,
                };
            }
        }
        Ok(found)
    }
}

fn table(at: &At, len: usize) -> Result<(), Error> {
    let mut bare = Bare::new(at)?;
    let mut bare_for_all = Bare::new(at)?;
    let second = Duration::from_secs(1);
    let urls = || at.urls.iter().cloned();
    let tier = match &at.urls[..] {
        [url] if !at.is_cluster => RedisTier::builder(url),
        _ => RedisTier::cluster(urls()),
    };
    let tier = Arc::new(tier.deadline(second).build()?);
    let cache: TieredCache<u64, Vec<u8>> = TieredCache::builder()
        .without_memory()
        .tier(Arc::clone(&tier) as _)
        .codec(RawBytes)
        .deadline(second)
        .build()?;
    let value: Vec<u8> = (0..len).map(|n| ((n * n) >> 3) as u8).collect();
    let names = bare.names.clone();
    for (key, name) in names.iter().enumerate() {
        redis::cmd("SET").arg(name).arg(&value).exec(&mut bare.connections[bare.has[key]])?;
        if tier.put(name.as_bytes(), &value, PutTerms::default())? != Put::Stored {
            return Err("the server refused".into());
        }
        cache.insert(key as u64, value.clone());
    }
    let keys: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
    let batches = bare.batches(at);

    let mut into = Vec::new();
    let mut rows: [(&str, Call); 5] = [
        ("a bare client, GET", {
            Box::new(move |n| bare.get(n).is_ok_and(|found| found.len() == len))
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
        ("a bare client, 100 at a time", {
            Box::new(move |_| bare_for_all.get_all(&batches).is_ok_and(|found| found == KEYS))
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
    let of = if at.is_cluster { "three nodes" } else { "one server" };
    let title = format!("{of}, values of {len} bytes");
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
