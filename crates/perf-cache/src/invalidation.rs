//! What ends entries from outside: tags, namespaces, patterns, dependencies.
//!
//! An invalidation does not look for entries. It takes the next number of the cache and notes it
//! where a reader of those entries looks: at a tag, or in the list of patterns. So it costs the
//! same for one entry as for a million; what is dead is passed over by readers, and freed when it
//! is met, evicted or swept.

mod api;
mod claims;
mod dead;
mod dependencies;
mod fence;
mod fill;
#[cfg(all(test, perf_loom))]
mod loom_models;
mod marks;
mod patterns;
mod refusal;
mod round;
mod tags;
#[cfg(all(test, not(perf_loom)))]
mod tests;

pub(crate) use claims::Claims;
pub(crate) use dead::Seen;
pub(crate) use fence::Fence;
pub use fill::FillToken;
pub(crate) use marks::Marks;
pub(crate) use patterns::Era;
pub use refusal::{Invalidated, Refusal};
pub(crate) use round::Round;
pub(crate) use tags::Name;

use crate::sync::{AtomicU64, Ordering};
use crate::{ConfigError, InvalidationCounts, Terms};
use dependencies::Graph;
use fence::Sequence;
use marks::Marking;
use patterns::{Full, Pattern, Patterns};
use perf_core::Glob;
use round::Rounds;
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tags::{Hold, Label, Tag, Tags};

/// All that was invalidated in one cache.
pub(crate) struct Invalidations<K> {
    sequence: Sequence,
    /// How many invalidations there have been that a shard has to be swept for.
    sweeps: AtomicU64,
    tags: Tags,
    declared: Box<[Arc<Tag>]>,
    patterns: Patterns,
    graph: Arc<Graph>,
    /// How keys become text, once somebody who knows has asked for it.
    text: OnceLock<TextOf<K>>,
    rounds: Mutex<Rounds>,
    pub(crate) counts: Counts,
}

pub(crate) type TextOf<K> = for<'a> fn(&'a K) -> Cow<'a, str>;

/// Invalidations by kind, and values that were kept out.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) tags: AtomicU64,
    pub(crate) namespaces: AtomicU64,
    pub(crate) patterns: AtomicU64,
    pub(crate) dependencies: AtomicU64,
    /// Values that were older than an invalidation.
    pub(crate) fenced: AtomicU64,
    /// Values with a tag for which there was no room.
    pub(crate) untaggable: AtomicU64,
}

impl Counts {
    pub(crate) fn reset(&self) {
        let Counts { tags, namespaces, patterns, dependencies, fenced, untaggable } = self;
        for counter in [tags, namespaces, patterns, dependencies, fenced, untaggable] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> InvalidationCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        InvalidationCounts {
            tag: read(&self.tags),
            namespace: read(&self.namespaces),
            pattern: read(&self.patterns),
            dependency: read(&self.dependencies),
            fenced: read(&self.fenced),
            untaggable: read(&self.untaggable),
        }
    }
}

/// What is set when a cache is built.
pub(crate) struct Declared<K> {
    pub(crate) namespaces: Vec<Box<str>>,
    pub(crate) text: Option<TextOf<K>>,
    pub(crate) max_tags: usize,
}

impl<K> Default for Declared<K> {
    fn default() -> Declared<K> {
        Declared { namespaces: Vec::new(), text: None, max_tags: MAX_TAGS }
    }
}

impl<K> Declared<K> {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.max_tags == 0 {
            return Err(ConfigError::new("max_tags", 0, "use 1 or more"));
        }
        if self.namespaces.len() > MAX_NAMESPACES {
            let remedy = "declare at most 64, others need no declaration";
            return Err(ConfigError::new("namespace", self.namespaces.len(), remedy));
        }
        if let Some(name) = self.namespaces.iter().find(|name| name.ends_with(':')) {
            let remedy = "leave out the colon at the end: it is what ends the name in a key";
            return Err(ConfigError::new("namespace", format_args!("{name:?}"), remedy));
        }
        Ok(())
    }
}

/// Each insertion looks for its key among the declared namespaces.
const MAX_NAMESPACES: usize = 64;

/// So many tags, names of dependencies included, unless the cache was built with another bound.
pub(crate) const MAX_TAGS: usize = 65_536;

/// A value may go in, with this.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    pub(crate) era: Era,
    pub(crate) marks: Marks,
}

impl<K> Invalidations<K> {
    pub(crate) fn new(shards: usize, declared: Declared<K>) -> Invalidations<K> {
        let mut namespaces = declared.namespaces;
        namespaces.sort_unstable();
        namespaces.dedup();
        let text = OnceLock::new();
        if let Some(of) = declared.text {
            let _ = text.set(of);
        }
        let tag =
            |name: Box<str>| Arc::new(Tag::new(Name::Namespace(format!("{name}:").into()), 0));
        Invalidations {
            sequence: Sequence::new(),
            sweeps: AtomicU64::new(0),
            tags: Tags::new(declared.max_tags),
            declared: namespaces.into_iter().map(tag).collect(),
            patterns: Patterns::new(),
            graph: Arc::default(),
            text,
            rounds: Mutex::new(Rounds::new(shards)),
            counts: Counts::default(),
        }
    }

    /// For a read that begins now and whose value may come in.
    #[inline]
    pub(crate) fn fence(&self) -> Fence {
        self.sequence.fence()
    }

    /// The era of the cache: an entry of this era is covered by no pattern.
    #[inline]
    pub(crate) fn era(&self) -> Era {
        self.patterns.era()
    }

    /// Whether a pattern covers the key of an entry that came in, or was last looked at, in another
    /// era.
    #[cold]
    pub(crate) fn cover(&self, key: &K, era: Era) -> bool {
        self.text.get().is_some_and(|text| self.patterns.cover_since(era, &text(key)))
    }

    /// Whether an entry of this era needs no look at its key to know whether a pattern covers it.
    #[inline]
    pub(crate) fn have_settled(&self, era: u32) -> bool {
        era == self.era().bits() || self.text.get().is_none()
    }

    /// Whether a value without terms is let in as it is.
    #[inline]
    pub(crate) fn let_all_in(&self) -> bool {
        self.declared.is_empty()
    }

    /// Lets a value in, counted with its tags, or says why not. Takes no lock unless the value has
    /// tags or dependencies, or was read before an invalidation.
    #[inline]
    pub(crate) fn admit(
        &self,
        key: &K,
        terms: &Terms,
        fence: Option<Fence>,
    ) -> Result<Admission, Refusal> {
        // Before everything else: a pattern that is given from here on has a later era.
        let era = self.era();
        let is_plain = self.declared.is_empty()
            && terms.tag_list().is_empty()
            && terms.dependency_list().is_empty();
        if is_plain && fence.is_none_or(|fence| fence == self.sequence.fence()) {
            return Ok(Admission { era, marks: Marks::default() });
        }
        let marks = self.mark(key, terms, fence).inspect_err(|refusal| self.count(*refusal))?;
        Ok(Admission { era, marks })
    }

    /// Whether what was read of a key behind this fence may be older than a pattern or a namespace
    /// that covers it.
    #[inline]
    pub(crate) fn is_outdated(&self, key: &K, fence: Fence) -> bool {
        fence != self.sequence.fence() && self.mark(key, &Terms::new(), Some(fence)).is_err()
    }

    fn mark(&self, key: &K, terms: &Terms, fence: Option<Fence>) -> Result<Marks, Refusal> {
        let text = self.text.get().map(|text| text(key));
        if let (Some(fence), Some(text)) = (fence, &text)
            && self.patterns.cover_after(fence, text)
        {
            return Err(Refusal::Pattern);
        }
        let mut marking = Marking::default();
        let covers =
            |tag: &&Arc<Tag>| text.as_ref().is_some_and(|text| text.starts_with(tag.name().text()));
        for tag in self.declared.iter().filter(covers) {
            if !marking.join(Hold::new(tag), fence) {
                return Err(Refusal::Pattern);
            }
        }
        for tag in terms.tag_list() {
            let tag = self.tags.intern(Label::Tag(tag)).ok_or(Refusal::TooManyTags)?;
            if !marking.join(tag, fence) {
                return Err(Refusal::Tag);
            }
        }
        let parents = terms.dependency_list();
        if parents.is_empty() {
            return Ok(marking.finish());
        }
        let hash = |name: &str| self.tags.hash(Label::Parent(name));
        let mut tags = Vec::with_capacity(parents.len());
        for parent in parents {
            let tag = self.tags.intern(Label::Parent(parent)).ok_or(Refusal::TooManyTags)?;
            if fence.is_some_and(|fence| tag.is_after(fence)) {
                return Err(Refusal::Dependency);
            }
            tags.push(tag);
        }
        // Into the graph before joining: a cascade that comes between finds the tags.
        let hashes = parents.iter().map(|parent| hash(parent)).collect();
        marking.depend(&self.graph, hashes, text.as_deref().map(hash));
        for tag in tags {
            if !marking.join(tag, fence) {
                return Err(Refusal::Dependency);
            }
        }
        Ok(marking.finish())
    }

    pub(crate) fn count(&self, refusal: Refusal) {
        let counter = match refusal {
            Refusal::TooManyTags => &self.counts.untaggable,
            _ => &self.counts.fenced,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends the entries with a tag; answers how many that are at most.
    pub(crate) fn invalidate_tag(&self, tag: &str) -> u64 {
        self.counts.tags.fetch_add(1, Ordering::Relaxed);
        let number = self.sequence.advance();
        let died = self.tags.invalidate(Label::Tag(tag), number);
        self.ask_for_a_sweep(died);
        died
    }

    /// Ends the entries that depend on this directly.
    pub(crate) fn invalidate_dependencies(&self, parent: &str) -> u64 {
        self.counts.dependencies.fetch_add(1, Ordering::Relaxed);
        let number = self.sequence.advance();
        let died = self.tags.invalidate(Label::Parent(parent), number);
        self.ask_for_a_sweep(died);
        died
    }

    /// Ends the entries that depend on this, directly or through others.
    pub(crate) fn cascade(&self, parent: &str) -> u64 {
        self.counts.dependencies.fetch_add(1, Ordering::Relaxed);
        let number = self.sequence.advance();
        let reached = self.graph.reached(self.tags.hash(Label::Parent(parent)));
        let died = self.tags.cascade(&reached, number);
        self.ask_for_a_sweep(died);
        died
    }

    /// Ends the entries of a namespace: `Some` is how many at most, `None` that nobody counted.
    ///
    /// # Errors
    ///
    /// [`Full`]: nothing was done, sweep and ask again.
    pub(crate) fn invalidate_namespace(&self, name: &str) -> Result<Option<u64>, Full> {
        let declared = self.declared(name);
        let number = match declared {
            Some(_) => self.sequence.advance(),
            None if name.contains(':') => {
                let prefix = Pattern::Prefix(format!("{name}:").into());
                self.patterns.add(&prefix, || self.sequence.advance())?
            }
            None => self.patterns.add_namespace(name, || self.sequence.advance())?,
        };
        self.counts.namespaces.fetch_add(1, Ordering::Relaxed);
        let died = declared.map(|tag| tag.invalidate(number));
        self.ask_for_a_sweep(died.unwrap_or(1));
        Ok(died)
    }

    /// Ends the entries whose key matches.
    ///
    /// # Errors
    ///
    /// [`Full`]: nothing was done, sweep and ask again.
    pub(crate) fn invalidate_glob(&self, glob: &Glob) -> Result<(), Full> {
        let pattern = Pattern::Glob(glob.clone());
        self.patterns.add(&pattern, || self.sequence.advance())?;
        self.counts.patterns.fetch_add(1, Ordering::Relaxed);
        self.ask_for_a_sweep(1);
        Ok(())
    }

    fn declared(&self, name: &str) -> Option<&Arc<Tag>> {
        let is_it = |tag: &&Arc<Tag>| tag.name().text().strip_suffix(':') == Some(name);
        self.declared.iter().find(is_it)
    }

    /// For who has invalidated entries, and made that known to readers.
    fn ask_for_a_sweep(&self, died: u64) {
        if died > 0 {
            self.sweeps.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// How many sweeps have been asked for. A round that begins after this was read frees what they
    /// are for.
    #[inline]
    pub(crate) fn sweeps(&self) -> u64 {
        self.sweeps.load(Ordering::Acquire)
    }

    /// A shard has ended a round.
    pub(crate) fn swept(&self, shard: usize, era: Era) {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let all = rounds.ended(shard, era);
        drop(rounds);
        self.patterns.retire(all);
    }

    /// Entries that are dead by a tag, a declared namespace or a dependency and have not left, at
    /// most. O(tags).
    pub(crate) fn dead_by_tags(&self) -> u64 {
        self.tags.dead() + self.declared.iter().map(|tag| tag.dead()).sum::<u64>()
    }

    /// Patterns and namespaces that no sweep has ended for.
    pub(crate) fn open_patterns(&self) -> usize {
        self.patterns.open()
    }

    /// Tags and names of dependencies that are kept.
    pub(crate) fn tag_count(&self) -> usize {
        self.tags.len()
    }

    /// The marks of an entry that from now on depends on something else as well; `None` if it is
    /// dead, or if there is no room for another name.
    pub(crate) fn add_dependency(&self, marks: &Marks, child: &str, parent: &str) -> Option<Marks> {
        let mut marking = Marking::copy(marks)?;
        let hash = |name: &str| self.tags.hash(Label::Parent(name));
        let parents = marks.names().filter(|name| matches!(name, Name::Parent(_)));
        let mut hashes: Vec<u64> = parents.map(|name| hash(name.text())).collect();
        hashes.push(hash(parent));
        marking.depend(&self.graph, hashes, Some(hash(child)));
        marking.join(self.tags.intern(Label::Parent(parent))?, None);
        Some(marking.finish())
    }

    /// Learns how keys become text.
    pub(crate) fn learn_text(&self, text: TextOf<K>) {
        self.text.get_or_init(|| text);
    }

    /// Whether some entries depend on something and have no place in the graph.
    pub(crate) fn has_nameless(&self) -> bool {
        self.graph.has_nameless()
    }

    /// Gives an entry that depends on something its place in the graph.
    pub(crate) fn name(&self, marks: &Marks, key: &K) {
        if let Some(text) = self.text.get()
            && marks.are_nameless()
        {
            // The caller's code, which may take the entry out: before it has a name, not meanwhile.
            let hash = self.tags.hash(Label::Parent(&text(key)));
            marks.link(hash);
        }
    }
}

impl<K> fmt::Debug for Invalidations<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidations")
            .field("sweeps", &self.sweeps())
            .field("tags", &self.tag_count())
            .field("open_patterns", &self.open_patterns())
            .finish_non_exhaustive()
    }
}
