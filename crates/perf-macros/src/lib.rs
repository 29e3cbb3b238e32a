//! The derive macros of perfkit. Use them through the crates whose traits they implement:
//! `perf-cache` re-exports `Plain` with its feature `derive`.

mod plain;

use proc_macro::TokenStream;

/// Derives `Plain` of `perf-cache`: for structs, word for word in the order of their fields, each
/// of which must be `Plain`; and for enums whose variants carry nothing, as one word.
#[proc_macro_derive(Plain)]
pub fn derive_plain(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    plain::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
