//! What a cache is built with: what was said, and what the preset says where nothing was.

use super::amount::{Amount, Refresh};
use super::answer::Shape;
use super::options::{KINDS, Kind, Options, Preset, Set};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use std::time::Duration;
use syn::{Error, Expr, Result};

/// How many entries there may be where nothing bounds them.
const MAX_ENTRIES: u64 = 1_000;

/// The settings of a cache that is made for one function.
pub(super) struct Settings<'a> {
    options: &'a Options,
    max_entries: Option<Amount<u64>>,
    ttl: Option<Amount<Duration>>,
    refresh_after: Option<Amount<Refresh>>,
    stale_if_error: Option<Amount<Duration>>,
    negative_ttl: Option<Amount<Duration>>,
}

impl<'a> Settings<'a> {
    pub(super) fn new(options: &'a Options, shape: Shape, has_key: bool) -> Result<Settings<'a>> {
        let preset = options.preset.as_ref().map(|set| set.value);
        let defaults = Defaults::of(preset);
        if let (Some(set), None) = (&options.max_bytes, &options.size) {
            let problem = "how many bytes a value takes is not known: say it, as \
                           `size = |value| value.len()`";
            return Err(Error::new(set.at, problem));
        }
        let max_entries = match (&options.max_entries, &options.max_bytes) {
            (Some(set), _) => Some(set.value.clone()),
            (None, Some(_)) => None,
            // Without parameters there is one answer.
            (None, None) if !has_key => Some(Amount::Known(1)),
            (None, None) => Some(Amount::Known(defaults.max_entries)),
        };
        let ttl = effective(&options.ttl, defaults.ttl);
        let lives = ttl.is_some();
        let refresh_after = match &options.refresh_after {
            Some(set) => match set.value {
                Amount::Known(Refresh::Share(_)) if !lives => {
                    let problem = "this is a share of the time to live, which is not set: say \
                                   `ttl = \"5m\"` as well";
                    return Err(Error::new(set.at, problem));
                }
                Amount::Known(Refresh::Age(age)) if age.is_zero() => None,
                _ => Some(set.value.clone()),
            },
            None => defaults
                .refresh_share
                .filter(|_| lives)
                .map(|share| Amount::Known(Refresh::Share(share))),
        };
        let stale_if_error = effective(&options.stale_if_error, defaults.stale_if_error);
        let negative_ttl = effective(&options.negative_ttl, defaults.negative_ttl);
        if let (Some(set), Some(_)) = (&options.stale_if_error, &stale_if_error) {
            if shape != Shape::Fallible {
                let problem = "this function cannot fail: an old value is answered instead of the \
                               `Err` of a `Result`";
                return Err(Error::new(set.at, problem));
            }
            if !lives {
                let problem = "without a time to live no value is old: say `ttl = \"5m\"` as well";
                return Err(Error::new(set.at, problem));
            }
        }
        if let (Some(set), Some(_), Shape::Plain) = (&options.negative_ttl, &negative_ttl, shape) {
            let problem = "there is nothing to be remembered for this time: it is for the `Err` of \
                           a `Result` and for the `None` of an `Option`";
            return Err(Error::new(set.at, problem));
        }
        if let (Some(set), Shape::Optional) = (&options.spawner, shape) {
            let problem = "what runs elsewhere answers a value or a `Result`: say `cache_none` to \
                           keep the `None` of an `Option` as a value";
            return Err(Error::new(set.at, problem));
        }
        Ok(Settings { options, max_entries, ttl, refresh_after, stale_if_error, negative_ttl })
    }

    /// The option by which others are to get an error than the one whose load it is of, and where
    /// it stands.
    pub(super) fn shares_errors(&self) -> Option<(&'static str, Span)> {
        if let Some(set) = &self.options.spawner {
            return Some(("spawner", set.at));
        }
        let set = self.options.negative_ttl.as_ref()?;
        self.negative_ttl.as_ref().map(|_| ("negative_ttl", set.at))
    }

    /// What the cache is for.
    pub(super) fn kind(&self, krate: &TokenStream) -> TokenStream {
        let preset = self.options.preset.as_ref().map(|set| set.value);
        let word = match self.options.kind.as_ref().map(|set| &set.value) {
            Some(Kind::Known(word)) => word.to_string(),
            Some(Kind::Custom(text)) => text.value(),
            None => match preset {
                Some(Preset::ApiResponse) => "api".to_owned(),
                Some(Preset::DbQuery) => "database".to_owned(),
                None => "application".to_owned(),
            },
        };
        match KINDS.iter().find(|(name, _)| *name == word) {
            Some((_, variant)) => {
                let variant = format_ident!("{variant}");
                quote!(#krate::CacheKind::#variant)
            }
            None => quote!(#krate::CacheKind::Custom(::std::string::String::from(#word))),
        }
    }

    /// The calls that follow on a builder.
    pub(super) fn calls(
        &self,
        krate: &TokenStream,
        key: &TokenStream,
        value: &TokenStream,
    ) -> TokenStream {
        let mut calls = TokenStream::new();
        if let Some(entries) = &self.max_entries {
            let entries = match entries {
                Amount::Known(entries) => quote!(#entries),
                Amount::Later(expr) => quote!(#expr),
            };
            calls.extend(quote!(.max_entries(#entries)));
        }
        if let Some(set) = &self.options.max_bytes {
            let bytes = match &set.value {
                Amount::Known(bytes) => quote!(#krate::__private::ByteSize::from_bytes(#bytes)),
                Amount::Later(expr) => quote!(#expr),
            };
            calls.extend(quote!(.max_bytes(#bytes)));
        }
        if let Some(set) = &self.options.size {
            let size = &set.value;
            let weigher = match size {
                Expr::Closure(closure) if closure.inputs.len() == 1 => quote!(weigher_of_values),
                _ => quote!(weigher),
            };
            let weigher = quote!(#krate::__private::#weigher::<#key, #value, _>(#size));
            calls.extend(quote!(.weigher(#weigher)));
        }
        let idle = self.options.idle.as_ref().map(|set| &set.value).filter(|idle| !is_off(idle));
        let times = [
            ("time_to_live", self.ttl.as_ref()),
            ("time_to_idle", idle),
            ("stale_if_error", self.stale_if_error.as_ref()),
            ("negative_ttl", self.negative_ttl.as_ref()),
        ];
        for (setter, span) in times {
            if let Some(span) = span {
                let (setter, span) = (format_ident!("{setter}"), duration(span));
                calls.extend(quote!(.#setter(#span)));
            }
        }
        if let Some(set) = &self.options.spawner {
            let spawner = &set.value;
            calls.extend(quote!(.spawner(#spawner)));
        }
        if let Some(refresh) = &self.refresh_after {
            let after = match refresh {
                Amount::Known(Refresh::Age(age)) => duration(&Amount::Known(*age)),
                Amount::Known(Refresh::Share(share)) => quote!(#krate::__private::share(#share)),
                Amount::Later(expr) => quote!(#expr),
            };
            calls.extend(quote!(.refresh_after(#after)));
        }
        calls
    }
}

/// What the presets say, beside the kind.
struct Defaults {
    max_entries: u64,
    ttl: Option<Duration>,
    refresh_share: Option<f64>,
    stale_if_error: Option<Duration>,
    negative_ttl: Option<Duration>,
}

impl Defaults {
    const fn of(preset: Option<Preset>) -> Defaults {
        match preset {
            None => Defaults {
                max_entries: MAX_ENTRIES,
                ttl: None,
                refresh_share: None,
                stale_if_error: None,
                negative_ttl: None,
            },
            Some(Preset::ApiResponse) => Defaults {
                max_entries: 10_000,
                ttl: Some(Duration::from_secs(60)),
                refresh_share: Some(0.8),
                stale_if_error: Some(Duration::from_secs(600)),
                negative_ttl: Some(Duration::from_secs(1)),
            },
            // An old row is worse than an error, and what changes it knows its tags.
            Some(Preset::DbQuery) => Defaults {
                max_entries: 10_000,
                ttl: Some(Duration::from_secs(300)),
                refresh_share: None,
                stale_if_error: None,
                negative_ttl: None,
            },
        }
    }
}

/// What was said, else what the preset says; zero is nothing.
fn effective(
    said: &Option<Set<Amount<Duration>>>,
    preset: Option<Duration>,
) -> Option<Amount<Duration>> {
    match said {
        Some(set) => Some(set.value.clone()).filter(|span| !is_off(span)),
        None => preset.map(Amount::Known),
    }
}

fn is_off(span: &Amount<Duration>) -> bool {
    matches!(span, Amount::Known(span) if span.is_zero())
}

fn duration(span: &Amount<Duration>) -> TokenStream {
    match span {
        Amount::Known(span) => {
            let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
            quote!(::core::time::Duration::from_nanos(#nanos))
        }
        Amount::Later(expr) => quote!(#expr),
    }
}
