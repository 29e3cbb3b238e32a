//! Functions whose answers are kept.

use perf_cache::{
    Cache, CacheKind, KeyText, Registry, Threads, cached, cached_api_response,
    cached_database_query,
};
use perf_core::{ByteSize, Clock};
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

/// Counts how often bodies ran.
#[derive(Default)]
struct Runs(AtomicU64);

impl Runs {
    const fn new() -> Runs {
        Runs(AtomicU64::new(0))
    }

    fn one(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// An error that nobody can copy.
#[derive(Debug)]
struct Unshared(u64);

impl fmt::Display for Unshared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed {}", self.0)
    }
}

impl std::error::Error for Unshared {}

/// Polls a future that never waits for anything but itself.
fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn a_body_runs_once_for_each_key() {
    static RUNS: Runs = Runs::new();

    #[cached]
    fn square(n: u64) -> u64 {
        RUNS.one();
        n * n
    }

    assert_eq!((square(3), square(3), square(4)), (9, 9, 16));
    assert_eq!(RUNS.count(), 2);
    let stats = square_cache().stats();
    assert_eq!((stats.hits, stats.misses, stats.loads), (1, 2, 2));
    assert_eq!(square_cache().remove(&3), Some(9));
    assert_eq!((square(3), RUNS.count()), (9, 3));
    assert_eq!(square_cache().capacity().entries, Some(1_000));
}

#[test]
fn references_become_keys_that_own() {
    type Joined = (String, Vec<u8>, Option<String>, PathBuf, &'static str);

    #[cached(max_entries = 10)]
    fn joined(a: &str, b: &[u8], c: Option<&str>, d: &Path, e: &'static str) -> String {
        format!("{a}{b:?}{c:?}{}{e}", d.display())
    }

    let local = "x".to_owned();
    let answer = joined(&local, &[1], None, Path::new("p"), "e");
    assert_eq!(answer, "x[1]Nonep".to_owned() + "e");
    let cache: &Cache<Joined, String> = joined_cache();
    let key = (local, vec![1], None, PathBuf::from("p"), "e");
    assert_eq!(cache.get(&key), Some(answer));
}

#[test]
fn one_text_is_found_by_reference() {
    #[cached(max_entries = 10)]
    fn length(text: &str) -> usize {
        text.len()
    }

    assert_eq!(length("four"), 4);
    assert_eq!(length_cache().get("four"), Some(4));
}

#[test]
fn patterns_are_taken_apart_and_underscores_left_out() {
    struct Point {
        x: u32,
        y: u32,
    }

    #[cached(max_entries = 10)]
    fn sum((a, b): (u32, u32), mut c: u32, _: &fmt::Error, [d, ..]: [u32; 2]) -> u32 {
        c += a + b + d;
        c
    }

    #[cached(max_entries = 10, key: (u32, u32) = (x, y))]
    fn product(Point { x, y }: Point) -> u32 {
        x * y
    }

    assert_eq!(sum((1, 2), 3, &fmt::Error, [4, 5]), 10);
    assert_eq!(sum_cache().get(&((1, 2), 3, [4, 5])), Some(10));
    assert_eq!(product(Point { x: 2, y: 3 }), 6);
    assert_eq!(product_cache().get(&(2, 3)), Some(6));
}

#[test]
fn parameters_may_have_the_names_that_the_code_uses() {
    #[cached(max_entries = 10)]
    fn odd(key: u8, cache: u8, load: u8, terms: u8, builder: u8, answer: u8, errors: u8) -> u8 {
        key + cache + load + terms + builder + answer + errors
    }

    #[cached(max_entries = 10)]
    async fn even(key: u8, cache: u8, terms: u8, answer: u8) -> Result<u8, String> {
        Ok(key + cache + terms + answer)
    }

    assert_eq!(odd(1, 2, 3, 4, 5, 6, 7), 28);
    assert_eq!(now(even(1, 2, 3, 4)), Ok(10));
}

#[test]
fn a_function_without_parameters_has_one_answer() {
    static RUNS: Runs = Runs::new();

    #[cached]
    fn settings() -> Arc<str> {
        RUNS.one();
        "settings".into()
    }

    assert_eq!(settings(), settings());
    assert_eq!(RUNS.count(), 1);
    assert_eq!(settings_cache().capacity().entries, Some(1));
    settings_cache().clear();
    settings();
    assert_eq!(RUNS.count(), 2);
}

#[test]
fn keys_are_what_is_said() {
    static RUNS: Runs = Runs::new();

    #[cached(max_entries = 10, key = id)]
    fn by_id(connection: &mut Vec<u64>, id: u64) -> u64 {
        RUNS.one();
        connection.push(id);
        id
    }

    #[cached(max_entries = 10, key = (name, *id as u32))]
    fn by_some(name: &str, id: &u64, _verbose: bool) -> String {
        format!("{name}{id}")
    }

    #[cached(max_entries = 10, key = format!("user:{id}"))]
    fn by_text(id: u64) -> u64 {
        id
    }

    #[cached(max_entries = 10, key: bool = id.is_multiple_of(2))]
    fn by_other(id: u64) -> u64 {
        id
    }

    #[cached(max_entries = 10, key = "id.to_string()")]
    fn by_quoted(id: u64) -> u64 {
        id
    }

    let mut seen = Vec::new();
    assert_eq!((by_id(&mut seen, 1), by_id(&mut Vec::new(), 1)), (1, 1));
    assert_eq!((seen, RUNS.count()), (vec![1], 1));
    assert_eq!(by_some("a", &1, true), by_some("a", &1, false));
    assert_eq!(by_some_cache().get(&("a".to_owned(), 1_u32)), Some("a1".to_owned()));
    assert_eq!((by_text(1), by_text_cache().get("user:1")), (1, Some(1)));
    assert_eq!((by_other(2), by_other(4), by_other(3)), (2, 2, 3));
    assert_eq!((by_quoted(1), by_quoted_cache().get("1")), (1, Some(1)));
}

#[test]
fn what_the_body_gives_up_early_is_kept_too() {
    #[cached(max_entries = 10)]
    fn parsed(text: &str) -> Result<i64, std::num::ParseIntError> {
        if text.is_empty() {
            return Ok(0);
        }
        let number = text.parse::<i64>()?;
        Ok(number)
    }

    #[cached(max_entries = 10)]
    async fn late(
        text: &str,
    ) -> Result<Arc<dyn fmt::Display + Send + Sync>, std::num::ParseIntError> {
        if text.is_empty() {
            return Ok(Arc::new("empty"));
        }
        let number = text.parse::<i64>()?;
        Ok(Arc::new(number))
    }

    assert_eq!((parsed(""), parsed("7")), (Ok(0), Ok(7)));
    assert!(parsed("x").is_err());
    assert_eq!(parsed_cache().len(), 2);
    assert_eq!(now(late("7")).unwrap().to_string(), "7");
    assert_eq!(now(late("")).unwrap().to_string(), "empty");
    assert!(now(late("x")).is_err());
    assert_eq!(late_cache().len(), 2);
}

#[test]
fn errors_are_not_kept_unless_that_is_said() {
    static RUNS: Runs = Runs::new();

    #[cached(max_entries = 10)]
    fn fails(n: u64) -> Result<u64, String> {
        match RUNS.one() {
            1 => Err("not yet".to_owned()),
            _ => Ok(n),
        }
    }

    #[cached(max_entries = 10, cache_errors)]
    fn fails_for_good(n: u64) -> Result<u64, String> {
        Err(n.to_string())
    }

    assert_eq!((fails(1), fails(1), fails(1)), (Err("not yet".to_owned()), Ok(1), Ok(1)));
    assert_eq!((RUNS.count(), fails_cache().get(&1)), (2, Some(1)));
    assert_eq!(fails_for_good(1), Err("1".to_owned()));
    let cache: &Cache<u64, Result<u64, String>> = fails_for_good_cache();
    assert_eq!(cache.get(&1), Some(Err("1".to_owned())));
}

#[test]
fn errors_that_cannot_be_copied_go_to_whose_they_are() {
    static RUNS: Runs = Runs::new();

    #[cached(max_entries = 10)]
    fn fails(n: u64) -> Result<u64, Unshared> {
        match RUNS.one() {
            3 => Ok(n),
            run => Err(Unshared(run)),
        }
    }

    assert_eq!(fails(9).unwrap_err().0, 1);
    assert_eq!(fails(9).unwrap_err().0, 2);
    assert_eq!((fails(9).unwrap(), fails(9).unwrap()), (9, 9));
    assert_eq!(RUNS.count(), 3);
}

/// One fails while others wait for it: who waits gets the same error, or makes its own.
#[test]
fn who_waits_shares_an_error_or_loads() {
    static SHARED: Runs = Runs::new();
    static OWN: Runs = Runs::new();

    #[cached(max_entries = 10)]
    fn shared(waiting: &'static str) -> Result<u64, String> {
        let run = SHARED.one();
        // The others are there.
        while run == 1 && shared_cache().stats().joins < 2 {
            thread::yield_now();
        }
        Err(format!("{waiting} {run}"))
    }

    #[cached(max_entries = 10)]
    fn own(waiting: &'static str) -> Result<u64, Unshared> {
        let _ = waiting;
        let run = OWN.one();
        while run == 1 && own_cache().stats().joins < 2 {
            thread::yield_now();
        }
        Err(Unshared(run))
    }

    let of_three = |load: fn() -> String| {
        let mut texts: Vec<String> = thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        texts.sort();
        texts
    };
    assert_eq!(of_three(|| shared("a").unwrap_err()), ["a 1", "a 1", "a 1"]);
    assert_eq!(SHARED.count(), 1);
    let own = of_three(|| own("a").unwrap_err().to_string());
    assert_eq!(own, ["failed 1", "failed 2", "failed 3"]);
}

#[test]
fn a_value_is_made_once_however_many_ask() {
    static RUNS: Runs = Runs::new();

    #[cached(max_entries = 10)]
    fn slow(n: u64) -> u64 {
        RUNS.one();
        while slow_cache().stats().joins < 3 {
            thread::yield_now();
        }
        n
    }

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(slow(7), 7));
        }
    });
    assert_eq!(RUNS.count(), 1);
}

#[test]
fn none_is_not_kept_unless_that_is_said() {
    static RUNS: Runs = Runs::new();

    #[cached(max_entries = 10, tags = ["all"])]
    fn find(n: u64) -> Option<u64> {
        RUNS.one();
        (n > 1).then_some(n)
    }

    #[cached(max_entries = 10, cache_none)]
    fn find_for_good(n: u64) -> Option<u64> {
        (n > 1).then_some(n)
    }

    assert_eq!((find(1), find(1), find(2), find(2)), (None, None, Some(2), Some(2)));
    assert_eq!((RUNS.count(), find_cache().len()), (3, 1));
    assert_eq!(find_cache().invalidate_tag("all").at_most, 1);
    assert_eq!((find(2), RUNS.count()), (Some(2), 4));
    assert_eq!((find_for_good(1), find_for_good_cache().get(&1)), (None, Some(None)));
}

#[test]
fn other_names_for_results_are_told() {
    type Answer<T> = Result<T, String>;
    type Maybe = Option<u64>;

    #[cached(max_entries = 10, result = true)]
    fn fails(n: u64) -> Answer<u64> {
        n.checked_sub(2).ok_or_else(|| "small".to_owned())
    }

    #[cached(max_entries = 10, option)]
    fn finds(n: u64) -> Maybe {
        n.checked_sub(2)
    }

    #[cached(max_entries = 10, result = false)]
    fn kept(n: u64) -> Answer<u64> {
        n.checked_sub(2).ok_or_else(|| "small".to_owned())
    }

    #[cached(max_entries = 10)]
    fn io(n: u64) -> std::io::Result<u64> {
        n.checked_sub(2).ok_or_else(|| std::io::Error::other("small"))
    }

    assert_eq!((fails(1), fails(2), fails_cache().len()), (Err("small".to_owned()), Ok(0), 1));
    assert_eq!((finds(1), finds(2), finds_cache().len()), (None, Some(0), 1));
    assert_eq!((kept(1), kept_cache().len()), (Err("small".to_owned()), 1));
    assert_eq!((io(1).is_err(), io(3).unwrap(), io_cache().len()), (true, 1, 1));
}

#[test]
fn entries_have_the_tags_that_parameters_say() {
    #[cached(max_entries = 10, tags = ["users", format!("user:{id}"), name])]
    fn user(id: u64, name: String) -> String {
        drop(name.clone());
        name
    }

    #[cached(max_entries = 10, tags = names.iter().map(|name| name.to_lowercase()))]
    fn all(names: &[&'static str], key: u8) -> u8 {
        let _ = names;
        key
    }

    user(1, "ann".to_owned());
    user(2, "bob".to_owned());
    assert_eq!(user_cache().invalidate_tag("user:1").at_most, 1);
    assert_eq!(user_cache().get(&(1, "ann".to_owned())), None);
    assert_eq!(user_cache().invalidate_tag("bob").at_most, 1);
    assert_eq!(user_cache().get(&(2, "bob".to_owned())), None);
    all(&["Ann", "Bob"], 1);
    assert_eq!(all_cache().invalidate_tag("bob").at_most, 1);
    assert_eq!(all_cache().stats().loads, 1);
}

#[test]
fn bytes_are_bounded_by_what_values_take() {
    #[cached(max_bytes = "10KiB", size = |page| page.len())]
    fn page(n: u64) -> String {
        "x".repeat(usize::try_from(n).unwrap())
    }

    #[cached(max_bytes = ByteSize::mib(1), size = |name: &String, bytes: &Vec<u8>| name.len() + bytes.len())]
    fn file(name: &str) -> Vec<u8> {
        vec![0; name.len()]
    }

    page(1_000);
    let overhead = Cache::<u64, String>::ENTRY_OVERHEAD;
    assert_eq!(page_cache().memory_usage().as_u64(), 1_000 + overhead);
    assert_eq!(page_cache().capacity().bytes, Some(ByteSize::kib(10)));
    assert_eq!(page_cache().capacity().entries, None);
    page(100_000);
    assert_eq!(page_cache().len(), 1);
    file("four");
    assert_eq!(file_cache().memory_usage().as_u64(), 8 + Cache::<String, Vec<u8>>::ENTRY_OVERHEAD);
}

#[test]
fn settings_reach_the_cache() {
    const MANY: u64 = 77;

    #[cached(max_entries = MANY, ttl = "1m 30s", name = "prices of today", kind = content, handle = prices)]
    fn price(n: u64) -> u64 {
        n
    }

    #[cached_api_response(ttl = "10s")]
    fn forecast(n: u64) -> Result<u64, String> {
        Ok(n)
    }

    #[cached(db_query, max_entries = 5, kind = "ledger")]
    fn account(n: u64) -> u64 {
        n
    }

    #[cached_database_query]
    fn rows(n: u64) -> u64 {
        n
    }

    assert_eq!((price(1), forecast(1), account(1), rows(1)), (1, Ok(1), 1, 1));
    assert_eq!(prices().capacity().entries, Some(77));
    assert_eq!(prices().time_to_live(), Some(Duration::from_secs(90)));
    let found = Registry::global().get("prices of today").unwrap();
    assert_eq!((found.kind, found.tiers[0].stats.loads), (CacheKind::Content, 1));
    assert_eq!(forecast_cache().time_to_live(), Some(Duration::from_secs(10)));
    assert_eq!(forecast_cache().capacity().entries, Some(10_000));
    let kind = |name| Registry::global().get(name).unwrap().kind;
    assert_eq!(kind(forecast_cache().name()), CacheKind::Api);
    assert_eq!(forecast_cache().name(), "it::cached::forecast");
    assert_eq!(kind(account_cache().name()), CacheKind::Custom("ledger".to_owned()));
    assert_eq!(account_cache().time_to_live(), Some(Duration::from_secs(300)));
    assert_eq!(account_cache().capacity().entries, Some(5));
    assert_eq!(kind(rows_cache().name()), CacheKind::Database);
}

mod elsewhere {
    #[super::cached(name = "the same")]
    pub(super) fn one(n: u8) -> u8 {
        n
    }

    #[super::cached(name = "the same")]
    pub(super) fn two(n: u8) -> u8 {
        n
    }
}

#[test]
fn names_that_are_taken_get_a_number() {
    assert_eq!((elsewhere::one(1), elsewhere::two(2)), (1, 2));
    let names = [elsewhere::one_cache().name(), elsewhere::two_cache().name()];
    assert_eq!(names, ["the same", "the same#2"]);
    assert!(Registry::global().get("the same#2").is_some());
}

#[test]
fn what_recurs_asks_for_smaller_keys() {
    #[cached]
    fn fibonacci(n: u64) -> u64 {
        if n < 2 { n } else { fibonacci(n - 1) + fibonacci(n - 2) }
    }

    #[cached]
    async fn slowly(n: u64) -> u64 {
        if n < 2 { n } else { Box::pin(slowly(n - 1)).await + Box::pin(slowly(n - 2)).await }
    }

    assert_eq!(fibonacci(90), 2_880_067_194_370_816_120);
    assert_eq!(fibonacci_cache().stats().loads, 91);
    assert_eq!(now(slowly(40)), 102_334_155);
    assert_eq!(slowly_cache().stats().loads, 41);
}

#[test]
#[should_panic(expected = "asks for the very key")]
fn what_asks_for_itself_panics_instead_of_waiting() {
    #[cached]
    fn turning(n: u64) -> u64 {
        turning(n)
    }

    turning(1);
}

/// All from one program run: each is asked of by several threads at once.
#[test]
fn recursion_on_many_threads_ends() {
    #[cached]
    fn paths(x: u64, y: u64) -> u64 {
        if x == 0 || y == 0 { 1 } else { paths(x - 1, y) + paths(x, y - 1) }
    }

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(paths(12, 12), 2_704_156));
        }
    });
    assert_eq!(paths_cache().stats().loads, 168);
}

struct Shop {
    id: u64,
    own: Cache<u64, String>,
    runs: Runs,
}

impl Shop {
    fn new(id: u64) -> Shop {
        let own = Cache::builder().max_entries(10).build().unwrap();
        Shop { id, own, runs: Runs::new() }
    }

    #[cached(max_entries = 10, key: (u64, String) = (self.id, product.to_owned()))]
    fn price(&self, product: &str) -> String {
        self.runs.one();
        format!("{} in {}", product, self.id)
    }

    #[cached(max_entries = 10, ignore_self)]
    pub(crate) async fn rate(&self, currency: &str) -> Result<u64, String> {
        self.runs.one();
        u64::try_from(currency.len()).map_err(|error| error.to_string())
    }

    #[cached(cache = self.own)]
    fn name(&self, n: u64) -> String {
        self.runs.one();
        format!("{n} of {}", self.id)
    }

    #[cached(cache = self.own, key = n.len() as u64)]
    async fn longer<T: AsRef<str>>(&self, n: &str, prefix: T) -> Option<String> {
        self.runs.one();
        (!n.is_empty()).then(|| format!("{}{n}", prefix.as_ref()))
    }

    #[cached(max_entries = 10, in_impl)]
    fn tax(country: u8) -> u8 {
        country
    }

    #[cached(max_entries = 10)]
    fn open(id: u64) -> Arc<Self> {
        Arc::new(Shop::new(id))
    }
}

#[test]
fn methods_keep_what_their_keys_say() {
    let (a, b) = (Shop::new(1), Shop::new(2));
    assert_eq!((a.price("tea"), a.price("tea")), ("tea in 1".to_owned(), "tea in 1".to_owned()));
    assert_eq!(b.price("tea"), "tea in 2");
    assert_eq!((a.runs.count(), b.runs.count()), (1, 1));
    assert_eq!(Shop::price_cache().len(), 2);
    assert_eq!(Shop::price_cache().name(), "it::cached::Shop::price");

    assert_eq!((now(a.rate("EUR")), now(b.rate("EUR"))), (Ok(3), Ok(3)));
    assert_eq!((a.runs.count(), b.runs.count()), (2, 1));

    assert_eq!((a.name(7), a.name(7), b.name(7)).2, "7 of 2");
    assert_eq!((a.runs.count(), b.runs.count()), (3, 2));
    assert_eq!(a.own.get(&7), Some("7 of 1".to_owned()));
    assert_eq!(now(a.longer("four", "-")), Some("-four".to_owned()));
    assert_eq!(now(a.longer("five", String::from("+"))), Some("-four".to_owned()));
    assert_eq!(now(a.longer("", "-")), None);

    assert_eq!((Shop::tax(1), Shop::tax_cache().len()), (1, 1));
    assert!(Arc::ptr_eq(&Shop::open(3), &Shop::open(3)));
}

#[derive(Default)]
struct Store<T>(std::marker::PhantomData<T>);

impl<T: Default + fmt::Debug + Clone + Send + Sync + 'static> Store<T> {
    #[cached(max_entries = 10, ignore_self)]
    fn empty(&self, n: u8) -> String {
        format!("{:?} {n}", T::default())
    }

    #[cached(max_entries = 10, in_impl)]
    fn value(n: u8) -> (u8, T) {
        (n, T::default())
    }
}

#[test]
fn each_type_of_a_generic_impl_has_a_cache_of_its_own() {
    assert_eq!(Store::<u8>::default().empty(1), "0 1");
    assert_eq!(Store::<String>::default().empty(1), "\"\" 1");
    assert_eq!(Store::<bool>::default().empty(1), "false 1");
    assert_eq!(Store::<String>::default().empty(1), "\"\" 1");
    let names = [Store::<u8>::empty_cache().name(), Store::<bool>::empty_cache().name()];
    assert_eq!(names, ["it::cached::Store<u8>::empty", "it::cached::Store<bool>::empty"]);
    assert_eq!(Store::<String>::empty_cache().stats().loads, 1);
    assert_eq!((Store::<u8>::value(1), Store::<bool>::value(1)), ((1, 0), (1, false)));
}

trait Source {
    fn read(&self, n: u64) -> String;
}

static READ: LazyLock<Cache<u64, String>> =
    LazyLock::new(|| Cache::builder().max_entries(10).build().unwrap());

impl Source for Runs {
    #[cached(cache = READ, key = n)]
    fn read(&self, n: u64) -> String {
        self.one();
        n.to_string()
    }
}

#[test]
fn caches_of_ones_own_go_anywhere() {
    static HAND: LazyLock<(Cache<String, u64>, perf_core::ManualClock)> = LazyLock::new(|| {
        let (clock, hand) = Clock::manual();
        let ttl = Duration::from_secs(60);
        (Cache::builder().max_entries(9).time_to_live(ttl).clock(clock).build().unwrap(), hand)
    });
    static RUNS: Runs = Runs::new();

    #[cached(cache = HAND.0, key = key.key_text().into_owned())]
    fn of_any(key: &impl KeyText) -> u64 {
        RUNS.one()
    }

    let runs = Runs::new();
    assert_eq!((runs.read(1), runs.read(1), runs.count()), ("1".into(), "1".into(), 1));
    assert_eq!((of_any(&7), of_any(&"7"), of_any(&Cow::Borrowed("8"))), (1, 1, 2));
    HAND.1.advance(Duration::from_secs(60));
    assert_eq!(of_any(&7), 3);
}

#[test]
fn futures_can_go_to_other_threads() {
    use std::sync::mpsc::{Receiver, channel};

    // What it holds meanwhile can be sent but not shared.
    #[cached(max_entries = 10, key = name, tags = ["all", name])]
    async fn told(name: &str, from: Receiver<u8>) -> Result<u8, Unshared> {
        tokio::task::yield_now().await;
        from.recv().map_err(|_| Unshared(0))
    }

    fn sent<T: Send>(future: T) -> T {
        future
    }

    let (tell, from) = channel();
    tell.send(7).unwrap();
    assert_eq!(now(sent(told("a", from))).unwrap(), 7);
    assert_eq!(told_cache().invalidate_tag("a").at_most, 1);
}

#[test]
fn tasks_wait_for_the_load_of_another() {
    static RUNS: Runs = Runs::new();

    #[cached(max_entries = 10)]
    async fn slow(n: u64) -> Result<u64, Unshared> {
        let run = RUNS.one();
        while run == 1 && slow_cache().stats().joins < 2 {
            tokio::task::yield_now().await;
        }
        if n == 0 { Err(Unshared(run)) } else { Ok(n) }
    }

    let three = async |n| tokio::join!(slow(n), slow(n), slow(n));
    let errors = now(three(0));
    let mut errors = [errors.0, errors.1, errors.2].map(|error| error.unwrap_err().0);
    errors.sort_unstable();
    assert_eq!(errors, [1, 2, 3]);
    let values = now(three(5));
    assert_eq!((values.0.unwrap(), values.1.unwrap(), values.2.unwrap()), (5, 5, 5));
    assert_eq!(RUNS.count(), 4);
}

/// A key that counts its copies.
struct Copied(u8, Arc<Runs>);

impl Clone for Copied {
    fn clone(&self) -> Copied {
        self.1.one();
        Copied(self.0, Arc::clone(&self.1))
    }
}

impl PartialEq for Copied {
    fn eq(&self, other: &Copied) -> bool {
        self.0 == other.0
    }
}

impl Eq for Copied {}

impl Hash for Copied {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[test]
fn what_is_found_needs_no_copy_of_the_key() {
    #[cached(max_entries = 10)]
    fn by_value(key: Copied) -> u8 {
        key.0
    }

    #[cached(max_entries = 10, key = (name, key))]
    fn by_parts(key: &Copied, name: &str, _other: u8) -> Option<usize> {
        Some(name.len() + usize::from(key.0))
    }

    #[cached(max_entries = 10, ttl = "1h", refresh_after = 0.5)]
    async fn awaited(name: &str, key: Copied) -> Result<usize, String> {
        Ok(name.len() + usize::from(key.0))
    }

    let runs = Arc::new(Runs::new());
    let key = || Copied(7, Arc::clone(&runs));
    assert_eq!(by_value(key()), 7);
    assert_eq!(by_parts(&key(), "four", 1), Some(11));
    assert_eq!(now(awaited("four", key())), Ok(11));
    let copies = runs.count();
    assert!(copies >= 3, "{copies}");
    assert_eq!(by_value(key()), 7);
    assert_eq!(by_parts(&key(), "four", 2), Some(11));
    assert_eq!(now(awaited("four", key())), Ok(11));
    assert_eq!(runs.count(), copies);
    for stats in [by_value_cache().stats(), by_parts_cache().stats(), awaited_cache().stats()] {
        assert_eq!((stats.hits, stats.misses, stats.loads), (1, 1, 1));
    }
}

#[test]
fn bodies_run_where_the_spawner_says() {
    #[cached(max_entries = 10, spawner = Threads, tags = [name])]
    fn on_a_thread(name: &str, n: u64) -> (String, thread::ThreadId) {
        (format!("{name}{n}"), thread::current().id())
    }

    #[cached(max_entries = 10, spawner = Threads, negative_ttl = "1h")]
    async fn awaited(name: &str, bytes: &[u8]) -> Result<thread::ThreadId, String> {
        if bytes.is_empty() {
            return Err(name.to_owned());
        }
        Ok(thread::current().id())
    }

    let (text, there) = on_a_thread("a", 7);
    assert_eq!(text, "a7");
    assert_ne!(there, thread::current().id());
    assert_eq!(on_a_thread("a", 7).1, there);
    assert_eq!(on_a_thread_cache().invalidate_tag("a").at_most, 1);
    assert_ne!(now(awaited("a", &[1])).unwrap(), thread::current().id());
    assert_eq!(now(awaited("b", &[])), Err("b".to_owned()));
    assert_eq!(now(awaited("b", &[])), Err("b".to_owned()));
    assert_eq!(awaited_cache().stats().loads, 2);
}

#[test]
fn a_load_elsewhere_goes_on_without_its_caller() {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};

    #[cached(max_entries = 10, spawner = Threads, key = n)]
    async fn told(n: u8, from: Arc<Mutex<Receiver<u8>>>) -> u8 {
        n + from.lock().unwrap().recv().unwrap()
    }

    let (tell, from) = channel();
    let mut left = Box::pin(told(1, Arc::new(Mutex::new(from))));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(left.as_mut().poll(&mut context).is_pending());
    drop(left);
    tell.send(6).unwrap();
    let (_, nothing) = channel();
    assert_eq!(now(told(1, Arc::new(Mutex::new(nothing)))), 7);
    assert_eq!(told_cache().stats().loads, 1);
}

#[test]
#[should_panic(expected = "a cached function has no answer")]
fn a_panic_elsewhere_reaches_the_caller() {
    #[cached(max_entries = 10, spawner = Threads)]
    fn broken(n: u64) -> u64 {
        assert_eq!(n, 2, "the test means to break");
        n
    }

    broken(1);
}
