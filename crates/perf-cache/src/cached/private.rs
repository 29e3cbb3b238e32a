//! What the code calls that `#[cached]` writes. No part of the interface: it changes as the macro
//! does.

mod by_ref;
mod elsewhere;
mod loads;
mod making;

use std::hash::Hash;
use std::marker::PhantomData;

pub use by_ref::ByRef;
pub use elsewhere::{fetch, fetch_async, fetch_result, fetch_result_async};
pub use loads::{
    OwnErrors, SharedErrors, cache, glance, once, option, option_async, value, value_async,
};
pub use making::{Bytes, Slot, keep, share, weigher, weigher_of_values};
pub use perf_core::ByteSize;

/// What may be part of a key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of the key of a cache",
    label = "is not `Hash + Eq + Clone + Send + Sync + 'static`",
    note = "say what entries go by, as `key = (..)` of other parameters"
)]
pub trait KeyPart {}
impl<T: Hash + Eq + Clone + Send + Sync + 'static> KeyPart for T {}

/// What may be kept.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a cache",
    label = "is not `Clone + Send + Sync + 'static`",
    note = "answer it in an `Arc`"
)]
pub trait Kept {}
impl<T: Clone + Send + Sync + 'static> Kept for T {}

/// Points at what cannot be part of a key.
pub const fn key_part<T: KeyPart>() {}

/// Points at what cannot be kept.
pub const fn kept<T: Kept>() {}

/// A `Result`, by whatever name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `Result`",
    label = "is no `Result`",
    note = "leave `result = true` out, or say `result = false` where only its name is `Result`"
)]
pub trait Fallible {
    /// What is in `Ok`.
    type Value;
    /// What is in `Err`.
    type Error;
}

impl<V, E> Fallible for Result<V, E> {
    type Value = V;
    type Error = E;
}

/// An `Option`, by whatever name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `Option`",
    label = "is no `Option`",
    note = "leave `option = true` out, or say `option = false` where only its name is `Option`"
)]
pub trait Optional {
    /// What is in `Some`.
    type Value;
}

impl<V> Optional for Option<V> {
    type Value = V;
}

/// Asks what a type is whose name does not say it: a constant of its own is found before that of a
/// trait.
#[derive(Debug)]
pub struct Named<T>(PhantomData<T>);

impl<V, E> Named<Result<V, E>> {
    /// It is.
    pub const IS_RESULT: bool = true;
}

impl<V> Named<Option<V>> {
    /// It is.
    pub const IS_OPTION: bool = true;
}

/// What holds for all types that have no constants of their own.
pub trait NoResultOrOption {
    /// It is not.
    const IS_RESULT: bool = false;
    /// It is not.
    const IS_OPTION: bool = false;
}

impl<T> NoResultOrOption for Named<T> {}

/// Asks whether all who wait for a load can have its error.
#[derive(Debug)]
pub struct Failing<E>(PhantomData<fn() -> E>);

impl<E> Failing<E> {
    /// About this type of error.
    #[expect(clippy::new_without_default, reason = "called by the macro only")]
    pub const fn new() -> Failing<E> {
        Failing(PhantomData)
    }
}

impl<E: Clone + Send + Sync + 'static> Failing<E> {
    /// They can.
    pub const IS_SHARED: bool = true;
}

/// What holds for the errors that have no constant of their own.
pub trait NotShared {
    /// They cannot.
    const IS_SHARED: bool = false;
}

impl<E> NotShared for Failing<E> {}

/// Errors that can be shared. Found first, since the other needs one reference more.
pub trait Share {
    /// How they are handed out.
    fn errors(&self) -> SharedErrors {
        SharedErrors
    }
}

impl<E: Clone + Send + Sync + 'static> Share for Failing<E> {}

/// All other errors.
pub trait Own {
    /// How they are handed out.
    fn errors(&self) -> OwnErrors {
        OwnErrors
    }
}

impl<E> Own for &Failing<E> {}
