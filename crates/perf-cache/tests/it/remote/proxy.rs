//! A connection to a server that can be made slow, in each direction.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Passes on what comes, after a delay. Its threads end with the connections.
pub(super) struct Proxy {
    port: u16,
    delays: Arc<Delays>,
    is_over: Arc<AtomicBool>,
}

#[derive(Default)]
struct Delays {
    /// Milliseconds.
    answers: AtomicU64,
    /// Whether requests that come are held.
    holds: AtomicBool,
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

    fn request(&self) {
        if !self.holds.load(Ordering::SeqCst) {
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
        let proxy = Proxy { port: own, delays: Arc::clone(&delays), is_over: Arc::clone(&is_over) };
        thread::spawn(move || {
            for near in listener.incoming() {
                let Ok(near) = near else { return };
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let far = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let (near_again, far_again) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (there, back) = (Arc::clone(&delays), Arc::clone(&delays));
                thread::spawn(move || pass_on(near, far, || there.request()));
                thread::spawn(move || pass_on(far_again, near_again, || back.answer()));
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

    /// Holds what is asked from now on, or from now on no more.
    pub(super) fn hold_requests(&self, holds: bool) {
        self.delays.holds.store(holds, Ordering::SeqCst);
    }

    /// Lets all go that is held.
    pub(super) fn release(&self) {
        self.delays.releases.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn held(&self) -> u64 {
        self.delays.held.load(Ordering::SeqCst)
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, wait: impl Fn()) {
    let mut buffer = [0; 16 << 10];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        wait();
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.release();
        self.is_over.store(true, Ordering::SeqCst);
        // So that it looks.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}
