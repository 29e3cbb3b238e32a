//! What does not compile, and what is said about it.

/// With `TRYBUILD=overwrite` the texts are written anew.
#[test]
fn mistakes_are_told_where_they_are() {
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}
