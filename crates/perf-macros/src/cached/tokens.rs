//! What the tokens of a piece of code say about it.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

/// Whether a word occurs anywhere.
pub(super) fn mentions(code: &impl ToTokens, word: &str) -> bool {
    fn within(code: TokenStream, word: &str) -> bool {
        code.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => ident == word,
            TokenTree::Group(group) => within(group.stream(), word),
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        })
    }
    within(code.to_token_stream(), word)
}

/// Whether a type holds a reference, or a lifetime, other than `'static`.
pub(super) fn borrows(ty: &impl ToTokens) -> bool {
    fn within(code: TokenStream) -> bool {
        let mut tokens = code.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) if within(group.stream()) => return true,
                TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                    let is_static = tokens
                        .next()
                        .is_some_and(|name| matches!(name, TokenTree::Ident(n) if n == "static"));
                    if !is_static {
                        return true;
                    }
                }
                // With a lifetime after it, that one decides.
                TokenTree::Punct(punct) if punct.as_char() == '&' => {
                    let named = |next: &TokenTree| matches!(next, TokenTree::Punct(punct) if punct.as_char() == '\'');
                    if !tokens.peek().is_some_and(named) {
                        return true;
                    }
                }
                _ => {}
            }
        }
        false
    }
    within(ty.to_token_stream())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn words_are_found_at_any_depth() {
        assert!(mentions(
            &quote!(
                fn f() {
                    if x {
                        Self::g()
                    }
                }
            ),
            "Self"
        ));
        assert!(!mentions(
            &quote!(
                fn f() {
                    "Self"
                }
            ),
            "Self"
        ));
    }

    #[test]
    fn only_static_borrows_are_none() {
        for ty in [quote!(&str), quote!(Vec<&'a str>), quote!(Cow<'_, str>), quote!((u8, [&u8; 2]))]
        {
            assert!(borrows(&ty), "{ty}");
        }
        for ty in [quote!(&'static str), quote!(Cow<'static, str>), quote!(Vec<u8>)] {
            assert!(!borrows(&ty), "{ty}");
        }
    }
}
