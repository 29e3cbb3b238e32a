//! The rules, against a naive model of them.

#![expect(clippy::unwrap_used, reason = "tests; clippy exempts only functions marked so")]

use super::*;
use crate::{Cause, KeyText};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use std::collections::{HashMap, HashSet};

fn hub(max_tags: usize, namespaces: &[&str]) -> Invalidations<String> {
    let hub = Invalidations::new(
        1,
        Declared {
            namespaces: namespaces.iter().map(|name| (*name).into()).collect(),
            max_tags,
            ..Declared::default()
        },
    );
    hub.learn_text(KeyText::key_text);
    hub
}

/// An entry as a shard holds it.
struct Held {
    key: String,
    era: Era,
    marks: Marks,
}

impl Held {
    fn admit(hub: &Invalidations<String>, key: &str, terms: &Terms) -> Held {
        let Admission { era, marks } = hub.admit(&key.to_owned(), terms, None).unwrap();
        Held { key: key.to_owned(), era, marks }
    }

    fn is_dead(&self, hub: &Invalidations<String>) -> bool {
        let by_pattern = self.era != hub.era() && hub.cover(&self.key, self.era);
        by_pattern || self.marks.dead().is_some()
    }
}

#[test]
fn a_tag_ends_those_that_have_it_and_spares_those_that_come_after() {
    let hub = hub(16, &[]);
    let terms = Terms::new().tags(["a", "b", "a"]);
    let (early, other) =
        (Held::admit(&hub, "1", &terms), Held::admit(&hub, "2", &Terms::new().tags(["c"])));
    assert_eq!(hub.invalidate_tag("b"), 1);
    let late = Held::admit(&hub, "3", &terms);
    let dead = [&early, &other, &late].map(|entry| entry.is_dead(&hub));
    assert_eq!((dead, hub.dead_by_tags()), ([true, false, false], 1));
    assert_eq!(early.marks.dead(), Some(Cause::Tag));
    early.marks.leave();
    assert_eq!((hub.dead_by_tags(), hub.invalidate_tag("b")), (0, 1));
    drop(early);
    assert_eq!(hub.dead_by_tags(), 1, "an entry leaves once");
}

#[test]
fn what_was_read_before_an_invalidation_is_refused() {
    let hub = hub(16, &["ns"]);
    let key = "ns:1".to_owned();
    let all = Terms::new().tags(["t"]).depends_on(["p"]);
    let refusal = |fence| hub.admit(&key, &all, Some(fence)).err();
    let mut fence = hub.fence();
    assert_eq!(refusal(fence), None);
    hub.invalidate_tag("t");
    assert_eq!(refusal(fence), Some(Refusal::Tag));
    fence = hub.fence();
    hub.invalidate_dependencies("p");
    assert_eq!(refusal(fence), Some(Refusal::Dependency));
    fence = hub.fence();
    hub.invalidate_namespace("ns").unwrap();
    assert_eq!(refusal(fence), Some(Refusal::Pattern));
    fence = hub.fence();
    hub.invalidate_glob(&Glob::new("*:?").unwrap()).unwrap();
    assert_eq!(refusal(fence), Some(Refusal::Pattern));
    fence = hub.fence();
    hub.invalidate_namespace("other").unwrap();
    hub.invalidate_tag("other");
    assert_eq!(refusal(fence), None);
    assert_eq!(hub.counts.fenced.load(Ordering::Relaxed), 4);
}

#[test]
fn a_cascade_reaches_what_is_on_its_way() {
    let hub = hub(16, &[]);
    let child = Held::admit(&hub, "child", &Terms::new().depends_on(["parent"]));
    let fence = hub.fence();
    assert_eq!(hub.cascade("parent"), 1);
    assert_eq!(child.marks.dead(), Some(Cause::Dependency));
    // Nothing depended on `child` so far, but this was made from it meanwhile.
    let terms = Terms::new().depends_on(["child"]);
    let late = hub.admit(&"grandchild".to_owned(), &terms, Some(fence));
    assert_eq!(late.err(), Some(Refusal::Dependency));
    assert!(hub.admit(&"grandchild".to_owned(), &terms, Some(hub.fence())).is_ok());
}

#[test]
fn a_dependency_may_be_added_later() {
    let hub = hub(16, &[]);
    let child = Held::admit(&hub, "child", &Terms::new().tags(["t"]).depends_on(["one"]));
    let marks = hub.add_dependency(&child.marks, "child", "two").unwrap();
    drop(child);
    assert_eq!(hub.cascade("two"), 1);
    assert!(marks.dead().is_some());
    assert_eq!((hub.invalidate_tag("t"), hub.cascade("one")), (1, 1));
    let names: HashSet<_> = marks.names().map(Name::text).collect();
    assert_eq!(names, HashSet::from(["t", "one", "two"]));
    drop(marks);
    assert_eq!((hub.dead_by_tags(), hub.graph.len()), (0, 0));
}

#[test]
fn tags_are_bounded_and_forgetting_them_stays_safe() {
    let hub = hub(4, &[]);
    let _held: Vec<_> =
        (0..4).map(|n| Held::admit(&hub, "k", &Terms::new().tags([n.to_string()]))).collect();
    let fence = hub.fence();
    let one_more = Terms::new().tags(["more"]);
    let key = "k".to_owned();
    assert_eq!(hub.admit(&key, &one_more, None).err(), Some(Refusal::TooManyTags));
    hub.invalidate_tag("more");
    drop(_held);
    // Nothing is known of `more` but that it may have been invalidated.
    assert_eq!(hub.admit(&key, &one_more, Some(fence)).err(), Some(Refusal::Tag));
    assert!(hub.admit(&key, &one_more, Some(hub.fence())).is_ok());
    for n in 0..10_000 {
        hub.invalidate_tag(&n.to_string());
    }
    assert!(hub.tag_count() <= 4);
}

#[test]
fn idle_tags_are_dropped_before_the_table_is_full() {
    let hub = hub(MAX_TAGS, &[]);
    for n in 0..50_000 {
        Held::admit(&hub, "k", &Terms::new().tags([n.to_string()]));
    }
    assert!(hub.tag_count() <= 2_048, "{} tags without an entry", hub.tag_count());
}

#[test]
fn patterns_ask_for_a_sweep_when_there_are_too_many() {
    let hub = hub(4, &[]);
    let entry = Held::admit(&hub, "k", &Terms::new());
    let given = |from: usize, to: usize| {
        let glob = |n| Glob::new(&format!("x{n}*")).unwrap();
        (from..to).take_while(|n| hub.invalidate_glob(&glob(*n)).is_ok()).count()
    };
    assert_eq!(given(0, 100), 32);
    let fence = hub.fence();
    hub.swept(0, hub.era());
    assert_eq!((hub.open_patterns(), given(32, 100)), (0, 32));
    assert!(!entry.is_dead(&hub));
    hub.swept(0, hub.era());
    assert_eq!(given(64, 96), 32);
    // The first were dropped: what is older than they counts as covered.
    let old = Held { key: "k".to_owned(), era: Era::default(), marks: Marks::default() };
    assert!(old.is_dead(&hub));
    assert!(hub.admit(&"k".to_owned(), &Terms::new(), Some(fence)).is_ok());
}

#[test]
fn namespaces_ask_for_a_sweep_when_there_are_too_many() {
    let hub = hub(4, &[]);
    let given = |from: usize| {
        (from..from + 5_000)
            .take_while(|n| hub.invalidate_namespace(&format!("n{n}")).is_ok())
            .count()
    };
    assert_eq!(given(0), 1024);
    // One that is there needs no room.
    assert!(hub.invalidate_namespace("n7").is_ok());
    hub.swept(0, hub.era());
    assert!(given(10_000) >= 512);
}

#[test]
fn what_a_tagged_entry_costs() {
    // As the crate page has it: this, and 16 bytes for each tag beside it.
    let sizes = (size_of::<crate::entry::Extra>(), size_of::<Marks>());
    assert_eq!(sizes, (104, 32));
}

#[test]
fn eras_wrap() {
    let (last, first) = (Era::new(u32::MAX), Era::new(0));
    assert!(first.is_after(last) && !last.is_after(first) && !first.is_after(first));
    assert_eq!(last.bits(), (1 << 24) - 1);
}

#[derive(Clone, Debug)]
enum Step {
    Insert { key: u8, tags: Vec<u8>, parents: Vec<u8>, read_at: Option<u8> },
    Drop(u8),
    Tag(u8),
    Namespace(u8),
    Glob(u8),
    Dependencies(u8),
    Cascade(u8),
    Sweep,
    Move(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let few = || prop::collection::vec(0_u8..8, 0..3);
    prop_oneof![
        12 => (0_u8..16, few(), few(), prop::option::of(0_u8..8)).prop_map(
            |(key, tags, parents, read_at)| Step::Insert { key, tags, parents, read_at }
        ),
        3 => (0_u8..16).prop_map(Step::Drop),
        2 => (0_u8..10).prop_map(Step::Tag),
        2 => (0_u8..5).prop_map(Step::Namespace),
        2 => (0_u8..16).prop_map(Step::Glob),
        1 => (0_u8..8).prop_map(Step::Dependencies),
        2 => (0_u8..16).prop_map(Step::Cascade),
        1 => Just(Step::Sweep),
        3 => (0_u8..16).prop_map(Step::Move),
    ]
}

/// Sixteen keys in four namespaces, of which one is declared.
fn key_name(key: u8) -> String {
    format!("n{}:{key}", key % 4)
}

#[derive(Default)]
struct Model {
    log: Vec<Ends>,
    entries: HashMap<u8, Modelled>,
    /// Every dependency that there ever was.
    edges: HashSet<(String, String)>,
}

/// Whether an invalidation ends a value of this key, with these tags and dependencies.
type Ends = Box<dyn Fn(u8, &[u8], &[u8]) -> bool>;

struct Modelled {
    tags: Vec<u8>,
    parents: Vec<u8>,
    born: usize,
}

impl Model {
    fn is_dead(&self, key: u8, entry: &Modelled) -> bool {
        self.log[entry.born..].iter().any(|ends| ends(key, &entry.tags, &entry.parents))
    }

    fn note(&mut self, ends: impl Fn(u8, &[u8], &[u8]) -> bool + 'static) {
        self.log.push(Box::new(ends));
    }

    fn reached(&self, from: &str) -> HashSet<String> {
        let mut reached = HashSet::from([from.to_owned()]);
        loop {
            let more: Vec<String> = self
                .edges
                .iter()
                .filter(|(parent, child)| reached.contains(parent) && !reached.contains(child))
                .map(|(_, child)| child.clone())
                .collect();
            if more.is_empty() {
                return reached;
            }
            reached.extend(more);
        }
    }
}

proptest! {
    #![proptest_config(Config {
        cases: 400,
        rng_seed: RngSeed::Fixed(20_261_121),
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn entries_die_as_in_the_model(
        steps in prop::collection::vec(step(), 1..120),
        // Without drops of entries the graph forgets no edge, and the model is exact.
        drops in any::<bool>(),
    ) {
        let hub = hub(1_000, &["n0"]);
        let mut held: HashMap<u8, Held> = HashMap::new();
        let mut model = Model::default();
        let mut fences = vec![hub.fence()];
        for step in steps {
            match step {
                // A new value may depend on less: an edge that is dropped.
                Step::Insert { key, .. } if !drops && held.contains_key(&key) => {}
                Step::Insert { key, tags, parents, read_at } => {
                    let names = |of: &[u8], what| of.iter().map(|n| format!("{what}{n}")).collect();
                    let tag_names: Vec<String> = names(&tags, "t");
                    let parent_names: Vec<String> = parents.iter().map(|n| key_name(*n)).collect();
                    let terms = Terms::new()
                        .tags(tag_names.iter().map(String::as_str))
                        .depends_on(parent_names.iter().map(String::as_str));
                    // A read that began so many invalidations ago.
                    let born = model.log.len() - read_at.map_or(0, usize::from).min(model.log.len());
                    let fence = read_at.map(|_| fences[born]);
                    let admitted = hub.admit(&key_name(key), &terms, fence);
                    let entry = Modelled { tags, parents, born };
                    let cascades_may_refuse = !parent_names.is_empty();
                    match admitted {
                        Ok(Admission { era, marks }) => {
                            prop_assert!(!model.is_dead(key, &entry), "{key} is old and went in");
                            for parent in parent_names {
                                model.edges.insert((parent, key_name(key)));
                            }
                            held.insert(key, Held { key: key_name(key), era, marks });
                            model.entries.insert(key, entry);
                        }
                        Err(refusal) => prop_assert!(
                            model.is_dead(key, &entry) || (drops && cascades_may_refuse),
                            "{key} was refused: {refusal}"
                        ),
                    }
                }
                Step::Drop(key) if drops => {
                    held.remove(&key);
                    model.entries.remove(&key);
                }
                Step::Drop(_) => {}
                Step::Tag(tag) => {
                    let is_in = |key: &u8| {
                        let entry = &model.entries[key];
                        entry.tags.contains(&tag) && !model.is_dead(*key, entry)
                    };
                    let alive = model.entries.keys().filter(|key| is_in(key)).count() as u64;
                    let at_most = hub.invalidate_tag(&format!("t{tag}"));
                    prop_assert!(at_most >= alive, "{at_most} at most, but {alive}");
                    model.note(move |_, tags, _| tags.contains(&tag));
                    fences.push(hub.fence());
                }
                Step::Namespace(name) => {
                    hub.invalidate_namespace(&format!("n{name}")).unwrap();
                    model.note(move |key, _, _| key % 4 == name);
                    fences.push(hub.fence());
                }
                Step::Glob(key) => {
                    let pattern = format!("n?:*{}", key % 10);
                    if hub.invalidate_glob(&Glob::new(&pattern).unwrap()).is_ok() {
                        model.note(move |other, _, _| other % 10 == key % 10);
                        fences.push(hub.fence());
                    } else if drops {
                        hub.swept(0, hub.era());
                        for entry in held.values_mut() {
                            if !entry.is_dead(&hub) {
                                entry.era = hub.era();
                            }
                        }
                        let dead: Vec<u8> = model.entries.iter()
                            .filter(|(key, entry)| model.is_dead(**key, entry))
                            .map(|(key, _)| *key)
                            .collect();
                        for key in dead {
                            held.remove(&key);
                            model.entries.remove(&key);
                        }
                    }
                }
                Step::Dependencies(parent) => {
                    hub.invalidate_dependencies(&key_name(parent));
                    model.note(move |_, _, parents| parents.contains(&parent));
                    fences.push(hub.fence());
                }
                Step::Cascade(key) => {
                    hub.cascade(&key_name(key));
                    let reached = model.reached(&key_name(key));
                    // Those that are there may be known to be reached by fewer ways.
                    if !drops {
                        model.note(move |_, _, parents| {
                            parents.iter().any(|parent| reached.contains(&key_name(*parent)))
                        });
                    } else {
                        model.note(move |_, _, parents| parents.contains(&key));
                        for (other, entry) in &held {
                            let modelled = &model.entries[other];
                            let may = modelled.parents.iter()
                                .any(|parent| reached.contains(&key_name(*parent)));
                            let dead = entry.is_dead(&hub);
                            prop_assert!(!dead || may || model.is_dead(*other, modelled));
                        }
                        let gone: Vec<u8> = held.iter()
                            .filter(|(_, entry)| entry.is_dead(&hub))
                            .map(|(key, _)| *key)
                            .collect();
                        for key in gone {
                            held.remove(&key);
                            model.entries.remove(&key);
                        }
                    }
                    fences.push(hub.fence());
                }
                Step::Sweep if !drops => {}
                Step::Sweep => {
                    let target = hub.era();
                    held.retain(|_, entry| !entry.is_dead(&hub));
                    held.values_mut().for_each(|entry| entry.era = target);
                    model.entries.retain(|key, _| held.contains_key(key));
                    hub.swept(0, target);
                }
                Step::Move(key) => {
                    if let Some(entry) = held.get_mut(&key)
                        && entry.era != hub.era()
                        && !hub.cover(&entry.key, entry.era)
                    {
                        entry.era = hub.era();
                    }
                }
            }
            for (key, entry) in &held {
                let expected = model.is_dead(*key, &model.entries[key]);
                prop_assert_eq!(entry.is_dead(&hub), expected, "entry {}", key);
            }
        }
        held.clear();
        prop_assert_eq!(hub.dead_by_tags(), 0);
    }
}
