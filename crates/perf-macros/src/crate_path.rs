//! Where the code that is written finds `perf-cache`.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::ParseStream;
use syn::{Error, Ident, LitStr, Path, Result};

/// The path of `perf-cache`: as said by `crate = ..`, or as the manifest of the crate at hand has
/// it, by itself or within `perfkit`.
pub(crate) fn find(said: Option<&Path>) -> Result<TokenStream> {
    if let Some(path) = said {
        return Ok(quote!(#path));
    }
    // In the tests, examples and documentation of these crates themselves their names are found, too.
    if let Ok(found) = crate_name("perf-cache") {
        let name = ident(&found, "perf_cache");
        return Ok(quote!(::#name));
    }
    if let Ok(found) = crate_name("perfkit") {
        let name = ident(&found, "perfkit");
        return Ok(quote!(::#name::cache));
    }
    let problem = "neither `perf-cache` nor `perfkit` is among the dependencies: say where one is, \
                   as `crate = other::perf_cache`";
    Err(Error::new(Span::call_site(), problem))
}

/// What was said: a path, or a text with one.
pub(crate) fn parse(input: ParseStream<'_>) -> Result<Path> {
    if input.peek(LitStr) {
        let text = input.parse::<LitStr>()?;
        return text.parse_with(Path::parse_mod_style).map_err(|_| {
            let problem =
                "this is not the path of a crate: write it as `crate = other::perf_cache`";
            Error::new_spanned(&text, problem)
        });
    }
    input.call(Path::parse_mod_style)
}

fn ident(found: &FoundCrate, own: &str) -> Ident {
    let name = match found {
        FoundCrate::Itself => own,
        FoundCrate::Name(name) => name,
    };
    Ident::new(name, Span::call_site())
}
