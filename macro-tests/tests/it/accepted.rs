//! What compiles without a warning and finds its way through `perfkit`.

use perfkit::cache::{Registry, cached, cached_api_response};

/// Documented and public, so that its cache has to be as well.
#[cached(ttl = "5m", max_bytes = "1MiB", size = |text| 2 * text.len(), refresh_after = 0.5)]
#[must_use]
pub fn shown(number: u64) -> String {
    number.to_string()
}

#[cached_api_response(tags = [format!("half:{number}")])]
async fn half(number: u64) -> Result<u64, String> {
    if number.is_multiple_of(2) { Ok(number / 2) } else { Err(format!("{number} is odd")) }
}

#[cached(crate = perfkit::cache, max_entries = 2)]
fn third(number: u64) -> Option<u64> {
    number.is_multiple_of(3).then_some(number / 3)
}

#[cached(crate = "::perfkit::cache", kind = session)]
fn quarter(r#type: u64) -> u64 {
    r#type / 4
}

/// Has methods.
#[derive(Debug)]
pub struct Shop {
    id: u64,
}

impl Shop {
    /// Opens one.
    #[cached]
    pub fn open(id: u64) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self { id })
    }

    /// The price.
    #[cached(key: (u64, String) = (self.id, product.to_owned()))]
    pub fn price(&self, product: &str) -> u64 {
        self.id + product.len() as u64
    }
}

#[test]
fn the_macros_find_their_crate_through_perfkit() {
    assert_eq!((shown(7), shown(7)), ("7".to_owned(), "7".to_owned()));
    assert_eq!(shown_cache().stats().hits, 1);
    assert_eq!((third(9), third(10)), (Some(3), None));
    assert_eq!((quarter(8), quarter_cache().get(&8)), (2, Some(2)));
    assert_eq!(Shop::open(1).price("tea"), 4);
    assert_eq!(Shop::price_cache().len(), 1);
    assert!(Registry::global().get("it::accepted::shown").is_some());
    let mut future = std::pin::pin!(half(8));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let ready = future.as_mut().poll(&mut context);
    assert_eq!(ready, std::task::Poll::Ready(Ok(4)));
    assert_eq!(half_cache().invalidate_tag("half:8").at_most, 1);
}
