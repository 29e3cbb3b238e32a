//! The code that takes the place of a function.

use super::answer::{Answer, Shape};
use super::key::{KeyPlan, Query};
use super::options::{Options, Tags};
use super::parameters::{Parameter, Parameters};
use super::settings::Settings;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ItemFn, Result, Type};

/// All that is known of a function.
pub(super) struct Plan<'a> {
    pub(super) krate: TokenStream,
    /// With all parameters named.
    pub(super) function: ItemFn,
    pub(super) options: &'a Options,
    pub(super) parameters: Parameters,
    pub(super) answer: Answer,
    pub(super) key: KeyPlan,
    /// `None` where the cache is made elsewhere.
    pub(super) settings: Option<Settings<'a>>,
    /// Whether `Self` is known where the function stands.
    pub(super) in_impl: bool,
}

impl Plan<'_> {
    pub(super) fn write(&self) -> Result<TokenStream> {
        let handle = self.settings.as_ref().map(|settings| self.handle(settings));
        let function = self.function()?;
        // What is wrong with a type is said best of the first.
        Ok(quote!(#handle #function))
    }

    /// The function that callers see.
    fn function(&self) -> Result<TokenStream> {
        let ItemFn { attrs, vis, sig, .. } = &self.function;
        let krate = &self.krate;
        let names = Names::new();
        let Names { key, cache, .. } = &names;
        let patterns = self.parameters.list.iter().filter_map(|parameter| {
            let (pattern, ident) = (parameter.pattern.as_ref()?, &parameter.ident);
            Some(quote!(let #pattern = #ident;))
        });
        let patterns: TokenStream = patterns.collect();
        // A key that is written down may be made of what the patterns bind.
        let (before, after) = match self.options.key {
            Some(_) => (patterns, TokenStream::new()),
            None => (TokenStream::new(), patterns),
        };
        let make = &self.key.make;
        let of = self.key.ty.as_ref().map(|ty| quote!(: #ty));
        let make = quote!(let #key #of = #make;);
        let look = match &self.key.query {
            // It looks by itself.
            _ if self.options.spawner.is_some() => make,
            Some(Query::One(query)) => {
                let look = self.look(&names, query);
                quote!(#look #make)
            }
            Some(Query::Several(parts)) => {
                let query = quote!(&#krate::__private::ByRef((#(#parts),*)));
                let look = self.look(&names, &query);
                quote!(#look #make)
            }
            None => {
                let look = self.look(&names, &quote!(&#key));
                quote!(#make #look)
            }
        };
        let call = match self.options.spawner {
            Some(_) => self.call_elsewhere(&names)?,
            None => self.call(&names),
        };
        let (checks, found) = (self.checks(), self.cache());
        Ok(quote! {
            #(#attrs)*
            #vis #sig {
                #checks
                match #krate::__private::cache(#found) {
                    #cache => {
                        #before
                        #look
                        #after
                        #call
                    }
                }
            }
        })
    }

    /// Where the cache is found.
    fn cache(&self) -> TokenStream {
        match &self.options.cache {
            Some(set) => {
                let cache = &set.value;
                quote!(&#cache)
            }
            None => {
                let handle = self.handle_name();
                if self.in_impl { quote!(Self::#handle()) } else { quote!(#handle()) }
            }
        }
    }

    /// Answers what is in the cache.
    fn look(&self, names: &Names, query: &TokenStream) -> TokenStream {
        let krate = &self.krate;
        let Names { cache, glanced, answer, .. } = names;
        let found = match self.answer.shape {
            Shape::Plain => quote!(#answer),
            Shape::Fallible => quote!(::core::result::Result::Ok(#answer)),
            Shape::Optional => quote!(::core::option::Option::Some(#answer)),
        };
        quote! {
            let #glanced = match #krate::__private::glance(#cache, #query) {
                ::core::result::Result::Ok(#answer) => return #found,
                ::core::result::Result::Err(#glanced) => #glanced,
            };
        }
    }

    /// What the types must be, beyond what the functions called ask for.
    fn checks(&self) -> TokenStream {
        let (krate, ty) = (&self.krate, &self.answer.ty);
        let name = &self.function.sig.ident;
        let mut checks = Vec::new();
        if self.answer.may_hide {
            let problem = |what: &str, kept: &str, other: &str| {
                format!(
                    "what `{name}` answers is {what} by another name: say `{other} = true` to keep \
                     only {kept}, or `{other} = false` to keep all of it"
                )
            };
            let results = problem("a `Result`", "what is in `Ok`", "result");
            let options = problem("an `Option`", "what is in `Some`", "option");
            checks.push(quote_spanned! {ty.span()=>
                ::core::assert!(!#krate::__private::Named::<#ty>::IS_RESULT, #results);
                ::core::assert!(!#krate::__private::Named::<#ty>::IS_OPTION, #options);
            });
        }
        if let Some((option, at)) = self.settings.as_ref().and_then(Settings::shares_errors)
            && self.answer.shape == Shape::Fallible
        {
            let problem = format!(
                "others can get the error of `{name}` only if it is `Clone + Send + Sync`: put it \
                 into an `Arc`, or leave `{option}` out"
            );
            checks.push(quote_spanned! {at=>
                ::core::assert!(
                    #krate::__private::Failing::<
                        <#ty as #krate::__private::Fallible>::Error
                    >::IS_SHARED,
                    #problem
                );
            });
        }
        if checks.is_empty() {
            return TokenStream::new();
        }
        let checks = quote!({
            use #krate::__private::{NoResultOrOption as _, NotShared as _};
            #(#checks)*
        });
        // An item is checked wherever it stands, but knows no `Self` and no type parameters.
        if self.in_impl || !self.function.sig.generics.params.is_empty() {
            quote!(const #checks;)
        } else {
            quote!(const _: () = #checks;)
        }
    }

    /// Has the answer made, or waits for it.
    fn call(&self, names: &Names) -> TokenStream {
        let krate = &self.krate;
        let Names { key, cache, glanced, .. } = names;
        let load = self.load();
        let is_async = self.function.sig.asyncness.is_some();
        let (suffix, wait) = if is_async { ("_async", Some(quote!(.await))) } else { ("", None) };
        let face = match self.answer.shape {
            Shape::Fallible => {
                let (ty, get) = (&self.answer.ty, format_ident!("get{suffix}"));
                let errors = local("errors");
                return quote! {
                    let #errors = {
                        use #krate::__private::{Own as _, Share as _};
                        (&#krate::__private::Failing::<
                            <#ty as #krate::__private::Fallible>::Error
                        >::new()).errors()
                    };
                    #errors.#get(#cache, #glanced, #key, #load) #wait
                };
            }
            Shape::Plain => format_ident!("value{suffix}"),
            Shape::Optional => format_ident!("option{suffix}"),
        };
        quote!(#krate::__private::#face(#cache, #glanced, #key, #load) #wait)
    }

    /// The same where the spawner says, with copies of what the caller only lends.
    fn call_elsewhere(&self, names: &Names) -> Result<TokenStream> {
        let krate = &self.krate;
        let Names { key, cache, .. } = names;
        let (mut taken, mut given) = (TokenStream::new(), TokenStream::new());
        for parameter in self.parameters.list.iter().filter(|one| one.pattern.is_none()) {
            if let Some((take, give)) = parameter.taken_along()? {
                taken.extend(take);
                given.extend(give);
            }
        }
        let load = self.load();
        let face = match self.answer.shape {
            Shape::Fallible => "fetch_result",
            _ => "fetch",
        };
        Ok(if self.function.sig.asyncness.is_some() {
            let face = format_ident!("{face}_async");
            quote! {
                #taken
                #krate::__private::#face(#cache, #key, async move { #given #load.await }).await
            }
        } else {
            let face = format_ident!("{face}");
            quote! {
                #taken
                #krate::__private::#face(#cache, #key, move || { #given (#load)() })
            }
        })
    }

    /// The body of the function, as a loader that says as well what the entry asks for.
    fn load(&self) -> TokenStream {
        let krate = &self.krate;
        let (ty, statements) = (&self.answer.ty, &self.function.block.stmts);
        let terms = local("terms");
        let mut asked = quote!(#krate::Terms::new());
        match self.options.tags.as_ref().map(|set| &set.value) {
            Some(Tags::Each(list)) => {
                for tag in &list.elems {
                    let tag = self.tag(tag);
                    asked.extend(quote_spanned!(tag.span()=> .tags([#tag])));
                }
            }
            Some(Tags::All(tags)) => asked.extend(quote_spanned!(tags.span()=> .tags(#tags))),
            None => {}
        }
        if self.function.sig.asyncness.is_some() {
            let answer = local("answer");
            quote! {
                async move {
                    let #terms = #asked;
                    let #answer = async move {
                        // Says what type this is, for what is inferred within.
                        if let ::core::option::Option::Some(#answer) =
                            ::core::option::Option::None::<#ty>
                        {
                            return #answer;
                        }
                        #(#statements)*
                    }
                    .await;
                    (#answer, #terms)
                }
            }
        } else {
            quote! {
                move || {
                    let #terms = #asked;
                    (#krate::__private::once(move || -> #ty { #(#statements)* }), #terms)
                }
            }
        }
    }

    /// A tag. Parameters that are named are still needed by the body.
    fn tag(&self, tag: &Expr) -> TokenStream {
        let named = match tag {
            Expr::Path(path) => path.path.get_ident().and_then(|name| self.parameters.named(name)),
            _ => None,
        };
        match named {
            Some(Parameter { ty, .. }) if !matches!(ty, Type::Reference(_)) => {
                quote!(::core::clone::Clone::clone(&#tag))
            }
            _ => quote!(#tag),
        }
    }

    /// The function that gives out the cache, which is made when it is first asked for.
    fn handle(&self, settings: &Settings<'_>) -> TokenStream {
        let krate = &self.krate;
        let ItemFn { attrs, vis, sig, .. } = &self.function;
        let (name, function) = (self.handle_name(), sig.ident.unraw().to_string());
        let value = self.answer.value(krate);
        let unit = quote!(());
        let key = self.key.ty.as_ref().unwrap_or(&unit);
        let kept = quote_spanned!(self.answer.ty.span()=> #krate::__private::kept::<#value>(););
        let parts = self
            .key
            .parts
            .iter()
            .map(|(at, part)| quote_spanned!(*at=> #krate::__private::key_part::<#part>();));
        let calls = settings.calls(krate, key, &value);
        let kind = settings.kind(krate);
        let called = match &self.options.name {
            Some(set) => {
                let text = &set.value;
                quote!(#text)
            }
            None if self.in_impl => quote!(&::std::format!(
                "{}::{}",
                ::core::any::type_name::<Self>(),
                #function
            )),
            None => quote!(::core::concat!(::core::module_path!(), "::", #function)),
        };
        let (builder, kept_here) = (local("builder"), Ident::new("CACHE", Span::mixed_site()));
        let make = quote! {
            || {
                #krate::__private::keep::<#key, #value>(#called, &#kind, |#builder| #builder #calls)
            }
        };
        let body = if self.in_impl {
            quote! {
                static #kept_here: #krate::__private::Slot = #krate::__private::Slot::new();
                #kept_here.get::<Self, #key, #value>(#make)
            }
        } else {
            quote! {
                static #kept_here: ::std::sync::OnceLock<#krate::Cache<#key, #value>> =
                    ::std::sync::OnceLock::new();
                #kept_here.get_or_init(#make)
            }
        };
        let path = if self.in_impl { "Self::" } else { "" };
        let about = format!(
            "The cache of [`{function}`]({path}{function}), to invalidate what it holds and to \
             read its statistics."
        );
        let attrs = attrs.iter().filter(|attr| is_shared(attr));
        quote! {
            #(#attrs)*
            #[doc = #about]
            #vis fn #name() -> &'static #krate::Cache<#key, #value> {
                #(#parts)*
                #kept
                #body
            }
        }
    }

    fn handle_name(&self) -> Ident {
        let name = &self.function.sig.ident;
        match &self.options.handle {
            Some(set) => set.value.clone(),
            None => Ident::new(&format!("{}_cache", name.unraw()), name.span()),
        }
    }
}

/// What the code calls its own.
struct Names {
    key: Ident,
    cache: Ident,
    glanced: Ident,
    answer: Ident,
}

impl Names {
    fn new() -> Names {
        let [key, cache, glanced, answer] = ["key", "cache", "glanced", "answer"].map(local);
        Names { key, cache, glanced, answer }
    }
}

/// A name that the body of the function does not see.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// Whether an attribute of the function goes for the function that gives out its cache, too.
fn is_shared(attr: &Attribute) -> bool {
    ["cfg", "allow"].iter().any(|name| attr.path().is_ident(name))
}
