//! What a function is called with, and what of it may be part of a key.

use super::answer::first_argument;
use super::tokens;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Error, FnArg, Ident, Pat, PatIdent, Receiver, Result, Signature, Type, TypePath, TypeReference,
};

/// One parameter but `self`.
pub(super) struct Parameter {
    /// What it is called in the function that is written.
    pub(super) ident: Ident,
    /// What it is taken apart by, if it has no name of its own.
    pub(super) pattern: Option<Pat>,
    pub(super) ty: Type,
    /// A parameter called `_` has no influence on the answer.
    pub(super) is_used: bool,
}

/// Part of a key: its type, and how it is made.
pub(super) struct Part {
    pub(super) ty: TokenStream,
    pub(super) make: TokenStream,
    /// What finds it before it is made: a reference.
    pub(super) query: Option<TokenStream>,
    /// Whether making it may cost more than a few instructions.
    pub(super) is_costly: bool,
}

impl Part {
    /// A part that has to be made to be looked for.
    pub(super) const fn made(ty: TokenStream, make: TokenStream) -> Part {
        Part { ty, make, query: None, is_costly: false }
    }
}

pub(super) struct Parameters {
    pub(super) receiver: Option<Receiver>,
    pub(super) list: Vec<Parameter>,
}

impl Parameters {
    /// Finds the parameters, and gives those a name that have a pattern.
    pub(super) fn take(signature: &mut Signature) -> Parameters {
        let mut parameters = Parameters { receiver: None, list: Vec::new() };
        for (input, number) in signature.inputs.iter_mut().zip(0_usize..) {
            match input {
                FnArg::Receiver(receiver) => parameters.receiver = Some(receiver.clone()),
                FnArg::Typed(typed) => {
                    let ty = (*typed.ty).clone();
                    let parameter = match &*typed.pat {
                        Pat::Ident(PatIdent { ident, by_ref: None, subpat: None, .. }) => {
                            Parameter { ident: ident.clone(), pattern: None, ty, is_used: true }
                        }
                        pattern => {
                            let span = pattern.span().resolved_at(Span::mixed_site());
                            let ident = format_ident!("argument_{number}", span = span);
                            let is_used = !matches!(pattern, Pat::Wild(_));
                            let pattern = is_used.then(|| pattern.clone());
                            Parameter { ident, pattern, ty, is_used }
                        }
                    };
                    if parameter.pattern.is_some() {
                        let ident = &parameter.ident;
                        *typed.pat = syn::parse_quote!(#ident);
                    }
                    parameters.list.push(parameter);
                }
            }
        }
        parameters
    }

    pub(super) fn named(&self, ident: &Ident) -> Option<&Parameter> {
        self.list.iter().find(|parameter| parameter.pattern.is_none() && parameter.ident == *ident)
    }
}

impl Parameter {
    /// A copy that can be taken elsewhere, and what makes of it there what the body expects;
    /// `None` where the parameter can go itself.
    pub(super) fn taken_along(&self) -> Result<Option<(TokenStream, TokenStream)>> {
        let ident = &self.ident;
        if let Type::Reference(TypeReference { mutability: Some(_), .. }) = &self.ty {
            let problem = "what runs elsewhere cannot change what its caller holds";
            return Err(Error::new_spanned(&self.ty, problem));
        }
        if !tokens::borrows(&self.ty) {
            return Ok(None);
        }
        if let Type::Reference(TypeReference { elem, .. }) = &self.ty
            && !tokens::borrows(elem)
            && !tokens::mentions(elem, "dyn")
        {
            return Ok(Some((
                quote!(let #ident = ::std::borrow::ToOwned::to_owned(#ident);),
                quote!(let #ident: &#elem = ::std::borrow::Borrow::borrow(&#ident);),
            )));
        }
        let problem = "what runs elsewhere outlives its caller: take an owned value";
        Err(Error::new_spanned(&self.ty, problem))
    }

    /// The parameter as part of a key.
    pub(super) fn part(&self) -> Result<Part> {
        let (ident, ty) = (&self.ident, &self.ty);
        let at = ty.span();
        let refuse = |why: &str| {
            let name = if self.pattern.is_none() { ident.to_string() } else { "..".to_owned() };
            let problem = format!(
                "{why}: say what entries go by, as `key: String = {name}.to_string()`, or as \
                 `key = (id, language)` without it"
            );
            Err(Error::new_spanned(ty, problem))
        };
        if tokens::mentions(ty, "impl") {
            return refuse("a parameter of some type or other cannot be part of the key");
        }
        if let Type::Reference(reference) = ty {
            if reference.mutability.is_some() {
                let problem = "what the function may change cannot be part of the key: say what \
                               entries go by, as `key = (id, language)` without it";
                return Err(Error::new_spanned(ty, problem));
            }
            if tokens::borrows(&reference.elem) || tokens::mentions(&reference.elem, "dyn") {
                return refuse("what this refers to cannot be copied into the key");
            }
            if !tokens::borrows(reference) {
                let (ty, make, query) = (quote!(#ty), quote!(#ident), Some(quote!(#ident)));
                return Ok(Part { ty, make, query, is_costly: false });
            }
            let make = quote_spanned!(at=> ::std::borrow::ToOwned::to_owned(#ident));
            let query = Some(quote!(#ident));
            let is_costly = !is_small(&reference.elem);
            return Ok(Part { ty: owned(reference), make, query, is_costly });
        }
        if let Some(reference) = optional_reference(ty) {
            if tokens::borrows(&reference.elem) || reference.mutability.is_some() {
                return refuse("what this refers to cannot be copied into the key");
            }
            if tokens::borrows(reference) {
                let ty = owned(reference);
                return Ok(Part::made(
                    quote!(::core::option::Option<#ty>),
                    quote!(::core::option::Option::map(#ident, ::std::borrow::ToOwned::to_owned)),
                ));
            }
        }
        if tokens::borrows(ty) {
            return refuse("what borrows cannot be part of the key, which outlives the call");
        }
        if let Type::Path(TypePath { path, .. }) = ty
            && (path.is_ident("f32") || path.is_ident("f64"))
        {
            let bits = if path.is_ident("f32") { "u32" } else { "u64" };
            let problem = format!(
                "a number that may not equal itself cannot be part of the key: say what entries go \
                 by, as `key: {bits} = {ident}.to_bits()`"
            );
            return Err(Error::new_spanned(ty, problem));
        }
        let make = quote_spanned!(at=> ::core::clone::Clone::clone(&#ident));
        let query = Some(quote!(&#ident));
        Ok(Part { query, is_costly: !is_small(ty), ..Part::made(quote!(#ty), make) })
    }
}

/// Whether a clone is as cheap as a reference.
fn is_small(ty: &Type) -> bool {
    const SMALL: [&str; 14] = [
        "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
        "bool", "char",
    ];
    match ty {
        Type::Path(TypePath { path, .. }) => SMALL.iter().any(|name| path.is_ident(name)),
        _ => false,
    }
}

/// The `&T` of an `Option<&T>`.
fn optional_reference(ty: &Type) -> Option<&TypeReference> {
    let Type::Path(TypePath { path, .. }) = ty else { return None };
    if path.segments.last()?.ident != "Option" {
        return None;
    }
    match first_argument(ty)? {
        Type::Reference(reference) => Some(reference),
        _ => None,
    }
}

/// What a reference becomes that is kept.
fn owned(reference: &TypeReference) -> TokenStream {
    match &*reference.elem {
        Type::Path(TypePath { path, .. }) if path.is_ident("str") => quote!(::std::string::String),
        Type::Slice(slice) => {
            let element = &slice.elem;
            quote!(::std::vec::Vec<#element>)
        }
        other => quote!(<#other as ::std::borrow::ToOwned>::Owned),
    }
}
