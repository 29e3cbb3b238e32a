//! What a function answers, and what of it is kept.

use super::options::{Options, Set};
use super::tokens;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Error, GenericArgument, ItemFn, PathArguments, Result, ReturnType, Type, TypeImplTrait,
    TypePath,
};

/// What is done with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// It is kept as it is.
    Plain,
    /// What is in `Ok` is kept.
    Fallible,
    /// What is in `Some` is kept.
    Optional,
}

/// What a function answers.
pub(super) struct Answer {
    pub(super) ty: Type,
    pub(super) shape: Shape,
    /// Whether it may be a `Result` or an `Option` by another name.
    pub(super) may_hide: bool,
}

impl Answer {
    pub(super) fn of(function: &ItemFn, options: &Options) -> Result<Answer> {
        let ReturnType::Type(_, ty) = &function.sig.output else {
            let problem = "a function that answers nothing leaves nothing to keep";
            return Err(Error::new_spanned(&function.sig.ident, problem));
        };
        let ty = (**ty).clone();
        refuse(&ty)?;
        let name = last_name(&ty);
        if let (Some(result), Some(option)) = (&options.result, &options.option)
            && result.value
            && option.value
        {
            let problem = "an answer is a `Result` or an `Option`, not both";
            return Err(Error::new(option.at, problem));
        }
        let is = |said: &Option<Set<bool>>, what: &str| match said {
            Some(set) => set.value,
            None => name.as_deref() == Some(what),
        };
        let (is_result, is_option) = (is(&options.result, "Result"), is(&options.option, "Option"));
        let keeps_errors = keeps(&options.cache_errors, is_result, "Result", "result")?;
        let keeps_none = keeps(&options.cache_none, is_option, "Option", "option")?;
        let shape = match (is_result && !keeps_errors, is_option && !keeps_none) {
            (true, _) => Shape::Fallible,
            (_, true) => Shape::Optional,
            _ => Shape::Plain,
        };
        let is_said = options.result.is_some() || options.option.is_some();
        let is_named = name.is_some() && !is_said && !is_result && !is_option;
        Ok(Answer { ty, shape, may_hide: is_named })
    }

    /// The type of what is kept.
    pub(super) fn value(&self, krate: &TokenStream) -> TokenStream {
        let ty = &self.ty;
        match self.shape {
            Shape::Plain => quote!(#ty),
            shape => match first_argument(ty) {
                Some(value) if matches!(last_name(ty).as_deref(), Some("Result" | "Option")) => {
                    quote!(#value)
                }
                _ if shape == Shape::Fallible => {
                    quote!(<#ty as #krate::__private::Fallible>::Value)
                }
                _ => quote!(<#ty as #krate::__private::Optional>::Value),
            },
        }
    }
}

/// Whether what is kept is the whole answer, because that was asked for.
fn keeps(flag: &Option<Set<bool>>, is: bool, what: &str, say: &str) -> Result<bool> {
    match flag {
        Some(set) if !is => {
            let problem = format!(
                "this function answers no `{what}`; if it does by another name, say `{say} = true` \
                 as well"
            );
            Err(Error::new(set.at, problem))
        }
        Some(set) => Ok(set.value),
        None => Ok(false),
    }
}

/// Answers that cannot outlive the call.
fn refuse(ty: &Type) -> Result<()> {
    if let Type::ImplTrait(TypeImplTrait { .. }) = ty {
        let problem = if tokens::mentions(ty, "Future") {
            "write this as an `async fn`: a future can be awaited only once, so what it gives is \
             kept, not the future"
        } else {
            "what is kept needs a type with a name"
        };
        return Err(Error::new_spanned(ty, problem));
    }
    if last_name(ty).as_deref() == Some("Pin") && tokens::mentions(ty, "Future") {
        let problem = "a future can be awaited only once, so what it gives is kept, not the future: \
                       write an `async fn`; where another attribute has made this of one, put \
                       `#[cached]` on a function that it calls";
        return Err(Error::new_spanned(ty, problem));
    }
    if tokens::borrows(ty) {
        let problem = "an answer that borrows cannot be kept: answer an owned value, such as \
                       `String` or `Arc<str>`";
        return Err(Error::new_spanned(ty, problem));
    }
    Ok(())
}

/// The last name of a path, `None` for other types.
fn last_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(TypePath { path, .. }) => {
            path.segments.last().map(|segment| segment.ident.to_string())
        }
        Type::Group(group) => last_name(&group.elem),
        Type::Paren(paren) => last_name(&paren.elem),
        _ => None,
    }
}

/// The first type between the angle brackets at the end of a path.
pub(super) fn first_argument(ty: &Type) -> Option<&Type> {
    let Type::Path(TypePath { path, .. }) = ty else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}
