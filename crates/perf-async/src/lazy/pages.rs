//! A long list, read page by page, some pages ahead.

mod builder;

pub use builder::PagesBuilder;

use super::Loading;
use crate::sync::Arc;
use crate::{Handle, OperationError};
use builder::Settings;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A long list, read page by page, some pages ahead.
///
/// Each page is one operation of the manager. While the caller works on a page, the next are loaded,
/// at most as many as [`read_ahead`](PagesBuilder::read_ahead) says, with low priority; the page that
/// somebody waits for is lifted. Nothing is loaded before the first page is asked for.
///
/// An error belongs to its page: it is answered once, and the next call tries the same page again.
/// Pages that were loaded ahead behind it are kept. Dropping it cancels what is being loaded.
///
/// With the feature `stream` it is a `futures_core::Stream` of pages. A stream that meets an error
/// goes on with the same page, so stop at the first error or bound the tries.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use perf_async::{Manager, Page, Pages};
///
/// let manager = Manager::builder().build()?;
/// let mut pages = Pages::builder(&manager, "rows").load(|request| async move {
///     let rows: Vec<u64> = (0..120).skip(request.offset as usize).take(request.size).collect();
///     Ok::<_, std::io::Error>(Page::new(rows).total(120))
/// })?;
/// let mut sizes = Vec::new();
/// while let Some(rows) = pages.next_page().await? {
///     sizes.push(rows.len());
/// }
/// assert_eq!(sizes, [50, 50, 20]);
/// assert_eq!(pages.total(), Some(120));
/// # Ok(())
/// # }
/// ```
pub struct Pages<T: Send + 'static> {
    settings: Settings,
    load: Arc<dyn Fn(PageRequest) -> Loading<Page<T>> + Send + Sync>,
    /// The page that is answered next, and those ahead of it.
    window: VecDeque<Slot<T>>,
    next: u64,
    total: Option<u64>,
    /// Known once a page said so, came back short, or the total was reached.
    end: Option<u64>,
    /// Somebody has begun to wait for the page.
    polled: bool,
    stats: PagesStats,
}

enum Slot<T: Send + 'static> {
    Loading {
        handle: Handle<Page<T>>,
        is_ahead: bool,
    },
    /// It stands in front and failed; the next call loads it again.
    Failed,
}

/// Which page is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageRequest {
    /// Its number, from zero.
    pub page: u64,
    /// How many items come before it.
    pub offset: u64,
    /// How many items it may have.
    pub size: usize,
}

/// One page of a list, as the loader answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    items: Vec<T>,
    total: Option<u64>,
    has_more: Option<bool>,
}

impl<T> Page<T> {
    /// A page with these items. Unless more is said, one with fewer items than were wanted is the
    /// last.
    #[must_use]
    pub fn new(items: Vec<T>) -> Page<T> {
        Page { items, total: None, has_more: None }
    }

    /// The same, with the number of items that all pages have together.
    #[must_use]
    pub fn total(mut self, items: u64) -> Page<T> {
        self.total = Some(items);
        self
    }

    /// The same, saying whether another page follows; this counts more than the number of items.
    #[must_use]
    pub fn has_more(mut self, has_more: bool) -> Page<T> {
        self.has_more = Some(has_more);
        self
    }
}

impl<T> From<Vec<T>> for Page<T> {
    fn from(items: Vec<T>) -> Page<T> {
        Page::new(items)
    }
}

/// What reading pages has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PagesStats {
    /// Pages answered.
    pub pages: u64,
    /// Items in them.
    pub items: u64,
    /// Pages and errors that were there when they were first asked for.
    pub hits: u64,
    /// Loads begun, also those ahead and those again.
    pub loads: u64,
    /// Loads that failed.
    pub failures: u64,
    /// Loads put off or refused because too many operations waited.
    pub turned_away: u64,
    /// Pages loaded ahead that turned out to lie behind the end.
    pub wasted: u64,
}

impl<T: Send + 'static> Pages<T> {
    /// The items of the next page; `None` after the last. Dropping this future loses nothing: the
    /// next call answers the same page.
    ///
    /// # Errors
    ///
    /// [`OperationError`] if the page could not be loaded, or was turned away. The next call tries
    /// it again.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer enabled.
    pub async fn next_page(&mut self) -> Result<Option<Vec<T>>, OperationError> {
        poll_fn(|cx| self.poll_page(cx)).await.transpose()
    }

    /// Whether another page may follow: `false` once the last has been answered.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.end.is_none_or(|end| self.next < end)
    }

    /// How many items all pages have together, once a page has said so.
    #[must_use]
    pub const fn total(&self) -> Option<u64> {
        self.total
    }

    /// The number of the page that is answered next, from zero.
    #[must_use]
    pub const fn next_number(&self) -> u64 {
        self.next
    }

    /// What reading has cost so far.
    #[must_use]
    pub const fn stats(&self) -> PagesStats {
        self.stats
    }

    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<T>, OperationError>>> {
        if !self.has_more() {
            return Poll::Ready(None);
        }
        if let Err(error) = self.fill() {
            return Poll::Ready(Some(Err(error)));
        }
        let Some(Slot::Loading { handle, is_ahead }) = self.window.front_mut() else {
            unreachable!("filling puts a load in front or fails")
        };
        let polled = Pin::new(&mut *handle).poll(cx);
        let Poll::Ready(result) = polled else {
            self.polled = true;
            if std::mem::replace(is_ahead, false) {
                handle.set_priority(self.settings.priority);
            }
            return Poll::Pending;
        };
        self.stats.hits += u64::from(!std::mem::replace(&mut self.polled, false));
        Poll::Ready(match result {
            Ok(page) => {
                self.window.pop_front();
                Some(Ok(self.answer(page)))
            }
            Err(error) => {
                self.stats.failures += 1;
                self.window[0] = Slot::Failed;
                Some(Err(error))
            }
        })
    }

    fn answer(&mut self, page: Page<T>) -> Vec<T> {
        let Page { items, total, has_more } = page;
        let size = self.settings.size as u64;
        self.next += 1;
        self.stats.pages += 1;
        self.stats.items += items.len() as u64;
        if let Some(total) = total {
            self.total = Some(total);
        }
        let has_more = has_more.unwrap_or_else(|| match total.or(self.total) {
            Some(total) => self.next.saturating_mul(size) < total,
            None => items.len() >= self.settings.size,
        });
        if !has_more {
            self.end = Some(self.next);
            self.stats.wasted += self.window.len() as u64;
            // Dropping the handles cancels what they wait for.
            self.window.clear();
        } else {
            // While the caller works on this page, the next are loaded. What is turned away now is
            // tried again when it is needed.
            self.fill().unwrap_or_default();
        }
        items
    }

    /// Starts what is missing in the window.
    ///
    /// Fails only if the page in front cannot be started.
    fn fill(&mut self) -> Result<(), OperationError> {
        for place in 0..=self.settings.read_ahead {
            match self.window.get(place) {
                Some(Slot::Loading { .. }) => continue,
                Some(Slot::Failed) | None => {}
            }
            let number = self.next + place as u64;
            if place > 0 && self.is_behind_total(number) {
                break;
            }
            match self.start(number, place > 0) {
                Ok(slot) if place < self.window.len() => self.window[place] = slot,
                Ok(slot) => self.window.push_back(slot),
                Err(error) => {
                    self.stats.turned_away += 1;
                    return if place == 0 { Err(error) } else { Ok(()) };
                }
            }
        }
        Ok(())
    }

    fn is_behind_total(&self, number: u64) -> bool {
        let offset = number.saturating_mul(self.settings.size as u64);
        self.total.is_some_and(|total| offset >= total)
    }

    fn start(&mut self, page: u64, is_ahead: bool) -> Result<Slot<T>, OperationError> {
        let size = self.settings.size;
        let request = PageRequest { page, offset: page.saturating_mul(size as u64), size };
        let load = Arc::clone(&self.load);
        let operation = self.settings.operation(move |_| load(request), is_ahead);
        let handle = self.settings.manager.submit(operation)?.cancel_on_drop();
        self.stats.loads += 1;
        Ok(Slot::Loading { handle, is_ahead })
    }
}

#[cfg(feature = "stream")]
impl<T: Send + 'static> futures_core::Stream for Pages<T> {
    type Item = Result<Vec<T>, OperationError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_page(cx)
    }
}

impl<T: Send + 'static> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("name", &self.settings.name)
            .field("next", &self.next)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}
