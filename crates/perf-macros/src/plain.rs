//! `#[derive(Plain)]`.

use crate::crate_path;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DataEnum, DeriveInput, Error, Fields, Ident, Index, Member, Path, Result};

/// The implementation for a type.
pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    if !input.generics.params.is_empty() {
        let problem = "`Plain` cannot be derived for a type with parameters: how many words it \
                       takes must be known here; implement the trait by hand";
        return Err(Error::new_spanned(&input.generics, problem));
    }
    let krate = crate_path::find(said(input)?.as_ref())?;
    match &input.data {
        Data::Struct(data) => Ok(of_struct(&krate, &input.ident, &data.fields)),
        Data::Enum(data) => of_enum(&krate, &input.ident, data),
        Data::Union(_) => {
            let problem = "`Plain` cannot be derived for a union: nobody knows which field to read";
            Err(Error::new_spanned(&input.ident, problem))
        }
    }
}

/// The path in `#[plain(crate = path)]`.
fn said(input: &DeriveInput) -> Result<Option<Path>> {
    let mut said = None;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("plain")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("`crate = path` is all that can be said here"));
            }
            let before = said.replace(crate_path::parse(meta.value()?)?);
            if before.is_some() { Err(meta.error("`crate` is said twice")) } else { Ok(()) }
        })?;
    }
    Ok(said)
}

/// The words of the fields, one after the other.
fn of_struct(krate: &TokenStream, name: &Ident, fields: &Fields) -> TokenStream {
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let members: Vec<Member> = fields
        .iter()
        .zip(0..)
        .map(|(field, index)| match &field.ident {
            Some(name) => Member::Named(name.clone()),
            None => Member::Unnamed(Index::from(index)),
        })
        .collect();
    // A struct may have no fields, and nothing to give or take then.
    let named = |name: TokenStream| if types.is_empty() { quote!(_) } else { name };
    let (put, take) = (named(quote!(put)), named(quote!(take)));
    quote! {
        #[automatically_derived]
        impl #krate::Plain for #name {
            const WORDS: usize = 0 #(+ <#types as #krate::Plain>::WORDS)*;

            #[inline]
            fn write(&self, #put: &mut impl ::core::ops::FnMut(u64)) {
                #(<#types as #krate::Plain>::write(&self.#members, put);)*
            }

            #[inline]
            fn read(#take: &mut impl ::core::ops::FnMut() -> u64) -> Self {
                #name { #(#members: <#types as #krate::Plain>::read(take),)* }
            }
        }
    }
}

/// The place of the variant among the others.
fn of_enum(krate: &TokenStream, name: &Ident, data: &DataEnum) -> Result<TokenStream> {
    if let Some(variant) =
        data.variants.iter().find(|variant| !matches!(variant.fields, Fields::Unit))
    {
        let problem = "`Plain` cannot be derived for an enum whose variants carry something; \
                       implement the trait by hand";
        return Err(Error::new_spanned(variant, problem));
    }
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let Some((first, others)) = variants.split_first() else {
        let problem = "`Plain` cannot be derived for an enum without variants: it has no values";
        return Err(Error::new_spanned(name, problem));
    };
    let (places, other_places) = (0_u64.., 1_u64..);
    let (places, other_places) = (places.take(variants.len()), other_places.take(others.len()));
    Ok(quote! {
        #[automatically_derived]
        impl #krate::Plain for #name {
            const WORDS: usize = 1;

            #[inline]
            fn write(&self, put: &mut impl ::core::ops::FnMut(u64)) {
                put(match self {
                    #(#name::#variants => #places,)*
                });
            }

            #[inline]
            fn read(take: &mut impl ::core::ops::FnMut() -> u64) -> Self {
                match take() {
                    #(#other_places => #name::#others,)*
                    _ => #name::#first,
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::derive;
    use syn::parse_quote;

    /// The crate at hand depends on none in which the trait could be found.
    fn derived(mut input: syn::DeriveInput) -> syn::Result<String> {
        input.attrs.push(parse_quote! { #[plain(crate = "::other::perf_cache")] });
        derive(&input).map(|written| written.to_string())
    }

    #[track_caller]
    fn refused(input: syn::DeriveInput, says: &str) {
        let error = derived(input).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn what_is_refused_says_why() {
        refused(parse_quote! { struct A<T>(T); }, "type with parameters");
        refused(parse_quote! { struct A<'a>(&'a str); }, "type with parameters");
        refused(parse_quote! { struct A<const N: usize>([u8; N]); }, "type with parameters");
        refused(parse_quote! { enum A { B(u8) } }, "carry something");
        refused(parse_quote! { enum A {} }, "without variants");
        refused(parse_quote! { union A { b: u8 } }, "union");
        refused(parse_quote! { #[plain(words = 2)] struct A; }, "all that can be said");
        refused(parse_quote! { #[plain(crate = "a b")] struct A; }, "not the path of a crate");
        refused(parse_quote! { #[plain(crate = a)] struct A; }, "said twice");
        assert!(derive(&parse_quote! { struct A; }).is_err(), "nobody knows where the trait is");
    }

    #[test]
    fn structs_of_every_shape_are_taken() {
        for input in [
            parse_quote! { struct A; },
            parse_quote! { struct A(u8, u16); },
            parse_quote! { struct A { b: u8, c: [f32; 3] } },
            parse_quote! { enum A { B, C = 7 } },
        ] {
            let written = derived(input).unwrap();
            assert!(written.contains(":: other :: perf_cache :: Plain for A"), "{written}");
        }
    }
}
