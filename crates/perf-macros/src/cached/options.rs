//! What is written between the parentheses of the attribute.

use super::amount::{Amount, Refresh, bytes, entries, refresh, span};
use crate::crate_path;
use proc_macro2::{Span, TokenStream};
use std::time::Duration;
use syn::meta::ParseNestedMeta;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, ExprArray, Ident, Lit, LitBool, LitStr, Path, Result, Token, Type};

/// Values that go together, for a purpose that is met often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    ApiResponse,
    DbQuery,
}

/// An option and where it stands.
#[derive(Clone)]
pub(super) struct Set<T> {
    pub(super) at: Span,
    pub(super) value: T,
}

/// What the entries go by.
pub(super) struct Key {
    pub(super) expr: Expr,
    /// As in `key: String = ..`.
    pub(super) of: Option<Type>,
}

pub(super) enum Tags {
    /// Of several types, maybe.
    Each(ExprArray),
    /// Anything that can be iterated over.
    All(Expr),
}

/// What a cache is for: one of ours, or a word of the caller's.
pub(super) enum Kind {
    Known(Ident),
    Custom(LitStr),
}

/// Everything that was said; what was not is `None`.
#[derive(Default)]
pub(super) struct Options {
    pub(super) preset: Option<Set<Preset>>,
    pub(super) max_entries: Option<Set<Amount<u64>>>,
    pub(super) max_bytes: Option<Set<Amount<u64>>>,
    pub(super) size: Option<Set<Expr>>,
    pub(super) ttl: Option<Set<Amount<Duration>>>,
    pub(super) idle: Option<Set<Amount<Duration>>>,
    pub(super) refresh_after: Option<Set<Amount<Refresh>>>,
    pub(super) stale_if_error: Option<Set<Amount<Duration>>>,
    pub(super) negative_ttl: Option<Set<Amount<Duration>>>,
    pub(super) spawner: Option<Set<Expr>>,
    pub(super) key: Option<Set<Key>>,
    pub(super) ignore_self: Option<Set<bool>>,
    pub(super) tags: Option<Set<Tags>>,
    pub(super) name: Option<Set<LitStr>>,
    pub(super) handle: Option<Set<Ident>>,
    pub(super) kind: Option<Set<Kind>>,
    pub(super) result: Option<Set<bool>>,
    pub(super) option: Option<Set<bool>>,
    pub(super) cache_errors: Option<Set<bool>>,
    pub(super) cache_none: Option<Set<bool>>,
    pub(super) in_impl: Option<Set<bool>>,
    pub(super) cache: Option<Set<Expr>>,
    pub(super) krate: Option<Set<Path>>,
}

impl Options {
    pub(super) fn parse(args: TokenStream, preset: Option<Preset>) -> Result<Options> {
        // The name of the attribute itself may say it.
        let preset = preset.map(|value| Set { at: Span::call_site(), value });
        let mut options = Options { preset, ..Options::default() };
        syn::meta::parser(|meta| options.read(&meta)).parse2(args)?;
        Ok(options)
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(word) = meta.path.get_ident() else {
            return Err(Error::new_spanned(&meta.path, "options are single words"));
        };
        let (at, name) = (word.span(), word.to_string());
        match name.as_str() {
            "api_response" => put(&mut self.preset, word, Preset::ApiResponse)?,
            "db_query" => put(&mut self.preset, word, Preset::DbQuery)?,
            "max_entries" => put(&mut self.max_entries, word, entries(expr(meta)?)?)?,
            "max_bytes" => put(&mut self.max_bytes, word, bytes(expr(meta)?)?)?,
            "size" => put(&mut self.size, word, size(expr(meta)?)?)?,
            "ttl" => put(&mut self.ttl, word, span(expr(meta)?)?)?,
            "idle" => put(&mut self.idle, word, span(expr(meta)?)?)?,
            "refresh_after" => put(&mut self.refresh_after, word, refresh(expr(meta)?)?)?,
            "stale_if_error" => put(&mut self.stale_if_error, word, span(expr(meta)?)?)?,
            "negative_ttl" => put(&mut self.negative_ttl, word, span(expr(meta)?)?)?,
            "spawner" => put(&mut self.spawner, word, expr(meta)?)?,
            "key" => put(&mut self.key, word, key(meta)?)?,
            "ignore_self" => put(&mut self.ignore_self, word, flag(meta.input)?)?,
            "tags" => {
                let tags = match expr(meta)? {
                    Expr::Array(each) => Tags::Each(each),
                    all => Tags::All(all),
                };
                put(&mut self.tags, word, tags)?;
            }
            "name" => put(&mut self.name, word, text(meta)?)?,
            "handle" => put(&mut self.handle, word, value(meta)?.parse()?)?,
            "kind" => put(&mut self.kind, word, kind(value(meta)?)?)?,
            "result" => put(&mut self.result, word, flag(meta.input)?)?,
            "option" => put(&mut self.option, word, flag(meta.input)?)?,
            "cache_errors" => put(&mut self.cache_errors, word, flag(meta.input)?)?,
            "cache_none" => put(&mut self.cache_none, word, flag(meta.input)?)?,
            "in_impl" => put(&mut self.in_impl, word, flag(meta.input)?)?,
            "cache" => put(&mut self.cache, word, expr(meta)?)?,
            "crate" => put(&mut self.krate, word, crate_path::parse(value(meta)?)?)?,
            _ => return Err(Error::new(at, unknown(&name))),
        }
        Ok(())
    }

    /// Of a cache that is made elsewhere nothing can be said here.
    pub(super) fn check_foreign_cache(&self) -> Result<()> {
        if self.cache.is_none() {
            return Ok(());
        }
        let said = [
            place(&self.preset),
            place(&self.max_entries),
            place(&self.max_bytes),
            place(&self.size),
            place(&self.ttl),
            place(&self.idle),
            place(&self.refresh_after),
            place(&self.stale_if_error),
            place(&self.negative_ttl),
            place(&self.spawner),
            place(&self.name),
            place(&self.handle),
            place(&self.kind),
            place(&self.in_impl),
        ];
        let problem = "the cache of `cache = ..` is made elsewhere: say this there";
        let errors = said.into_iter().flatten().map(|at| Error::new(at, problem));
        errors.reduce(both).map_or(Ok(()), Err)
    }

    /// Whether a flag is set.
    pub(super) fn is_set(flag: &Option<Set<bool>>) -> bool {
        flag.as_ref().is_some_and(|set| set.value)
    }
}

fn place<T>(set: &Option<Set<T>>) -> Option<Span> {
    set.as_ref().map(|set| set.at)
}

/// Both errors as one.
pub(super) fn both(mut one: Error, other: Error) -> Error {
    one.combine(other);
    one
}

fn put<T>(place: &mut Option<Set<T>>, word: &Ident, value: T) -> Result<()> {
    let at = word.span();
    if place.replace(Set { at, value }).is_some() {
        return Err(Error::new(at, format!("`{word}` is said twice")));
    }
    Ok(())
}

/// What stands behind an option.
fn value<'a>(meta: &ParseNestedMeta<'a>) -> Result<ParseStream<'a>> {
    if meta.input.peek(Token![=]) {
        return meta.value();
    }
    let problem = "this needs a value, as `ttl = \"5m\"`";
    Err(Error::new_spanned(&meta.path, problem))
}

fn expr(meta: &ParseNestedMeta<'_>) -> Result<Expr> {
    value(meta)?.parse()
}

fn text(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    let text: LitStr = value(meta)?.parse()?;
    if text.value().trim().is_empty() {
        return Err(Error::new_spanned(text, "a name needs at least one letter"));
    }
    Ok(text)
}

/// A word alone, or `= true` and `= false`.
fn flag(input: ParseStream<'_>) -> Result<bool> {
    if !input.peek(Token![=]) {
        return Ok(true);
    }
    input.parse::<Token![=]>()?;
    Ok(input.parse::<LitBool>()?.value)
}

/// `key = expr`, `key = "expr"` or `key: Type = expr`.
fn key(meta: &ParseNestedMeta<'_>) -> Result<Key> {
    let input = meta.input;
    let of = if input.peek(Token![:]) {
        input.parse::<Token![:]>()?;
        Some(input.parse::<Type>()?)
    } else {
        None
    };
    let expr = match expr(meta)? {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => text.parse().map_err(|_| {
                let problem = "this is not an expression: write `key = id`, \
                               `key = (id, language)` or `key = format!(\"{id}\")`";
                Error::new_spanned(text, problem)
            })?,
            _ => Expr::Lit(literal),
        },
        expr => expr,
    };
    Ok(Key { expr, of })
}

/// What other crates of this kind call the number of entries.
fn size(expr: Expr) -> Result<Expr> {
    if let Expr::Lit(literal) = &expr {
        let problem = "`size` says how many bytes a value takes, as `size = |value| value.len()`; \
                       for the number of entries there is `max_entries`";
        return Err(Error::new_spanned(literal, problem));
    }
    Ok(expr)
}

fn kind(input: ParseStream<'_>) -> Result<Kind> {
    if input.peek(LitStr) {
        return input.parse().map(Kind::Custom);
    }
    let word: Ident = input.parse()?;
    if KINDS.iter().any(|(name, _)| word == name) {
        return Ok(Kind::Known(word));
    }
    let problem = format!(
        "there is no kind `{word}`: use application, database, api, content or session, or a text \
         for one of your own"
    );
    Err(Error::new_spanned(word, problem))
}

/// The words for what a cache is for, with the variants of `CacheKind`.
pub(super) const KINDS: [(&str, &str); 5] = [
    ("application", "Application"),
    ("database", "Database"),
    ("api", "Api"),
    ("content", "Content"),
    ("session", "Session"),
];

/// What to say about an option that there is not.
fn unknown(name: &str) -> String {
    let instead = match name {
        "time" | "time_to_live" | "ttl_secs" | "ttl_millis" | "expires" => {
            "the time to live is `ttl = \"5m\"`"
        }
        "time_to_idle" | "tti" | "time_refresh" => "the time to idle is `idle = \"5m\"`",
        "capacity" | "max_size" | "max_capacity" | "unbound" => {
            "bound it by `max_entries = 1_000`, or by `max_bytes = \"64MiB\"` with a `size`"
        }
        "weigher" | "weight" => "how many bytes a value takes is `size = |value| value.len()`",
        "convert" => "what an entry goes by is `key = (id, language)`",
        "sync_writes" | "sync_lock" => {
            "leave it out: whoever asks for a key that is being loaded waits for that load"
        }
        "tag" => "tags are a list, `tags = [\"users\"]`",
        "ty" | "create" => "a cache of your own is `cache = CACHE`",
        "db" | "database_query" => "the preset is called `db_query`",
        "api" => "the preset is called `api_response`",
        _ => "",
    };
    if instead.is_empty() {
        format!("there is no option `{name}`; there are {OPTIONS}")
    } else {
        format!("there is no option `{name}`: {instead}")
    }
}

const OPTIONS: &str = "max_entries, max_bytes, size, ttl, idle, refresh_after, stale_if_error, \
    negative_ttl, spawner, key, ignore_self, tags, name, handle, kind, result, option, cache_errors, \
    cache_none, in_impl, cache, crate, and the presets api_response and db_query";
