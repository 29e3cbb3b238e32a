//! Concurrent caches in memory, each as it comes, bounded by the same number of entries.

mod caches;
mod drive;
mod pairs;

use crate::machine::{Resident, add_arithmetic, add_resident};
use crate::measure::{Bench, Measurement};
use anyhow::{Result, bail, ensure};
use caches::{Foyer, Moka, Mutexed, Ours, OursByRef, OursPlain, Quick, Rival};
use drive::{Mix, Operations, drive, expected_of_lru};
use pairs::{Numbers, Pairs, Texts};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    add_arithmetic(bench)?;
    for mix in [Mix::Hits, Mix::ReadThrough, Mix::Half] {
        let operations = Operations::new(bench, mix)?;
        let rounds = bench.parameter("repeats")? + 1;
        let of_lru = expected_of_lru(&operations, bench.parameter("capacity")?, rounds);
        let run = Run { mix, operations: &operations, of_lru: &of_lru };
        run.measure::<Numbers>(bench, "u64", &subjects::<Ours<Numbers>, Numbers>())?;
        run.measure::<Numbers>(bench, "plain-u64", &nearest::<OursPlain, Numbers>())?;
        run.measure::<Texts>(bench, "string", &subjects::<Ours<Texts>, Texts>())?;
        run.measure::<Texts>(bench, "string-ref", &nearest::<OursByRef<Texts>, Texts>())?;
    }
    add_resident(bench, "memory", "u64/1M/resident", "bytes_per_entry", &RESIDENT)
}

const RESIDENT: [&str; 6] = ["perf-cache", PLAIN, "moka", "quick_cache", "foyer", "lru"];
const PLAIN: &str = "perf-cache plain";

/// A subject that has not been filled yet.
type Make = (&'static str, for<'a> fn(usize, &'a Operations) -> Box<dyn Subject + 'a>);

/// Ours and all others.
fn subjects<O: Rival<P> + 'static, P: Pairs>() -> Vec<Make> {
    let mut subjects = nearest::<O, P>();
    subjects.push(("foyer", filled::<Foyer<P>, P>));
    subjects.push(("lru", filled::<Mutexed<P>, P>));
    subjects
}

/// Ours and those that figures are compared with.
fn nearest<O: Rival<P> + 'static, P: Pairs>() -> Vec<Make> {
    vec![
        ("perf-cache", filled::<O, P>),
        ("moka", filled::<Moka<P>, P>),
        ("quick_cache", filled::<Quick<P>, P>),
    ]
}

fn filled<'a, C: Rival<P> + 'static, P: Pairs>(
    room: usize,
    operations: &'a Operations,
) -> Box<dyn Subject + 'a> {
    Box::new(Filled::<C, P>::new(room, operations))
}

/// One mix, for every kind of pairs.
struct Run<'a> {
    mix: Mix,
    operations: &'a Operations,
    of_lru: &'a [u64],
}

impl Run<'_> {
    /// One kind of pairs, in every arrangement of threads.
    fn measure<P: Pairs>(&self, bench: &mut Bench, kind: &str, subjects: &[Make]) -> Result<()> {
        let mix = self.mix;
        let cases = cases(bench, kind, mix)?;
        if !cases.iter().any(|case| bench.wants(&case.name)) {
            return Ok(());
        }
        bench.say(&format!("{kind}/{}: filling caches", mix.name()), true);
        let room = bench.parameter("capacity")?;
        let caches: Vec<_> =
            subjects.iter().map(|&(name, make)| (name, make(room, self.operations))).collect();
        let mut times = BTreeMap::<(&str, &str), Vec<f64>>::new();
        for case in &cases {
            let ratios = RefCell::new(BTreeMap::<&str, Vec<f64>>::new());
            let took = RefCell::new(Vec::new());
            let mut measurements: Vec<(&str, Measurement<'_>)> = Vec::new();
            for (name, cache) in &caches {
                let (name, ratios, took) = (*name, &ratios, &took);
                let mut round = 0;
                let measurement = move || {
                    let done = cache.drive(case, round)?;
                    check(mix, name, case, &done, self.of_lru[round])?;
                    round += 1;
                    let ratio = done.found as f64 / done.reads as f64;
                    ratios.borrow_mut().entry(name).or_default().push(ratio);
                    took.borrow_mut().push((name, done.nanoseconds));
                    Ok(done.nanoseconds)
                };
                measurements.push((name, Box::new(measurement)));
            }
            bench.measure(&case.name, "ns_per_op", "ns", &mut measurements)?;
            drop(measurements);
            for (name, nanoseconds) in took.into_inner() {
                times.entry((&case.name, name)).or_default().push(nanoseconds);
            }
            if mix != Mix::Hits {
                for (name, ratios) in ratios.take() {
                    bench.add(&case.name, name, "hit_ratio", "ratio", &ratios[1..])?;
                }
            }
        }
        if mix == Mix::Hits {
            add_scaling(bench, &cases, &times)?;
        }
        add_harness::<P>(bench, &cases, mix, self.operations)
    }
}

/// How much faster two threads are than one, to be held against `alu/t2`.
fn add_scaling(
    bench: &mut Bench,
    cases: &[Case],
    times: &BTreeMap<(&str, &str), Vec<f64>>,
) -> Result<()> {
    let Some(one) = cases.iter().find(|case| case.threads == 1) else { return Ok(()) };
    for two in cases.iter().filter(|case| case.threads == 2) {
        for ((_, name), twos) in times.iter().filter(|((case, _), _)| *case == two.name) {
            let Some(ones) = times.get(&(&one.name, name)) else { continue };
            // The first round of each warms up.
            let speedups = ones.iter().zip(twos).skip(1).map(|(one, two)| one / two);
            bench.add(&two.name, name, "speedup", "x", &speedups.collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// One arrangement of threads.
struct Case {
    name: String,
    threads: usize,
    /// Whether each thread starts at a place of its own in the list of operations.
    offset: bool,
}

fn cases(bench: &Bench, kind: &str, mix: Mix) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for threads in bench.definition.parameter::<Vec<usize>>("threads")? {
        let name = format!("{kind}/{}/t{threads}", mix.name());
        cases.push(Case { name: name.clone(), threads, offset: false });
        if threads > 1 {
            cases.push(Case { name: format!("{name}/offset"), threads, offset: true });
        }
    }
    Ok(cases)
}

/// What one measurement did.
struct Done {
    /// Wall time over the operations of all threads.
    nanoseconds: f64,
    reads: u64,
    found: u64,
    /// How often a value was not the one that belongs to its key.
    wrong: u64,
}

/// A cache that is full and warm.
struct Filled<'a, C, P> {
    cache: C,
    operations: &'a Operations,
    pairs: std::marker::PhantomData<P>,
}

/// Any of them, so that they can be measured in turn; the loop inside knows its type.
trait Subject {
    fn drive(&self, case: &Case, round: usize) -> Result<Done>;
}

impl<'a, C: Rival<P>, P: Pairs> Filled<'a, C, P> {
    fn new(room: usize, operations: &'a Operations) -> Filled<'a, C, P> {
        let cache = C::with_room_for(room);
        for key in operations.fill(room) {
            cache.insert(P::key(key), P::value(key));
        }
        cache.settle();
        drive(&cache, operations, 0, operations.list.len());
        cache.settle();
        Filled { cache, operations, pairs: std::marker::PhantomData }
    }
}

impl<C: Rival<P>, P: Pairs> Subject for Filled<'_, C, P> {
    fn drive(&self, case: &Case, round: usize) -> Result<Done> {
        let Case { threads, offset, .. } = *case;
        let all = self.operations.list.len();
        let each = all / threads;
        let (wall, done) = crate::measure::together(threads, |thread| {
            // Each round starts where the one before ended, so that however many threads share the
            // work, the whole list comes by and not only its head.
            let start = (round + if offset { thread } else { 0 }) * each % all;
            drive(&self.cache, self.operations, start, each)
        })?;
        self.cache.settle();
        Ok(Done {
            nanoseconds: wall.as_nanos() as f64 / (each * threads) as f64,
            reads: done.iter().map(|d| d.reads).sum(),
            found: done.iter().map(|d| d.found).sum(),
            wrong: done.iter().map(|d| d.wrong).sum(),
        })
    }
}

fn check(mix: Mix, subject: &str, case: &Case, done: &Done, of_lru: u64) -> Result<()> {
    ensure!(done.wrong == 0, "{} values do not belong to their keys", done.wrong);
    if mix == Mix::Hits {
        ensure!(done.found == done.reads, "{} of {} gets found", done.found, done.reads);
    } else if case.threads == 1 {
        let found = done.found;
        if subject == "lru" {
            ensure!(found == of_lru, "found {found}, where LRU by the book finds {of_lru}");
        }
        // Policies differ; a cache that forgets is something else.
        ensure!(found * 10 >= of_lru * 8, "found {found}, less than 0.8 of LRU's {of_lru}");
    }
    Ok(())
}

/// What the loop and making a key take without any cache, for those who want to subtract it.
fn add_harness<P: Pairs>(
    bench: &mut Bench,
    cases: &[Case],
    mix: Mix,
    operations: &Operations,
) -> Result<()> {
    let Some(case) = cases.iter().find(|case| case.threads == 1) else { return Ok(()) };
    if mix != Mix::Hits || !bench.wants(&case.name) {
        return Ok(());
    }
    let figures: Vec<f64> = (0..bench.parameter("repeats")?)
        .map(|_| {
            let start = Instant::now();
            for operation in &operations.list {
                P::with_key(operation.key(), |key| _ = black_box(key));
            }
            start.elapsed().as_nanos() as f64 / operations.list.len() as f64
        })
        .collect();
    bench.add(&case.name, "no cache", "ns_per_op", "ns", &figures)
}

/// A cache of pairs of u64, as many as it has room for.
pub(crate) fn resident(subject: &str, count: usize) -> Result<Resident> {
    fn fill<C: Rival<Numbers>>(count: usize) -> Result<Resident> {
        Resident::of(|| {
            let cache = C::with_room_for(count);
            let mut key = 0;
            // Sharded caches evict a little before they are full; fresh keys fill the rest.
            while cache.len() < count && key < 2 * count as u64 {
                let missing = (count - cache.len()) as u64;
                for _ in 0..missing {
                    cache.insert(key, Numbers::value(key));
                    key += 1;
                }
                cache.settle();
            }
            let held = cache.len() as u64;
            (cache, held)
        })
    }
    match subject {
        "perf-cache" => fill::<Ours<Numbers>>(count),
        PLAIN => fill::<OursPlain>(count),
        "moka" => fill::<Moka<Numbers>>(count),
        "quick_cache" => fill::<Quick<Numbers>>(count),
        "foyer" => fill::<Foyer<Numbers>>(count),
        "lru" => fill::<Mutexed<Numbers>>(count),
        other => bail!("no subject `{other}`"),
    }
}
