//! A connection to a server that can be made slow, in each direction.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Passes on what comes, after a delay. Its threads end with the connections.
pub(super) struct Proxy {
    port: u16,
    delays: Arc<Delays>,
    is_over: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

#[derive(Default)]
struct Delays {
    /// Milliseconds before each piece of an answer.
    answers: AtomicU64,
    /// Bytes of a piece; zero for all that is there.
    piece: AtomicUsize,
    /// Whether requests that come are held, and what is in those that are.
    holds: AtomicBool,
    marks: Mutex<Vec<u8>>,
    /// Whether no connection is passed on.
    is_cut: AtomicBool,
    /// How often what was held was let go.
    releases: AtomicU64,
    /// Requests that are held.
    held: AtomicU64,
}

impl Delays {
    fn answer(&self) {
        // The network that is slow, not a test that waits.
        thread::sleep(Duration::from_millis(self.answers.load(Ordering::SeqCst)));
    }

    fn piece(&self) -> usize {
        match self.piece.load(Ordering::SeqCst) {
            0 => BUFFER,
            bytes => bytes,
        }
    }

    fn request(&self, bytes: &[u8]) {
        let marks = self.marks.lock().unwrap().clone();
        let is_marked = marks.is_empty() || bytes.windows(marks.len()).any(|part| part == marks);
        if !self.holds.load(Ordering::SeqCst) || !is_marked {
            return;
        }
        let releases = self.releases.load(Ordering::SeqCst);
        self.held.fetch_add(1, Ordering::SeqCst);
        while self.releases.load(Ordering::SeqCst) == releases {
            thread::yield_now();
        }
        self.held.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Proxy {
    pub(super) fn before(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let (delays, is_over) = (Arc::<Delays>::default(), Arc::<AtomicBool>::default());
        let streams = Arc::<Mutex<Vec<TcpStream>>>::default();
        let proxy = Proxy {
            port: own,
            delays: Arc::clone(&delays),
            is_over: Arc::clone(&is_over),
            streams: Arc::clone(&streams),
        };
        thread::spawn(move || {
            for near in listener.incoming() {
                let Ok(near) = near else { return };
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                streams.lock().unwrap().push(near.try_clone().unwrap());
                // After that: either this sees it or whoever cuts has the stream.
                if delays.is_cut.load(Ordering::SeqCst) {
                    let _ = near.shutdown(Shutdown::Both);
                    continue;
                }
                let far = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let (near_again, far_again) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (there, back) = (Arc::clone(&delays), Arc::clone(&delays));
                thread::spawn(move || pass_on(near, far, || BUFFER, |bytes| there.request(bytes)));
                thread::spawn(move || {
                    pass_on(far_again, near_again, || back.piece(), |_| back.answer());
                });
            }
        });
        proxy
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn delay_answers(&self, time: Duration) {
        self.delays.answers.store(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Sends answers from now on so many bytes at a time, each after that time.
    pub(super) fn split_answers(&self, bytes: usize, time: Duration) {
        self.delays.piece.store(bytes, Ordering::SeqCst);
        self.delay_answers(time);
    }

    /// Holds what is asked from now on, or from now on no more.
    pub(super) fn hold_requests(&self, holds: bool) {
        self.delays.holds.store(holds, Ordering::SeqCst);
    }

    /// The same of what has those bytes in it.
    pub(super) fn hold_requests_with(&self, marks: &str) {
        *self.delays.marks.lock().unwrap() = marks.as_bytes().to_vec();
        self.hold_requests(true);
    }

    /// Cuts all connections, and passes on none that is made from now on, or from now on all.
    pub(super) fn cut(&self, is_cut: bool) {
        self.delays.is_cut.store(is_cut, Ordering::SeqCst);
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets all go that is held.
    pub(super) fn release(&self) {
        self.delays.releases.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn held(&self) -> u64 {
        self.delays.held.load(Ordering::SeqCst)
    }
}

fn pass_on(
    mut from: TcpStream,
    mut to: TcpStream,
    piece: impl Fn() -> usize,
    wait: impl Fn(&[u8]),
) {
    let mut buffer = [0; BUFFER];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        let mut pieces = buffer[..len].chunks(piece());
        let is_sent = pieces.all(|piece| {
            wait(piece);
            to.write_all(piece).is_ok()
        });
        if !is_sent {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

const BUFFER: usize = 16 << 10;

impl Drop for Proxy {
    fn drop(&mut self) {
        self.release();
        self.is_over.store(true, Ordering::SeqCst);
        // So that it looks.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}
