//! `#[derive(Plain)]` finds its trait through `perfkit`.

use perfkit::cache::{Plain, PlainCache};

/// Which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Plain)]
pub enum Side {
    /// One.
    Buy,
    /// The other.
    Sell,
}

/// With fields of every kind.
#[derive(Clone, Copy, Debug, PartialEq, Plain)]
#[plain(crate = perfkit::cache)]
pub struct Quote {
    r#type: Side,
    price: f64,
    size: [u32; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Plain)]
struct Id(u64, Side);

#[derive(Clone, Copy, Debug, PartialEq, Plain)]
struct Nothing;

#[test]
fn pairs_of_derived_types_are_kept() {
    let quotes: PlainCache<Id, Quote> = PlainCache::builder().max_entries(10).build().unwrap();
    let quote = Quote { r#type: Side::Sell, price: 9.5, size: [3, 4] };
    quotes.insert(Id(1, Side::Sell), quote);
    assert_eq!(quotes.get(&Id(1, Side::Sell)), Some(quote));
    assert_eq!(quotes.get(&Id(1, Side::Buy)), None);
    assert_eq!((Id::WORDS, Quote::WORDS, Nothing::WORDS), (2, 4, 0));
}
