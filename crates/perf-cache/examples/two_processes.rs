//! Two processes that share one cache over a Redis, each with a memory of its own.
//!
//! `cargo run -p perf-cache --example two_processes --features redis`, over a `redis-server` that it
//! starts, or behind it the URL of one that runs. It starts itself a second time.

#![expect(clippy::print_stdout, reason = "it tells what it does")]

use perf_cache::codec::RawBytes;
use perf_cache::remote::RedisTier;
use perf_cache::{Cache, Terms, TieredCache};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;

const CHILD: &str = "--second";

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [child, url] if child == CHILD => second(url),
        [url] => first(url),
        _ => {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let mut server = start(port)?;
            let done = first(&format!("redis://127.0.0.1:{port}"));
            server.kill()?;
            server.wait()?;
            done
        }
    }
}

fn cache(url: &str) -> Result<TieredCache<String, String>, Error> {
    let redis = RedisTier::builder(url).prefix("two-processes:").build()?;
    let memory = Cache::builder().max_entries(1_000);
    Ok(TieredCache::builder().memory(memory).tier(Arc::new(redis)).codec(RawBytes).build()?)
}

/// Tells what the second process is to do, and does its own part.
fn first(url: &str) -> Result<(), Error> {
    let cache = cache(url)?;
    cache.clear()?;
    let mut second = Second::start(url)?;

    let load = || {
        println!("first   loads the price of tea");
        ("3.10".to_owned(), Terms::new().tags(["prices"]))
    };
    cache.get_with_terms("tea".to_owned(), load);
    println!("first   has it");
    // What it reads before it knows what has changed so far is not kept near.
    second.ask("get coffee")?;
    second.ask("get tea")?;
    second.ask("get tea")?;

    println!("first   invalidates the tag `prices`");
    let began = Instant::now();
    cache.invalidate_tag("prices")?;
    while second.say("get tea")? != "second  has nothing" {}
    println!("second  has nothing, {:.1?} after that was called", began.elapsed());

    second.ask("put 3.20")?;
    while cache.get("tea").as_deref() != Some("3.20") {}
    println!("first   answers 3.20");
    Ok(())
}

/// Does as it is told, a line each.
fn second(url: &str) -> Result<(), Error> {
    let cache = cache(url)?;
    for line in std::io::stdin().lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("get", key)) => match cache.get_entry(key) {
                Some(entry) => {
                    let tier = entry.tier.unwrap_or("another caller");
                    println!("second  finds {} in {tier}", entry.value);
                }
                None => println!("second  has nothing"),
            },
            Some(("put", price)) => {
                cache.insert_with(
                    "tea".to_owned(),
                    price.to_owned(),
                    Terms::new().tags(["prices"]),
                );
                println!("second  puts in {price}");
            }
            _ => println!("second  does not know `{line}`"),
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// The second process.
struct Second {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Second {
    fn start(url: &str) -> Result<Second, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([CHILD, url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = BufReader::new(child.stdout.take().ok_or("it has no output")?);
        Ok(Second { child, answers })
    }

    fn say(&mut self, line: &str) -> Result<String, Error> {
        writeln!(self.child.stdin.as_mut().ok_or("it has no input")?, "{line}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim_end().to_owned())
    }

    fn ask(&mut self, line: &str) -> Result<(), Error> {
        let answer = self.say(line)?;
        println!("{answer}");
        Ok(())
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // Without input it ends by itself.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
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
