//! Browser sessions: a cookie got once for the token, so that no page keeps the token itself.

use crate::Token;
use perf_core::{Clock, Instant};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The sessions that are open, oldest first. At most [`MOST`]; a new one pushes the oldest out.
#[derive(Debug)]
pub(crate) struct Sessions {
    clock: Clock,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    sessions: VecDeque<Session>,
    pushed_out: u64,
}

#[derive(Debug)]
struct Session {
    secret: Token,
    ends: Instant,
}

impl Sessions {
    pub(crate) fn new(clock: Clock) -> Sessions {
        Sessions { clock, open: Mutex::default() }
    }

    /// Opens a session and answers its secret.
    pub(crate) fn open(&self) -> std::io::Result<Token> {
        let secret = Token::generate()?;
        let now = self.clock.now();
        let mut open = self.lock();
        open.sessions.retain(|session| session.ends > now);
        if open.sessions.len() == MOST {
            open.sessions.pop_front();
            open.pushed_out += 1;
        }
        open.sessions.push_back(Session { secret: secret.clone(), ends: now + LIFETIME });
        Ok(secret)
    }

    /// Whether a session with this secret is open.
    pub(crate) fn knows(&self, secret: &str) -> bool {
        let now = self.clock.now();
        // No early exit: how long the search takes must not say where it ended.
        self.lock().sessions.iter().fold(false, |known, session| {
            known | (session.secret.matches(secret) & (session.ends > now))
        })
    }

    /// Ends the session with this secret; whether there was one.
    pub(crate) fn close(&self, secret: &str) -> bool {
        let mut open = self.lock();
        let before = open.sessions.len();
        open.sessions.retain(|session| !session.secret.matches(secret));
        open.sessions.len() < before
    }

    /// How many are open, and how many were pushed out by newer ones.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let open = self.lock();
        (open.sessions.len(), open.pushed_out)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a session lasts.
pub(crate) const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// How many sessions are open at most.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_after_its_lifetime() {
        let (clock, hand) = Clock::manual();
        let sessions = Sessions::new(clock);
        let secret = sessions.open().unwrap();
        hand.advance(LIFETIME - Duration::from_secs(1));
        assert!(sessions.knows(secret.reveal()));
        hand.advance(Duration::from_secs(1));
        assert!(!sessions.knows(secret.reveal()));
    }

    #[test]
    fn a_closed_session_is_forgotten() {
        let sessions = Sessions::new(Clock::system());
        let (one, two) = (sessions.open().unwrap(), sessions.open().unwrap());
        assert!(sessions.close(one.reveal()));
        assert!(!sessions.close(one.reveal()));
        assert!(!sessions.knows(one.reveal()));
        assert!(sessions.knows(two.reveal()));
    }

    #[test]
    fn the_number_of_sessions_is_bounded_and_the_pushed_out_are_counted() {
        let sessions = Sessions::new(Clock::system());
        let first = sessions.open().unwrap();
        for _ in 0..MOST {
            sessions.open().unwrap();
        }
        assert_eq!(sessions.counts(), (MOST, 1));
        assert!(!sessions.knows(first.reveal()));
    }
}
