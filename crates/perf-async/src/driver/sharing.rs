//! Callers who want what is under way already, or has been made a moment ago.

use super::batch::Taken;
use super::door::CoreGuard;
use super::group::Group;
use super::kept::{Keep, Value};
use super::shared::{Shared, group_of};
use crate::operation::{Choices, Key};
use crate::sync::Arc;
use crate::{OperationError, OperationKey, Refused, Source};
use perf_core::{Instant, Priority};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The key of one caller's operation, and how to copy the value for those who share it.
pub(super) struct ShareKey<T> {
    pub(super) key: OperationKey,
    copy: fn(&T) -> T,
}

impl<T: 'static> ShareKey<T> {
    pub(super) fn new(kind: Cow<'static, str>, key: Key<T>) -> ShareKey<T> {
        ShareKey { key: OperationKey::new::<T>(kind, key.name), copy: key.copy }
    }

    /// Sees to it that the value is found by this key, if it is to be kept.
    pub(super) fn note_in(&self, choices: &mut Choices<T>) {
        if let Some(Keep { key, .. }) = choices.as_mut().and_then(|chosen| chosen.keep.as_mut()) {
            *key = Some(Arc::new(self.key.clone()));
        }
    }
}

impl<T> From<ShareKey<T>> for Key<T> {
    fn from(key: ShareKey<T>) -> Key<T> {
        Key { name: key.key.into_key(), copy: key.copy }
    }
}

type Locked<'a> = CoreGuard<'a>;

impl Shared {
    /// The moment, if any value is kept that might answer; taken without a lock.
    pub(super) fn moment_for_kept(&self) -> Option<Instant> {
        (self.kept.len() > 0).then(|| self.clock.now())
    }

    /// Joins the operation with that key, or answers with the value that one has left. The lock
    /// comes back if there is neither.
    pub(super) fn share<'a, T: Send + 'static>(
        self: &Arc<Self>,
        mut core: Locked<'a>,
        key: &ShareKey<T>,
        priority: Priority,
        now: Option<Instant>,
    ) -> Result<Result<Taken<T>, Refused>, Locked<'a>> {
        if core.is_closed() {
            return Err(core);
        }
        if let Some(id) = core.find(&key.key) {
            let group = group_of::<T>(core.payload(id));
            let Some(number) = group.join(core.queue_limit(), key.copy) else {
                return match core.kind_of(id) {
                    Some(kind) => Ok(Err(core.reject(kind).into())),
                    None => Err(core),
                };
            };
            core.join(id, priority);
            self.go_on(core);
            return Ok(Ok((id, group, number)));
        }
        let Some((id, value)) = now.and_then(|now| self.kept.get(&key.key, now)) else {
            return Err(core);
        };
        drop(core); // Before the value is copied, which is the user's code.
        let group = Group::new();
        group.settle(copied(&value, key.copy), Source::Kept);
        Ok(Ok((id, group, 0)))
    }
}

fn copied<T: 'static>(value: &Value, copy: fn(&T) -> T) -> Result<T, OperationError> {
    let value: &T = value.downcast_ref().expect("the key holds the type of the value");
    catch_unwind(AssertUnwindSafe(|| copy(value))).map_err(super::attempt::panicked)
}
