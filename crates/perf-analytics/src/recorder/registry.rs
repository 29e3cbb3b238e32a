//! Names and tags, bounded.

use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Series by name and tags, at most so many.
#[derive(Debug)]
pub(super) struct Registry<T> {
    groups: HashMap<Box<str>, Group<T>>,
    series: usize,
    max: usize,
    /// How many more times not to look for idle series.
    skip: u32,
}

#[derive(Debug)]
struct Group<T> {
    series: HashMap<Tags, Arc<T>>,
    overflow: Option<Arc<T>>,
    overflowed: u64,
}

/// What fell into the overflow series of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overflow {
    /// The name of the operation or metric.
    pub name: String,
    /// How many handles were asked for that fell into the overflow series.
    pub overflowed: u64,
    /// The tag with most distinct values, which is the one to leave out or to group; `None` where
    /// there are no tags.
    pub tag: Option<String>,
    /// How many distinct values of that tag are held.
    pub distinct: usize,
}

impl<T> Registry<T> {
    pub(super) fn new(max: usize) -> Registry<T> {
        Registry { groups: HashMap::new(), series: 0, max, skip: 0 }
    }

    pub(super) fn get(
        &mut self,
        name: &str,
        tags: Tags,
        idle: impl Fn(&T) -> bool,
        make: impl Fn(&str, &Tags) -> T,
    ) -> Arc<T> {
        if let Some(found) = self.groups.get(name).and_then(|g| g.series.get(&tags)) {
            return Arc::clone(found);
        }
        // Overflow series are beside the bound: at most one for each name that is within it.
        let held = self.groups.get(name).map_or(0, |g| g.series.len());
        let max = self.max;
        let fits = |series: usize, held: usize| series < max && held < max / 4 * 3;
        let fits = fits(self.series, held)
            || (self.evict(&idle) && {
                let held = self.groups.get(name).map_or(0, |g| g.series.len());
                fits(self.series, held)
            });
        let name = if fits || self.groups.contains_key(name) { name } else { OTHER };
        let group = self.groups.entry(name.into()).or_insert_with(|| Group {
            series: HashMap::new(),
            overflow: None,
            overflowed: 0,
        });
        if fits {
            let series = Arc::new(make(name, &tags));
            group.series.insert(tags, Arc::clone(&series));
            self.series += 1;
            return series;
        }
        group.overflowed += 1;
        let tags = Tags::new(&[("overflow", "true")]);
        Arc::clone(group.overflow.get_or_insert_with(|| Arc::new(make(name, &tags))))
    }

    /// Removes what nobody holds and is idle; answers whether there was any.
    fn evict(&mut self, idle: &impl Fn(&T) -> bool) -> bool {
        // A look that found nothing is not repeated for each of a thousand new names.
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let before = self.series;
        for group in self.groups.values_mut() {
            group.series.retain(|_, series| Arc::strong_count(series) > 1 || !idle(series));
        }
        self.groups.retain(|_, group| !group.series.is_empty() || group.overflow.is_some());
        self.series = self.groups.values().map(|g| g.series.len()).sum();
        if before == self.series {
            self.skip = 100;
        }
        before > self.series
    }

    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.groups
            .values()
            .flat_map(|g| g.series.values().chain(&g.overflow))
            .map(Arc::clone)
            .collect()
    }

    pub(super) fn of_name(&self, name: &str) -> Vec<Arc<T>> {
        let group = self.groups.get(name);
        group
            .into_iter()
            .flat_map(|g| g.series.values().chain(&g.overflow))
            .map(Arc::clone)
            .collect()
    }

    pub(super) fn overflowed(&self) -> u64 {
        self.groups.values().map(|g| g.overflowed).sum()
    }

    pub(super) fn overflows(&self) -> Vec<Overflow> {
        let overflowed = self.groups.iter().filter(|(_, g)| g.overflowed > 0);
        overflowed
            .map(|(name, group)| {
                let mut values: HashMap<&str, HashSet<&str>> = HashMap::new();
                for (key, value) in group.series.keys().flat_map(|tags| &tags.0) {
                    values.entry(key).or_default().insert(value);
                }
                let culprit = values.iter().map(|(key, v)| (v.len(), *key)).max();
                Overflow {
                    name: name.to_string(),
                    overflowed: group.overflowed,
                    tag: culprit.map(|(_, key)| key.to_owned()),
                    distinct: culprit.map_or(0, |(distinct, _)| distinct),
                }
            })
            .collect()
    }
}

/// Tags in the order of their keys, each key once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tags(Vec<(String, String)>);

impl Tags {
    pub(super) fn new(tags: &[(&str, &str)]) -> Tags {
        let mut tags: Vec<(String, String)> =
            tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        tags.sort();
        tags.dedup_by(|later, earlier| later.0 == earlier.0);
        Tags(tags)
    }

    /// The tags behind a label that says what they are tags of.
    pub(super) fn labelled(&self, key: &str, name: &str) -> Vec<(String, String)> {
        let own = (key.to_owned(), name.to_owned());
        let tags = self.0.iter().map(|(k, v)| {
            // The first label is ours; a tag of the same name keeps its value under another.
            let k = if k == key { format!("tag_{k}") } else { k.clone() };
            (k, v.clone())
        });
        std::iter::once(own).chain(tags).collect()
    }
}

/// Where names go that do not fit.
const OTHER: &str = "other";
