//! What an entry goes by: its type and how it is made.

use super::options::{Key, Options};
use super::parameters::{Parameters, Part};
use super::tokens;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprCast, ExprMacro, ExprMethodCall, Result, UnOp};

/// The key of a function.
pub(super) struct KeyPlan {
    /// `None` where the cache says it, which is made elsewhere.
    pub(super) ty: Option<TokenStream>,
    pub(super) make: TokenStream,
    /// What finds an entry before the key is made, where that saves something.
    pub(super) query: Option<Query>,
    /// What it is made of, and where that is written.
    pub(super) parts: Vec<(Span, TokenStream)>,
}

/// What finds an entry without a key: a reference, or several to the parts of one.
pub(super) enum Query {
    One(TokenStream),
    Several(Vec<TokenStream>),
}

impl KeyPlan {
    pub(super) fn new(parameters: &Parameters, options: &Options) -> Result<KeyPlan> {
        let ignores_self = Options::is_set(&options.ignore_self);
        if let Some(set) = options.ignore_self.as_ref().filter(|set| set.value) {
            if parameters.receiver.is_none() {
                return Err(Error::new(set.at, "this function has no `self` to be ignored"));
            }
            if options.key.is_some() {
                return Err(Error::new(set.at, "`key` says already what entries go by"));
            }
        }
        if let Some(key) = &options.key {
            return given(&key.value, parameters, options.cache.is_some());
        }
        if let Some(receiver) = &parameters.receiver
            && !ignores_self
            && !options.cache.as_ref().is_some_and(|set| tokens::mentions(&set.value, "self"))
        {
            let problem = "all values of this type share one cache: say what the answer depends \
                           on, as `key: (u64, String) = (self.id, name.to_owned())`, or \
                           `ignore_self` if `self` makes no difference, or give each value a cache \
                           of its own by `cache = self.field`";
            return Err(Error::new_spanned(receiver, problem));
        }
        if let Some(receiver) = &parameters.receiver
            && receiver_changes(receiver)
        {
            let problem = "what the function does to `self` it does not do when its answer is in \
                           the cache: take `&self`, or say what entries go by, as `key = (..)`, if \
                           that makes no difference";
            return Err(Error::new_spanned(receiver, problem));
        }
        of_all(parameters)
    }
}

fn receiver_changes(receiver: &syn::Receiver) -> bool {
    matches!(&receiver.kind, syn::ReceiverKind::Reference(_, _, Some(_)))
}

/// All parameters but `self`: one is the key itself, more are a tuple.
fn of_all(parameters: &Parameters) -> Result<KeyPlan> {
    let used: Vec<_> = parameters.list.iter().filter(|parameter| parameter.is_used).collect();
    if let Some(beyond) = used.get(LARGEST) {
        let problem = "a key has at most 12 parts: say which parameters entries go by, as \
                       `key = (id, language)`";
        return Err(Error::new_spanned(&beyond.ty, problem));
    }
    let parts = used.iter().map(|parameter| parameter.part()).collect::<Result<Vec<_>>>()?;
    let places = used.iter().map(|parameter| parameter.ty.span());
    let places = places.zip(parts.iter().map(|part| part.ty.clone())).collect();
    let query = Query::of(&parts);
    let Part { ty, make, .. } = tuple(parts);
    Ok(KeyPlan { ty: Some(ty), make, query, parts: places })
}

/// Larger tuples cannot be compared.
const LARGEST: usize = 12;

fn tuple(parts: Vec<Part>) -> Part {
    match <[Part; 1]>::try_from(parts) {
        Ok([one]) => one,
        Err(parts) => {
            let types = parts.iter().map(|part| &part.ty);
            let makes = parts.iter().map(|part| &part.make);
            Part::made(quote!((#(#types),*)), quote!((#(#makes),*)))
        }
    }
}

impl Query {
    /// Where all parts can be looked for, and one costs something to be made.
    fn of(parts: &[Part]) -> Option<Query> {
        if !parts.iter().any(|part| part.is_costly) {
            return None;
        }
        let parts: Option<Vec<_>> = parts.iter().map(|part| part.query.clone()).collect();
        match <[TokenStream; 1]>::try_from(parts?) {
            Ok([one]) => Some(Query::One(one)),
            Err(parts) if parts.len() <= MOST_QUERIED => Some(Query::Several(parts)),
            Err(_) => None,
        }
    }
}

/// As many as there are implementations of `ByRef`.
const MOST_QUERIED: usize = 8;

/// What is seen of an expression.
enum Seen {
    One(Part),
    /// A tuple.
    Several(Vec<Part>),
}

impl Seen {
    fn part(self) -> Part {
        match self {
            Seen::One(part) => part,
            Seen::Several(parts) => tuple(parts),
        }
    }
}

/// What `key = ..` says.
fn given(key: &Key, parameters: &Parameters, is_foreign: bool) -> Result<KeyPlan> {
    let expr = &key.expr;
    if let Some(ty) = &key.of {
        let parts = vec![(ty.span(), quote!(#ty))];
        return Ok(KeyPlan { ty: Some(quote!(#ty)), make: quote!(#expr), query: None, parts });
    }
    match seen(expr, parameters)? {
        Some(seen) => {
            let query = match &seen {
                Seen::One(part) => Query::of(std::slice::from_ref(part)),
                Seen::Several(parts) => Query::of(parts),
            };
            let Part { ty, make, .. } = seen.part();
            let parts = vec![(expr.span(), ty.clone())];
            Ok(KeyPlan { ty: (!is_foreign).then_some(ty), make, query, parts })
        }
        None if is_foreign => {
            Ok(KeyPlan { ty: None, make: quote!(#expr), query: None, parts: Vec::new() })
        }
        None => {
            let text = expr.to_token_stream().to_string();
            let text = if text.len() > 40 { ".." } else { &text };
            let problem = format!(
                "the type of this key cannot be seen from here: write it down, as \
                 `key: u64 = {text}`"
            );
            Err(Error::new_spanned(expr, problem))
        }
    }
}

/// An expression whose type can be told from how it is written.
fn seen(expr: &Expr, parameters: &Parameters) -> Result<Option<Seen>> {
    let whole = |ty: TokenStream| Some(Seen::One(Part::made(ty, quote!(#expr))));
    Ok(match expr {
        Expr::Group(group) => seen(&group.expr, parameters)?,
        Expr::Paren(paren) => seen(&paren.expr, parameters)?,
        Expr::Path(path) => match path.path.get_ident().and_then(|name| parameters.named(name)) {
            Some(parameter) => Some(Seen::One(parameter.part()?)),
            None => None,
        },
        Expr::Reference(reference) => seen(&reference.expr, parameters)?,
        Expr::Unary(unary) if matches!(unary.op, UnOp::Deref(_)) => seen(&unary.expr, parameters)?,
        Expr::Tuple(several) => {
            if let Some(beyond) = several.elems.iter().nth(LARGEST) {
                return Err(Error::new_spanned(beyond, "a key has at most 12 parts"));
            }
            let mut parts = Vec::new();
            for element in &several.elems {
                match seen(element, parameters)? {
                    Some(seen) => parts.push(seen.part()),
                    None => return Ok(None),
                }
            }
            match parts.len() {
                // A tuple of one, as it is written.
                1 => None,
                _ => Some(Seen::Several(parts)),
            }
        }
        Expr::Cast(ExprCast { ty, .. }) => whole(quote!(#ty)),
        Expr::Macro(ExprMacro { mac, .. })
            if mac.path.segments.last().is_some_and(|name| name.ident == "format") =>
        {
            whole(quote!(::std::string::String))
        }
        Expr::MethodCall(ExprMethodCall { receiver, method, args, .. }) if args.is_empty() => {
            if method == "to_string" || method == "to_lowercase" || method == "to_uppercase" {
                whole(quote!(::std::string::String))
            } else if method == "clone" || method == "to_owned" {
                seen(receiver, parameters)?
            } else {
                None
            }
        }
        _ => None,
    })
}
