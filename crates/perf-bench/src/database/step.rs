//! The steps of a run, in their order.

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    InsertSingle,
    InsertBatch,
    PointRead,
    RangeRead,
    Update,
    Mixed,
    Delete,
}

impl Step {
    pub(super) const ALL: [Step; 7] = [
        Step::InsertSingle,
        Step::InsertBatch,
        Step::PointRead,
        Step::RangeRead,
        Step::Update,
        Step::Mixed,
        Step::Delete,
    ];

    /// The name that reports and JSON know it by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Step::InsertSingle => "insert_single",
            Step::InsertBatch => "insert_batch",
            Step::PointRead => "read_point",
            Step::RangeRead => "read_range",
            Step::Update => "update",
            Step::Mixed => "mixed",
            Step::Delete => "delete",
        }
    }

    /// Whether others may change a row that this step reads.
    pub(super) fn others_write(self) -> bool {
        self == Step::Mixed
    }
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Range,
    Update,
    Insert,
    Delete,
}

impl Kind {
    /// In the order of the parts of a mix.
    pub(super) const ALL: [Kind; 5] =
        [Kind::Read, Kind::Range, Kind::Update, Kind::Insert, Kind::Delete];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Read => "read",
            Kind::Range => "range",
            Kind::Update => "update",
            Kind::Insert => "insert",
            Kind::Delete => "delete",
        }
    }
}
