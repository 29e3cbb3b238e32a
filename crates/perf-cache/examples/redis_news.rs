//! What writes to a Redis that processes share cost through the tier, beside a bare client in the same
//! run; and how long it takes until another tier is told of a removal, beside the server's own tracking
//! of keys.
//!
//! `cargo run --release -p perf-cache --example redis_news --features redis`, over a `redis-server`
//! that it starts, or behind it the URL of one that runs.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use perf_cache::disk::{Put, PutTerms};
use perf_cache::remote::RedisTier;
use perf_cache::tiered::{Change, Doubt, OuterTier, Receiver, SharedTier, Standing};
use redis::IntoConnectionInfo;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;
/// Writes to a key; whether that went well.
type Call<'a> = Box<dyn FnMut(&str) -> bool + 'a>;

/// Bytes of a value.
const LEN: usize = 1_024;
/// Rounds of all rows, one after the other, so that each meets the same machine.
const ROUNDS: usize = 300;
/// Calls of a row in a round.
const CALLS: usize = 20;
/// Removals of which another is told.
const REMOVALS: usize = 1_000;

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
    writes(url)?;
    println!("until another is told, us             median      p99");
    for (name, mut times) in
        [("RedisTier", told_by_tier(url)?), ("tracking", told_by_tracking(url)?)]
    {
        let (median, p99) = (median(&mut times), times[times.len() * 99 / 100]);
        println!("{name:36} {median:>7.0} {p99:>8.0}");
    }
    Ok(())
}

fn writes(url: &str) -> Result<(), Error> {
    let tier = RedisTier::builder(url).deadline(Duration::from_secs(1)).build()?;
    tier.clear()?;
    let value: Vec<u8> = (0..LEN).map(|n| ((n * n) >> 3) as u8).collect();
    let is_stored = |put| matches!(put, Ok(Put::Stored));
    let terms = PutTerms::default();
    let mut bare = connect(url)?;
    let mut rows: [(&str, Call); 4] = [
        ("a bare client, SET PX", {
            let value = &value;
            Box::new(move |key| {
                let mut set = redis::cmd("SET");
                set.arg(key).arg(value).arg("PX").arg(60_000);
                set.exec(&mut bare).is_ok()
            })
        }),
        ("RedisTier::fill, as after a load", {
            Box::new(|key| is_stored(tier.fill(key.as_bytes(), &value, terms, tier.since())))
        }),
        ("RedisTier::put, as of an insert", {
            Box::new(|key| is_stored(tier.put(key.as_bytes(), &value, terms)))
        }),
        ("RedisTier::remove", Box::new(|key| tier.remove(key.as_bytes()).is_ok())),
    ];
    let mut times = vec![Vec::with_capacity(ROUNDS); rows.len()];
    for _ in 0..ROUNDS {
        for ((name, call), times) in rows.iter_mut().zip(&mut times) {
            let keys: Vec<String> = (0..CALLS).map(|n| format!("{n}")).collect();
            let started = Instant::now();
            for key in &keys {
                if !call(key) {
                    return Err(format!("{name}: fast and wrong").into());
                }
            }
            times.push(started.elapsed().as_nanos() as f64 / CALLS as f64 / 1_000.0);
        }
    }
    let title = format!("values of {LEN} bytes, medians");
    println!("{title:36} {:>8} {:>16}", "us", "x a bare SET");
    let bare = times[0].clone();
    for ((name, _), times) in rows.iter().zip(&mut times) {
        // Of each round by itself: the machine is the same then.
        let mut ratios: Vec<f64> = times.iter().zip(&bare).map(|(own, bare)| own / bare).collect();
        println!("{name:36} {:>8.1} {:>16.2}", median(times), median(&mut ratios));
    }
    Ok(())
}

/// Notes when it is told of changes.
#[derive(Debug)]
struct Told(Sender<Instant>);

impl Receiver for Told {
    fn changed(&self, changes: &[Change]) {
        let now = Instant::now();
        changes.iter().for_each(|_| _ = self.0.send(now));
    }

    fn doubted(&self, _: Doubt, _: Option<Standing>) {}
}

/// From before a removal in one tier until another is told, in microseconds.
fn told_by_tier(url: &str) -> Result<Vec<f64>, Error> {
    let second = Duration::from_secs(1);
    let one = RedisTier::builder(url).deadline(second).build()?;
    let other = RedisTier::builder(url).deadline(second).build()?;
    let (sender, told) = mpsc::channel();
    let receiver: Arc<dyn Receiver> = Arc::new(Told(sender));
    other.listen(Arc::downgrade(&receiver));
    let mut times = Vec::with_capacity(REMOVALS);
    for n in 0..REMOVALS {
        let started = Instant::now();
        one.remove(n.to_string().as_bytes())?;
        times.push((told.recv_timeout(second)? - started).as_nanos() as f64 / 1_000.0);
    }
    Ok(times)
}

/// The same from before a `DEL` until a connection is told that tracks all keys of a prefix.
fn told_by_tracking(url: &str) -> Result<Vec<f64>, Error> {
    let mut tracking = connect(&format!("{url}/?protocol=resp3"))?;
    redis::cmd("CLIENT")
        .arg(&["TRACKING", "ON", "BCAST", "PREFIX", "tracked:", "NOLOOP"])
        .exec(&mut tracking)?;
    let (sender, told) = mpsc::channel();
    std::thread::spawn(move || {
        while let Ok(redis::Value::Push { .. }) = tracking.recv_response() {
            if sender.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    let mut bare = connect(url)?;
    let mut times = Vec::with_capacity(REMOVALS);
    for n in 0..REMOVALS {
        let key = format!("tracked:{n}");
        redis::cmd("SET").arg(&key).arg(1).exec(&mut bare)?;
        told.recv_timeout(Duration::from_secs(1))?;
        let started = Instant::now();
        redis::cmd("DEL").arg(&key).exec(&mut bare)?;
        let at = told.recv_timeout(Duration::from_secs(1))?;
        times.push((at - started).as_nanos() as f64 / 1_000.0);
    }
    Ok(times)
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
