//! There is no tier on disk: the feature `disk` is off.

use super::entry::StoredResponse;
use super::key::ResponseKey;
use crate::body::BoxError;
use perf_core::Glob;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// None.
#[derive(Debug)]
pub(crate) enum DiskTier {}

#[expect(dead_code, reason = "nothing is found where there is no disk")]
pub(crate) enum Looked {
    Known(Option<StoredResponse>),
    Later(Looking),
}

pub(crate) type Looking = Pin<Box<dyn Future<Output = Option<StoredResponse>> + Send>>;

impl DiskTier {
    pub(crate) fn look(&self, _: &ResponseKey) -> Looked {
        match *self {}
    }

    pub(crate) fn keep(&self, _: &ResponseKey, _: StoredResponse, _: Duration) {
        match *self {}
    }

    pub(crate) fn forget(&self, _: &ResponseKey) -> Result<(), BoxError> {
        match *self {}
    }

    pub(crate) fn forget_tag(&self, _: &str) -> Result<(), BoxError> {
        match *self {}
    }

    pub(crate) fn forget_matching(&self, _: &Glob) -> Result<(), BoxError> {
        match *self {}
    }

    pub(crate) fn clear(&self) -> Result<(), BoxError> {
        match *self {}
    }
}
