//! A registry that cargo can read and publish to: sparse index and the one call of its API.
//!
//! Source: The Cargo Book, "Registry Index" and "Registry Web API".

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub(super) struct Registry {
    pub(super) index: String,
    shelves: Arc<Mutex<Shelves>>,
}

#[derive(Default)]
struct Shelves {
    /// The index's lines of each crate.
    lines: BTreeMap<String, String>,
    published: Vec<String>,
    refuse: Option<String>,
}

impl Registry {
    pub(super) fn start() -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shelves = Arc::new(Mutex::new(Shelves::default()));
        let served = Arc::clone(&shelves);
        let base = address.clone();
        // Lives as long as the test program; it holds nothing but its socket.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(stream, &base, &served);
            }
        });
        Registry { index: format!("sparse+{address}/index/"), shelves }
    }

    /// What was published, in order.
    pub(super) fn published(&self) -> Vec<String> {
        self.shelves.lock().unwrap().published.clone()
    }

    /// Refuses this crate once.
    pub(super) fn refuse_next(&self, name: &str) {
        self.shelves.lock().unwrap().refuse = Some(name.to_owned());
    }
}

fn answer(stream: TcpStream, base: &str, shelves: &Mutex<Shelves>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut length, mut waits) = (0, false);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        waits |= header.starts_with("expect:");
    }
    if waits {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, text) = match target.strip_prefix("/index/") {
        Some("config.json") => {
            ("200 OK", json!({"dl": format!("{base}/dl"), "api": base}).to_string())
        }
        Some(path) => {
            let name = path.rsplit('/').next().unwrap_or_default();
            match shelves.lock().unwrap().lines.get(name) {
                Some(lines) => ("200 OK", lines.clone()),
                None => ("404 Not Found", String::new()),
            }
        }
        None => publish(&body, shelves),
    };
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}

fn publish(body: &[u8], shelves: &Mutex<Shelves>) -> (&'static str, String) {
    let length = u32::from_le_bytes(body[..4].try_into().unwrap()) as usize;
    let sent: Value = serde_json::from_slice(&body[4..4 + length]).unwrap();
    let (name, version) = (sent["name"].as_str().unwrap(), sent["vers"].as_str().unwrap());
    let mut shelves = shelves.lock().unwrap();
    if shelves.refuse.as_deref() == Some(name) {
        shelves.refuse = None;
        return ("503 Service Unavailable", "come back later".to_owned());
    }
    let deps: Vec<Value> = sent["deps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|dep| {
            json!({
                "name": dep["name"], "req": dep["version_req"], "features": dep["features"],
                "optional": dep["optional"], "default_features": dep["default_features"],
                "target": dep["target"], "kind": dep["kind"], "registry": dep["registry"],
            })
        })
        .collect();
    let line = json!({
        "name": name, "vers": version, "deps": deps, "features": {}, "yanked": false,
        "cksum": "0".repeat(64),
    });
    shelves.lines.entry(name.to_owned()).or_default().push_str(&format!("{line}\n"));
    shelves.published.push(format!("{name} {version}"));
    ("200 OK", json!({"warnings": {}}).to_string())
}
