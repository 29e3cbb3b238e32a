//! Live sockets: how fast one answers, how many stay open.
//!
//! WebSocket by hand, as far as it takes: the handshake, a ping, frames passed over.
//!
//! Source: RFC 6455, sections 4.1, 5.2 and 5.5.

use anyhow::{Context, Result, bail};
use perf_core::Histogram;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// An open WebSocket.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
}

/// How long `count` pings take until their pongs are here, in nanoseconds.
pub(super) fn pings(address: SocketAddr, count: usize) -> Result<Histogram> {
    let mut socket = Socket::open(address)?;
    let mut latency = Histogram::new();
    for _ in 0..count {
        // A client that talks without pause is shown the door.
        std::thread::sleep(PAUSE);
        latency.record_duration(socket.ping()?);
    }
    Ok(latency)
}

/// How many of `wanted` sockets are open and answer a ping, all at once.
pub(super) fn open_at_once(address: SocketAddr, wanted: usize) -> usize {
    let mut sockets: Vec<Socket> = (0..wanted).map_while(|_| Socket::open(address).ok()).collect();
    sockets.iter_mut().filter_map(|socket| socket.ping().ok()).count()
}

impl Socket {
    fn open(address: SocketAddr) -> Result<Socket> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).context("cannot connect")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut socket = Socket { stream };
        write!(
            socket.stream,
            "GET {PATH} HTTP/1.1\r\nhost: {address}\r\norigin: http://{address}\r\n\
             connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
            if head.len() > 8192 {
                bail!("the handshake is answered without end");
            }
        }
        let text = String::from_utf8_lossy(&head);
        if !text.starts_with("HTTP/1.1 101") {
            bail!("the handshake is answered `{}`", text.lines().next().unwrap_or_default());
        }
        Ok(socket)
    }

    /// Sends a ping and passes over what comes until its pong.
    fn ping(&mut self) -> Result<Duration> {
        let start = Instant::now();
        // Empty, masked with zeros as a client must mask.
        self.stream.write_all(&[0x89, 0x80, 0, 0, 0, 0])?;
        loop {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head)?;
            let length = match head[1] & 0x7f {
                126 => {
                    let mut bytes = [0; 2];
                    self.stream.read_exact(&mut bytes)?;
                    u64::from(u16::from_be_bytes(bytes))
                }
                127 => {
                    let mut bytes = [0; 8];
                    self.stream.read_exact(&mut bytes)?;
                    u64::from_be_bytes(bytes)
                }
                short => u64::from(short),
            };
            let passed = std::io::copy(&mut (&self.stream).take(length), &mut std::io::sink())?;
            match head[0] & 0x0f {
                _ if passed < length => bail!("the socket ended within a frame"),
                0xa => return Ok(start.elapsed()),
                0x8 => bail!("the server closed the socket"),
                _ => {}
            }
        }
    }
}

const PATH: &str = "/api/performance/live";
const PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(10);
