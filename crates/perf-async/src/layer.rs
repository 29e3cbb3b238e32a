//! A tower layer: each request is one operation.

use crate::driver::BoxError;
use crate::sync::Arc;
use crate::{Manager, Operation, OperationError};
use perf_core::Priority;
use std::borrow::Cow;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// A tower layer: each request is one operation of a [`Manager`], of one kind, with the kind's
/// limits and time-outs.
///
/// The service is always ready, and holds no place until its future is polled: a caller who has
/// asked whether it is ready and then goes away, or takes its time, keeps nobody else waiting. The
/// inner service is cloned for each request, and asked whether it is ready inside the operation,
/// when its turn has come. If the queue is full, the answer is [`OperationError::Overloaded`].
///
/// Dropping the response future drops the operation, unless others share it by its key.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use perf_async::{Manager, OperationsLayer};
/// use perf_core::Priority;
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// let manager = Manager::builder().max_concurrent(16).build()?;
/// let length = service_fn(|text: String| async move { Ok::<_, std::io::Error>(text.len()) });
/// let mut service = ServiceBuilder::new()
///     .layer(
///         OperationsLayer::new(&manager, "length")
///             .priority(|_: &String| Priority::HIGHEST)
///             .key(|text| Some(text.clone())),
///     )
///     .service(length);
/// assert_eq!(service.ready().await?.call("four".to_owned()).await?, 4);
/// # Ok(())
/// # }
/// ```
pub struct OperationsLayer<R, K = Unkeyed> {
    settings: Settings<R, K>,
}

/// The service that an [`OperationsLayer`] makes.
pub struct OperationsService<S, R, K = Unkeyed> {
    inner: S,
    settings: Settings<R, K>,
}

struct Settings<R, K> {
    manager: Manager,
    kind: Cow<'static, str>,
    priority: Option<Reads<R, Priority>>,
    key: K,
}

/// What is read off a request.
type Reads<R, V> = Arc<dyn Fn(&R) -> V + Send + Sync>;

impl<R> OperationsLayer<R> {
    /// Each request is an operation of that kind, of priority 5 and without a key.
    pub fn new(manager: &Manager, kind: impl Into<Cow<'static, str>>) -> OperationsLayer<R> {
        let (manager, kind) = (manager.clone(), kind.into());
        OperationsLayer { settings: Settings { manager, kind, priority: None, key: Unkeyed } }
    }
}

impl<R, K> OperationsLayer<R, K> {
    /// How urgent each request is. The default is 5.
    #[must_use]
    pub fn priority<F>(mut self, priority: F) -> OperationsLayer<R, K>
    where
        F: Fn(&R) -> Priority + Send + Sync + 'static,
    {
        self.settings.priority = Some(Arc::new(priority));
        self
    }

    /// Makes one operation of the requests with the same key that wait or run: the inner service is
    /// called once and each caller gets a copy of its response, which must be `Clone`. `None` keeps
    /// a request by itself.
    ///
    /// As with [`Operation::key`], one who joins brings a priority and nothing else.
    #[must_use]
    pub fn key<F>(self, key: F) -> OperationsLayer<R, Keyed<R>>
    where
        F: Fn(&R) -> Option<String> + Send + Sync + 'static,
    {
        let Settings { manager, kind, priority, .. } = self.settings;
        let key = Keyed { key: Arc::new(key) };
        OperationsLayer { settings: Settings { manager, kind, priority, key } }
    }
}

impl<S, R, K: Clone> Layer<S> for OperationsLayer<R, K> {
    type Service = OperationsService<S, R, K>;

    fn layer(&self, inner: S) -> OperationsService<S, R, K> {
        OperationsService { inner, settings: self.settings.clone() }
    }
}

impl<S, R, K> Service<R> for OperationsService<S, R, K>
where
    S: Service<R> + Clone + Send + 'static,
    S::Response: Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    R: Send + 'static,
    K: Keying<R, S::Response>,
{
    type Response = S::Response;
    type Error = OperationError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, OperationError>> + Send>>;

    /// Always ready: places are taken when a request's turn has come, and never before.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OperationError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let settings = &self.settings;
        let priority = settings.priority.as_ref().map_or(Priority::NORMAL, |of| of(&request));
        let key = settings.key.of(&request);
        let mut inner = self.inner.clone();
        let answer = async move {
            poll_fn(|cx| inner.poll_ready(cx)).await.map_err(Into::into)?;
            inner.call(request).await.map_err(Into::<BoxError>::into)
        };
        let operation = Operation::new(settings.kind.clone(), answer).priority(priority);
        let manager = settings.manager.clone();
        match key {
            Some(key) => {
                let operation = K::share(operation, key);
                Box::pin(async move { manager.run(operation).await })
            }
            None => Box::pin(async move { manager.run(operation).await }),
        }
    }
}

/// How requests are made one: [`Unkeyed`] or [`Keyed`].
pub trait Keying<R, T>: sealed::Sealed {
    /// The key of a request.
    fn of(&self, request: &R) -> Option<String>;
    /// Gives it to the operation.
    fn share<W>(operation: Operation<T, W>, key: String) -> Operation<T, W>;
}

/// Each request is an operation by itself.
#[derive(Clone, Copy, Debug)]
pub struct Unkeyed;

/// Requests with the same key are one operation.
pub struct Keyed<R> {
    key: Reads<R, Option<String>>,
}

impl<R, T> Keying<R, T> for Unkeyed {
    fn of(&self, _: &R) -> Option<String> {
        None
    }

    fn share<W>(operation: Operation<T, W>, _: String) -> Operation<T, W> {
        operation
    }
}

impl<R, T: Clone> Keying<R, T> for Keyed<R> {
    fn of(&self, request: &R) -> Option<String> {
        (self.key)(request)
    }

    fn share<W>(operation: Operation<T, W>, key: String) -> Operation<T, W> {
        operation.key(key)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Unkeyed {}
    impl<R> Sealed for super::Keyed<R> {}
}

impl<R> Clone for Keyed<R> {
    fn clone(&self) -> Keyed<R> {
        Keyed { key: Arc::clone(&self.key) }
    }
}

impl<R, K: Clone> Clone for Settings<R, K> {
    fn clone(&self) -> Settings<R, K> {
        Settings {
            manager: self.manager.clone(),
            kind: self.kind.clone(),
            priority: self.priority.clone(),
            key: self.key.clone(),
        }
    }
}

impl<R, K: Clone> Clone for OperationsLayer<R, K> {
    fn clone(&self) -> OperationsLayer<R, K> {
        OperationsLayer { settings: self.settings.clone() }
    }
}

impl<S: Clone, R, K: Clone> Clone for OperationsService<S, R, K> {
    fn clone(&self) -> OperationsService<S, R, K> {
        OperationsService { inner: self.inner.clone(), settings: self.settings.clone() }
    }
}

impl<R> fmt::Debug for Keyed<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyed")
    }
}

impl<R, K> fmt::Debug for OperationsLayer<R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationsLayer").field("kind", &self.settings.kind).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, R, K> fmt::Debug for OperationsService<S, R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationsService")
            .field("inner", &self.inner)
            .field("kind", &self.settings.kind)
            .finish_non_exhaustive()
    }
}
