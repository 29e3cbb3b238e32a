//! Who is told of invalidations.

use crate::site::{FRESH, Site, TEXT, reply};
use http::Uri;
use perf_core::Glob;
use perf_http::Invalidation;
use std::sync::{Arc, Mutex};

#[tokio::test]
async fn what_somebody_invalidates_by_a_call_is_told_and_nothing_else() {
    let told = Arc::<Mutex<Vec<String>>>::default();
    let of_it = Arc::clone(&told);
    let tell = move |invalidation: &Invalidation<'_>| {
        of_it.lock().unwrap().push(match invalidation {
            Invalidation::Key(key) => format!("key {key}"),
            Invalidation::Matching(keys) => format!("matching {}", keys.as_str()),
            Invalidation::Tag(tag) => format!("tag {tag}"),
            Invalidation::All => "all".to_owned(),
            other => format!("{other:?}"),
        });
    };
    let site = Site::built(
        |builder| builder.on_invalidation(tell),
        |_, call| reply(&[FRESH, TEXT], call.to_string()),
    );
    site.get("/a").await;
    site.ask("DELETE", "/a", &[]).await;
    assert!(!site.get("/a").await.is_hit());
    assert!(told.lock().unwrap().is_empty(), "a client can not make others forget");
    site.cache.invalidate(&Uri::from_static("http://h.org/a?b")).unwrap();
    site.cache.invalidate_key("h.org/c").unwrap();
    site.cache.invalidate_matching(&Glob::new("h.org/d/*").unwrap()).unwrap();
    site.cache.invalidate_tag("t").unwrap();
    site.cache.clear().unwrap();
    let expected = ["key h.org/a?b", "key h.org/c", "matching h.org/d/*", "tag t", "all"];
    assert_eq!(*told.lock().unwrap(), expected);
}
