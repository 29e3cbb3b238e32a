//! `#[cached]`.

mod amount;
mod answer;
mod key;
mod options;
mod parameters;
mod settings;
mod tokens;
mod write;

use crate::crate_path;
use answer::Answer;
use key::KeyPlan;
use options::Options;
pub(crate) use options::Preset;
use parameters::Parameters;
use proc_macro2::TokenStream;
use settings::Settings;
use syn::{Error, GenericParam, ItemFn, Result};
use write::Plan;

/// What takes the place of a function.
pub(crate) fn expand(
    args: TokenStream,
    item: TokenStream,
    preset: Option<Preset>,
) -> Result<TokenStream> {
    let in_impl = tokens::mentions(&item, "Self") || tokens::mentions(&args, "Self");
    let mut function = function(item)?;
    let options = Options::parse(args, preset)?;
    options.check_foreign_cache()?;
    check_signature(&function, &options)?;
    let parameters = Parameters::take(&mut function.sig);
    let answer = Answer::of(&function, &options)?;
    let key = KeyPlan::new(&parameters, &options)?;
    let has_key = options.key.is_some() || parameters.list.iter().any(|one| one.is_used);
    let settings = match options.cache {
        Some(_) => None,
        None => Some(Settings::new(&options, answer.shape, has_key)?),
    };
    let in_impl = match &options.in_impl {
        Some(set) => set.value,
        None => in_impl || parameters.receiver.is_some(),
    };
    if options.spawner.is_some()
        && let Some(receiver) = &parameters.receiver
        && matches!(receiver.kind, syn::ReceiverKind::Reference(..))
    {
        let problem = "what runs elsewhere outlives its caller: take `self: Arc<Self>`";
        return Err(Error::new_spanned(receiver, problem));
    }
    let krate = crate_path::find(options.krate.as_ref().map(|set| &set.value))?;
    let options = &options;
    let plan = Plan { krate, function, options, parameters, answer, key, settings, in_impl };
    plan.write()
}

fn function(item: TokenStream) -> Result<ItemFn> {
    syn::parse2::<ItemFn>(item.clone()).map_err(|error| {
        if let Ok(declared) = syn::parse2::<syn::TraitItemFn>(item.clone()) {
            let problem = "a function without a body leaves nothing to keep: put `#[cached]` where \
                           it is implemented, with `cache = ..`";
            return Error::new_spanned(declared.sig, problem);
        }
        match syn::parse2::<syn::Item>(item) {
            Ok(syn::Item::Fn(_)) | Err(_) => error,
            Ok(other) => {
                let problem = "`#[cached]` goes on a function; within an `impl`, on each of its \
                               functions";
                Error::new_spanned(other, problem)
            }
        }
    })
}

/// What cannot be cached, whatever the options.
fn check_signature(function: &ItemFn, options: &Options) -> Result<()> {
    let signature = &function.sig;
    if let Some(constness) = &signature.constness {
        let problem = "a `const fn` cannot look into a cache";
        return Err(Error::new_spanned(constness, problem));
    }
    if options.cache.is_some() {
        return Ok(());
    }
    let is_type = |param: &&GenericParam| !matches!(param, GenericParam::Lifetime(_));
    if let Some(param) = signature.generics.params.iter().find(is_type) {
        let problem = "each type would need a cache of its own: write a function for each, or name \
                       a cache by `cache = ..` that is kept for one type only";
        return Err(Error::new_spanned(param, problem));
    }
    Ok(())
}
