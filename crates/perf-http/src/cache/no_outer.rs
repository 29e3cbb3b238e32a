//! There are no tiers beyond memory: the feature `tiers` is off.

use super::entry::StoredResponse;
use super::key::ResponseKey;
use super::status::Place;
use crate::body::BoxError;
use perf_core::Glob;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// None.
#[derive(Debug)]
pub(crate) enum OuterTiers {}

#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) stored: StoredResponse,
    pub(crate) place: Place,
}

#[expect(dead_code, reason = "nothing is found where there is no tier")]
pub(crate) enum Looked {
    Known(Option<Found>),
    Later(Looking),
}

pub(crate) type Looking = Pin<Box<dyn Future<Output = Option<Found>> + Send>>;

impl OuterTiers {
    pub(crate) fn look(&self, _: &ResponseKey) -> Looked {
        match *self {}
    }

    pub(crate) fn reserve(&self, _: &ResponseKey) {
        match *self {}
    }

    pub(crate) fn keep(&self, (): (), _: StoredResponse, _: Duration) {
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
