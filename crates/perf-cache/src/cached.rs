//! `#[cached]`: the attribute, and what it writes calls for.

pub mod private;

/// Keeps the answers of a function in a [`Cache`](crate::Cache), by its parameters.
///
/// Who calls it gets what is in the cache; where nothing is, the body runs, once for all who ask for
/// the same meanwhile. Beside the function there is another one that gives out the cache, to
/// invalidate and to read statistics.
///
/// ```
/// use perf_cache::{Cache, cached};
///
/// #[cached(max_entries = 10_000, ttl = "5m", tags = ["users", format!("user:{id}")])]
/// fn greeting(id: u64, language: &str) -> String {
///     // Stands for something slow.
///     format!("{language}: hello, {id}")
/// }
///
/// assert_eq!(greeting(7, "en"), "en: hello, 7");
/// assert_eq!(greeting(7, "en"), "en: hello, 7");
///
/// let cache: &Cache<(u64, String), String> = greeting_cache();
/// let stats = cache.stats();
/// assert_eq!((stats.loads, stats.hits), (1, 1));
///
/// cache.invalidate_tag("user:7");
/// greeting(7, "en");
/// assert_eq!(cache.stats().loads, 2);
/// ```
///
/// An `async fn` is cached as it is, on any runtime. Of a `Result` only `Ok` is kept:
///
/// ```
/// use perf_cache::cached;
/// use std::sync::Arc;
///
/// # async fn ask_the_service(_: &str) -> Result<f64, std::io::Error> { Ok(1.08) }
/// #[cached(api_response, ttl = "30s")]
/// async fn rate(currency: &str) -> Result<f64, Arc<std::io::Error>> {
///     Ok(ask_the_service(currency).await?)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// assert_eq!(rate("EUR").await?, 1.08);
/// assert_eq!(rate_cache().get("EUR"), Some(1.08));
/// # Ok::<(), Arc<std::io::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Options
///
/// All are optional. A literal is checked when the program is compiled; any other expression, such as
/// a constant, is evaluated when the cache is made, which is when it is first used.
///
/// | option | what it says |
/// |---|---|
/// | `max_entries = 1_000` | so many entries. Without it and `max_bytes`: 1 000, or one where there are no parameters |
/// | `max_bytes = "64MiB"` | so many bytes, as `size` counts them |
/// | `size = \|value\| value.len()` | bytes that the value owns on the heap, or `\|key, value\|` or a function for both; what the entry takes beside that is added |
/// | `ttl = "5m"` | time to live. A time always has a unit: `ms`, `s`, `m`, `h`, `d`, also `"1h 30m"`. Zero turns off what a preset says |
/// | `idle = "10m"` | time to live since the last read |
/// | `refresh_after = 0.8` | from which share of the time to live, or after which time (`"4m"`), a caller renews the value; others get the present one meanwhile |
/// | `stale_if_error = "1h"` | for how long after its time to live a value is answered if renewing it fails; for a `Result` |
/// | `negative_ttl = "1s"` | for how long an `Err` or a `None` is answered again without asking; an `Err` has to be `Clone` |
/// | `spawner = Threads` | a [`Spawn`](crate::Spawn) that runs the body, so that a refresh keeps nobody waiting, and a load goes on when its caller is gone; parameters have to be owned or copied, and an `Err` to be `Clone` |
/// | `key = (id, language)` | what entries go by: parameters, `format!(..)`, `x.to_string()`, `x as u64`, or tuples of these |
/// | `key: u32 = expr` | the same for any expression over the parameters and `self`, with its type |
/// | `tags = ["users", format!("user:{id}")]` | tags of the entry: a list of expressions over the parameters, or one expression that gives several |
/// | `name = "users"` | what the cache is called in the [registry](crate::Registry::global) and in statistics; the path of the function if not set |
/// | `handle = users` | what the function that gives out the cache is called; `f_cache` for `f` if not set |
/// | `kind = api` | what the cache is for: `application` (if not set), `database`, `api`, `content`, `session`, or a text |
/// | `result = true`, `option = true` | the answer is a `Result` or an `Option`, though its type has another name |
/// | `cache_errors`, `cache_none` | `Err` and `None` are kept like any answer |
/// | `ignore_self` | `self` makes no difference to the answer |
/// | `in_impl` | the function stands in an `impl`, where neither `self` nor `Self` shows it |
/// | `cache = CACHE` | a cache of your own, of which all else is said where it is made |
/// | `crate = path` | where this crate is found, if neither it nor `perfkit` is a direct dependency |
///
/// Two presets say what is often wanted; other options go before what they say.
///
/// | preset | alias | what it says |
/// |---|---|---|
/// | `#[cached(api_response)]` | `#[cached_api_response]` | `kind = api, max_entries = 10_000, ttl = "1m", refresh_after = 0.8, stale_if_error = "10m", negative_ttl = "1s"` |
/// | `#[cached(db_query)]` | `#[cached_database_query]` | `kind = database, max_entries = 10_000, ttl = "5m"` |
///
/// What of a preset cannot be for a function, such as `negative_ttl` where nothing fails, has no
/// effect. Where it was asked for it is an error.
///
/// # Keys
///
/// Each parameter has to be `Hash + Eq + Clone + Send + Sync`. References become what they refer to:
/// `&str` becomes `String`, `&[T]` becomes `Vec<T>`, `Option<&T>` becomes `Option<T>`. One parameter
/// is the key itself, more are a tuple; one called `_` is left out. Where a parameter makes no
/// difference, as a connection, say `key = ..` without it.
///
/// ```
/// use perf_cache::cached;
///
/// # struct Connection;
/// # impl Connection { fn query(&mut self, id: u64) -> Option<String> { (id < 9).then(|| "Ada".into()) } }
/// #[cached(db_query, key = id, tags = [format!("user:{id}")])]
/// fn user(connection: &mut Connection, id: u64) -> Option<String> {
///     connection.query(id)
/// }
///
/// let connection = &mut Connection;
/// assert_eq!(user(connection, 7).as_deref(), Some("Ada"));
/// assert_eq!(user_cache().get(&7).as_deref(), Some("Ada"));
/// assert_eq!(user(connection, 9), None);
/// assert_eq!(user_cache().get(&9), None);
/// ```
///
/// # Methods
///
/// All values of a type share one cache, so a method has to say what of `self` its answer depends
/// on. Or each value has a cache of its own:
///
/// ```
/// use perf_cache::{Cache, cached};
///
/// struct Shop {
///     id: u64,
///     prices: Cache<String, u64>,
/// }
///
/// impl Shop {
///     #[cached(max_entries = 100, key: (u64, u32) = (self.id, day))]
///     fn turnover(&self, day: u32) -> u64 {
///         self.id * u64::from(day)
///     }
///
///     #[cached(cache = self.prices)]
///     async fn price(&self, product: &str) -> Result<u64, std::fmt::Error> {
///         Ok(product.len() as u64)
///     }
/// }
///
/// let prices = Cache::builder().max_entries(100).build()?;
/// let shop = Shop { id: 3, prices };
/// assert_eq!(shop.turnover(7), 21);
/// assert_eq!(Shop::turnover_cache().get(&(3, 7)), Some(21));
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// assert_eq!(shop.price("tea").await?, 3);
/// # Ok::<(), std::fmt::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Within a generic `impl` each type has a cache of its own. Generic functions, and functions that
/// implement those of a trait, need `cache = ..`, which is also how to give a cache a clock, a
/// listener or a policy.
///
/// # Errors and absence
///
/// | the function answers | what is kept | what else is shared |
/// |---|---|---|
/// | `Result<T, E>` | `T` | an `E` that is `Clone + Send + Sync` goes to all who waited for that load; with any other, each of them runs the body once it has failed |
/// | `Option<T>` | `T` | a `None` goes to all who waited |
/// | anything else | it | |
///
/// What is a `Result` shows by the name of the type. If another name stands for one, the function
/// does not compile before `result = true` or `result = false` is said. A `Result<Option<T>, E>`
/// keeps `None` as well.
///
/// # Panics
///
/// A body that calls its function with the key that it is making panics, and so does one that asks
/// for a cache that cannot be made as an expression in the options says, such as a constant that is
/// zero. A panic of the body goes to its caller, and one of those who wait runs its own.
///
/// # Cost
///
/// A hit is a [`get`](crate::Cache::get): parameters that are the key, or part of one, are looked for
/// where they are, and copied only where nothing is found. Keys that are made by an expression, and
/// those with an `Option<&T>`, are made each time. A miss is a [`get_with`](crate::Cache::get_with) and the body. The cache
/// takes [some KiB](crate#cost) from its first use to the end of the program. The answer is cloned,
/// so what is large belongs in an `Arc`.
///
/// # What to look out for
///
/// - The answer must depend on nothing but the key: not on the time, a global, or what is behind a
///   parameter that `key = ..` leaves out.
/// - A function that is not `async` makes those who wait for it block their thread, the threads of a
///   runtime included. An `async` one that is dropped before its end gives up the load that it ran,
///   and one of those who wait begins anew, unless a `spawner` runs it.
/// - Recursion is fine as long as it comes to an end. One that comes back to a key that it is making
///   panics; where it does so over several threads, they wait for each other for ever.
/// - Another attribute that makes a plain function of an `async fn`, such as that of `async_trait`,
///   hides it from this one.
pub use perf_macros::cached;

/// [`#[cached(api_response)]`](macro@cached): answers of another service.
///
/// They live for a minute, are renewed when asked for in the last fifth of it, and answered for ten
/// minutes more if the service fails, which is then asked no more than once a second.
///
/// ```
/// use perf_cache::cached_api_response;
///
/// #[cached_api_response(max_entries = 100)]
/// fn forecast(city: &str) -> Result<String, String> {
///     Ok(format!("rain in {city}"))
/// }
///
/// assert_eq!(forecast("Bergen").as_deref(), Ok("rain in Bergen"));
/// assert_eq!(forecast_cache().capacity().entries, Some(100));
/// ```
pub use perf_macros::cached_api_response;

/// [`#[cached(db_query)]`](macro@cached): answers of a database.
///
/// They live for five minutes, so what changes them should invalidate them by their tags. An error is
/// answered as it is, and never an old row instead of it.
///
/// ```
/// use perf_cache::cached_database_query;
///
/// #[cached_database_query(tags = [format!("author:{author}")])]
/// fn books(author: u64) -> Vec<String> {
///     vec![format!("the first of {author}")]
/// }
///
/// assert_eq!(books(7).len(), 1);
/// assert_eq!(books_cache().invalidate_tag("author:7").at_most, 1);
/// ```
pub use perf_macros::cached_database_query;
