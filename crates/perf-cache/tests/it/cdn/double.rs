//! An HTTP server that answers what a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// What is to come of it.
pub(super) enum Reply {
    /// Status, headers, body.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// 200, with a body of which only a part is sent.
    Part(Vec<u8>, usize),
    /// Nothing, until the server ends.
    Hang,
    /// The end of the connection.
    Hangup,
}

impl Reply {
    pub(super) fn status(status: u16) -> Reply {
        Reply::Whole(status, Vec::new(), Vec::new())
    }

    pub(super) fn text(status: u16, body: &str) -> Reply {
        Reply::Whole(status, Vec::new(), body.into())
    }
}

type Answering = dyn Fn(&Seen) -> Reply + Send + Sync;

struct Shared {
    answer: Mutex<Arc<Answering>>,
    seen: Mutex<Vec<Seen>>,
    connections: Mutex<Vec<TcpStream>>,
    is_over: AtomicBool,
}

/// The server; ends when it is dropped.
pub(super) struct Double {
    port: u16,
    shared: Arc<Shared>,
}

impl Double {
    pub(super) fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            answer: Mutex::new(Arc::new(answer)),
            seen: Mutex::default(),
            connections: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let of_it = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if of_it.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), of_it) = (stream, Arc::clone(&of_it)) else { continue };
                of_it.connections.lock().unwrap().push(stream.try_clone().unwrap());
                thread::spawn(move || {
                    // Whoever asks goes away when he likes.
                    let _ = serve(&stream, &of_it);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Double { port, shared }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on it answers so.
    pub(super) fn answer(&self, answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        *self.shared.answer.lock().unwrap() = Arc::new(answer);
    }

    /// What has come so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many connections were made.
    pub(super) fn connections(&self) -> usize {
        self.shared.connections.lock().unwrap().len()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        for stream in self.shared.connections.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            lines.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut seen = Seen { method, path, headers, body: Vec::new() };
        let len = seen.header("content-length").map_or(0, |len| len.parse().unwrap());
        seen.body.resize(len, 0);
        lines.read_exact(&mut seen.body)?;
        let is_head = seen.method == "HEAD";
        shared.seen.lock().unwrap().push(seen.clone());
        let answer = Arc::clone(&shared.answer.lock().unwrap());
        let mut stream = stream;
        match answer(&seen) {
            Reply::Whole(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head += &format!("{name}: {value}\r\n");
                }
                stream.write_all(format!("{head}\r\n").as_bytes())?;
                if !is_head {
                    stream.write_all(&body)?;
                }
            }
            Reply::Part(body, sent) => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(head.as_bytes())?;
                stream.write_all(&body[..sent])?;
                return Ok(());
            }
            // Until the other side, or this server, ends it.
            Reply::Hang => return lines.read_line(&mut line).map(|_| ()),
            Reply::Hangup => return Ok(()),
        }
    }
}
