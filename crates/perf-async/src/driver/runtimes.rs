//! The runtimes in which what waits is to run.

use std::mem::replace;
use tokio::runtime::{Handle as Runtime, Id as RuntimeId};

/// A handle for each, counted plainly under the lock that is held anyway: one of its own for each
/// operation would be eight bytes more, and its count a line that all threads write to.
#[derive(Debug, Default)]
pub(super) struct Runtimes {
    all: Vec<Entry>,
    /// The last one that somebody came from.
    last: usize,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct RuntimeAt(u32);

#[derive(Debug)]
struct Entry {
    runtime: Runtime,
    /// How many wait that are to run in it.
    waiting: usize,
}

impl Runtimes {
    /// Notes one more that waits. O(1) if it comes from where the last one did, else O(runtimes).
    ///
    /// One that nothing waits for any more may be left in the place of this one, to be dropped
    /// without the lock.
    pub(super) fn enter(&mut self, runtime: &mut Runtime) -> RuntimeAt {
        let id = runtime.id();
        if self.all.get(self.last).is_none_or(|entry| entry.runtime.id() != id) {
            let unused = || self.all.iter().position(|entry| entry.waiting == 0);
            let known = self.all.iter().position(|entry| entry.runtime.id() == id);
            self.last = match known.or_else(unused) {
                Some(at) => at,
                None => {
                    self.all.push(Entry { runtime: runtime.clone(), waiting: 0 });
                    self.all.len() - 1
                }
            };
            let entry = &mut self.all[self.last];
            if entry.runtime.id() != id {
                let before = replace(&mut entry.runtime, runtime.clone());
                *runtime = before;
            }
        }
        self.all[self.last].waiting += 1;
        RuntimeAt(self.last as u32)
    }

    /// Notes that one waits no longer.
    pub(super) fn leave(&mut self, at: RuntimeAt) {
        self.all[at.0 as usize].waiting -= 1;
    }

    /// The same; answers the runtime that it is to run in, unless that is this one.
    pub(super) fn leave_for(&mut self, at: RuntimeAt, here: Option<RuntimeId>) -> Option<Runtime> {
        self.leave(at);
        let runtime = &self.all[at.0 as usize].runtime;
        (Some(runtime.id()) != here).then(|| runtime.clone())
    }

    /// Whether that is one of these.
    pub(super) fn is_among(&self, at: RuntimeAt, these: &[RuntimeId]) -> bool {
        these.contains(&self.all[at.0 as usize].runtime.id())
    }

    /// One that something waits for, other than these.
    pub(super) fn other_than(&self, without: &[RuntimeId]) -> Option<Runtime> {
        let waited = self.all.iter().filter(|entry| entry.waiting > 0);
        let mut others = waited.filter(|entry| !without.contains(&entry.runtime.id()));
        others.next().map(|entry| entry.runtime.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_that_nothing_waits_for_make_room() {
        let build = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (first, second, third) = (build(), build(), build());
        let handle = |runtime: &tokio::runtime::Runtime| runtime.handle().clone();
        let mut runtimes = Runtimes::default();
        let at = runtimes.enter(&mut handle(&first));
        let again = runtimes.enter(&mut handle(&first));
        let other = runtimes.enter(&mut handle(&second));
        assert_eq!((at.0, again.0, other.0), (0, 0, 1));
        runtimes.leave(at);
        let found = runtimes.other_than(&[second.handle().id()]).unwrap();
        assert_eq!(found.id(), first.handle().id());
        assert!(runtimes.leave_for(again, Some(first.handle().id())).is_none());
        assert!(runtimes.other_than(&[second.handle().id()]).is_none());
        let mut given = handle(&third);
        assert_eq!(runtimes.enter(&mut given).0, 0);
        assert_eq!(given.id(), first.handle().id());
        let needed = runtimes.leave_for(other, Some(third.handle().id())).unwrap();
        assert_eq!(needed.id(), second.handle().id());
    }
}
