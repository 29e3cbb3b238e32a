//! Counts as they are kept beside the code, so that a change of them is seen in its diff.

use super::{Counted, CountsLimits, CountsReport, Difference};
use crate::{FORMAT, ReadError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts as they are kept beside the code: history, for whoever reads the diff.
///
/// They depend on the compiler, the C library and Valgrind as well as on the code, so they are
/// compared only where all of these are the same. A gate counts base and head anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountsRecord {
    format: u32,
    #[serde(flatten)]
    counted: Counted,
}

/// What the counts of this machine say beside recorded ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Compared {
    /// They were compared.
    Judged(Box<CountsReport>),
    /// They cannot be compared, since these differ.
    Elsewhere(Vec<Difference>),
}

impl CountsRecord {
    /// A record of these counts.
    #[must_use]
    pub fn new(counted: Counted) -> CountsRecord {
        CountsRecord { format: FORMAT, counted }
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the text is no record, or one of a newer format.
    pub fn read(json: &str) -> Result<CountsRecord, ReadError> {
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let Header { format } = serde_json::from_str(json)
            .map_err(|error| ReadError(format!("not a record of counts: {error}")))?;
        if format > FORMAT {
            return Err(ReadError(format!(
                "format {format} is newer than the {FORMAT} that this program reads, update it"
            )));
        }
        serde_json::from_str(json)
            .map_err(|error| ReadError(format!("not a whole record of counts: {error}")))
    }

    /// As JSON, one line for each figure, so that a diff shows what changed.
    ///
    /// # Panics
    ///
    /// Never: plain values with string keys serialize.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("plain values with string keys serialize");
        text.push('\n');
        text
    }

    /// The counts.
    #[must_use]
    pub fn counted(&self) -> &Counted {
        &self.counted
    }

    /// How many iterations each bench was counted with, for
    /// [`MeasureCounts::iterations`](super::MeasureCounts::iterations).
    #[must_use]
    pub fn iterations(&self) -> BTreeMap<String, u64> {
        self.counted.iterations()
    }

    /// Judges counts of this machine by the recorded ones, if they can be compared. With a filter,
    /// only benches whose name contains it.
    #[must_use]
    pub fn against(&self, here: &Counted, limits: &CountsLimits, filter: Option<&str>) -> Compared {
        let differences = self.counted.environment.differences(&here.environment);
        if !differences.is_empty() {
            return Compared::Elsewhere(differences);
        }
        let mut recorded = self.counted.clone();
        recorded.benches.retain(|bench| filter.is_none_or(|part| bench.name.contains(part)));
        Compared::Judged(Box::new(CountsReport::judge(&recorded, here, limits)))
    }

    /// Takes counts of this machine over. With a filter, the other benches stay as they are.
    ///
    /// # Errors
    ///
    /// What differs, if there is a filter and the environments are not the same: then half of the
    /// record would be of another one.
    pub fn update(&mut self, here: Counted, filter: Option<&str>) -> Result<(), Vec<Difference>> {
        let Some(part) = filter else {
            self.counted = here;
            return Ok(());
        };
        let differences = self.counted.environment.differences(&here.environment);
        if !differences.is_empty() {
            return Err(differences);
        }
        self.counted.benches.retain(|bench| !bench.name.contains(part));
        self.counted.benches.extend(here.benches);
        self.counted.benches.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;
    use crate::counts::CountedBench;

    fn counted(names: &[&str]) -> Counted {
        let bench = |name: &&str| CountedBench {
            name: (*name).to_owned(),
            iterations: 10,
            instructions: Some(100.0),
            ..CountedBench::default()
        };
        Counted { benches: names.iter().map(bench).collect(), ..Counted::default() }
    }

    #[test]
    fn a_record_survives_its_json() {
        let record = CountsRecord::new(counted(&["a", "b"]));
        assert_eq!(CountsRecord::read(&record.to_json()), Ok(record));
    }

    #[test]
    fn a_newer_or_broken_record_is_refused() {
        let newer = CountsRecord::read(r#"{"format": 99, "benches": 7}"#).unwrap_err();
        assert!(newer.to_string().contains("format 99 is newer"), "{newer}");
        assert!(CountsRecord::read("[]").is_err());
        assert!(CountsRecord::read(r#"{"format": 1}"#).is_err());
    }

    #[test]
    fn another_environment_is_named_and_nothing_is_compared() {
        let record = CountsRecord::new(counted(&["a"]));
        let mut here = counted(&["a"]);
        here.environment.rustc = "rustc 2.0.0".to_owned();
        let Compared::Elsewhere(differences) =
            record.against(&here, &CountsLimits::default(), None)
        else {
            panic!("compared");
        };
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].what, "rustc");
    }

    #[test]
    fn a_filter_leaves_the_other_benches_alone() {
        let mut record = CountsRecord::new(counted(&["a/x", "b"]));
        let limits = CountsLimits::default();
        let Compared::Judged(report) = record.against(&counted(&["a/x"]), &limits, Some("a/"))
        else {
            panic!("not compared");
        };
        assert!(report.judged.iter().all(|judged| judged.verdict == Verdict::Same));
        record.update(counted(&["a/y"]), Some("a/")).unwrap();
        let names: Vec<&str> =
            record.counted().benches.iter().map(|bench| bench.name.as_str()).collect();
        assert_eq!(names, ["a/y", "b"]);
    }

    #[test]
    fn half_a_record_of_another_environment_is_refused() {
        let mut record = CountsRecord::new(counted(&["a", "b"]));
        let mut here = counted(&["a"]);
        here.environment.libc = "musl".to_owned();
        assert!(record.update(here.clone(), Some("a")).is_err());
        assert!(record.update(here, None).is_ok());
    }
}
