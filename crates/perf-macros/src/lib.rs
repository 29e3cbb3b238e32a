//! The macros of perfkit. Use them through the crates whose traits and types they are for:
//! `perf-cache` re-exports `Plain` with its feature `derive`, and `cached` with its feature
//! `macros`.

#[cfg(feature = "cached")]
mod cached;
mod crate_path;
mod plain;

use proc_macro::TokenStream;

/// Derives `Plain` of `perf-cache`: for structs, word for word in the order of their fields, each
/// of which must be `Plain`; and for enums whose variants carry nothing, as one word.
///
/// `#[plain(crate = path)]` says where `perf-cache` is found, if neither it nor `perfkit` is a direct
/// dependency.
#[proc_macro_derive(Plain, attributes(plain))]
pub fn derive_plain(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    plain::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Comes from `perf-macros`; `perf-cache` says what it does.
#[cfg(feature = "cached")]
#[proc_macro_attribute]
pub fn cached(args: TokenStream, item: TokenStream) -> TokenStream {
    expand(args, item, None)
}

/// Comes from `perf-macros`: `#[cached(api_response)]`.
#[cfg(feature = "cached")]
#[proc_macro_attribute]
pub fn cached_api_response(args: TokenStream, item: TokenStream) -> TokenStream {
    expand(args, item, Some(cached::Preset::ApiResponse))
}

/// Comes from `perf-macros`: `#[cached(db_query)]`.
#[cfg(feature = "cached")]
#[proc_macro_attribute]
pub fn cached_database_query(args: TokenStream, item: TokenStream) -> TokenStream {
    expand(args, item, Some(cached::Preset::DbQuery))
}

/// Where it cannot be cached the function stays as it is, so that there is one error only.
#[cfg(feature = "cached")]
fn expand(args: TokenStream, item: TokenStream, preset: Option<cached::Preset>) -> TokenStream {
    let function = item.clone();
    match cached::expand(args.into(), item.into(), preset) {
        Ok(written) => written.into(),
        Err(error) => {
            let mut written = TokenStream::from(error.into_compile_error());
            written.extend(function);
            written
        }
    }
}
