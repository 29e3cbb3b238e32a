//! Moments as HTTP and AWS write them.

use std::time::{Duration, SystemTime};

/// A moment in UTC, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Utc {
    year: u64,
    month: u64,
    day: u64,
    /// Since 1970, which was a Thursday.
    days: u64,
    second_of_day: u64,
}

impl Utc {
    /// Moments before 1970 are that moment.
    ///
    /// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
    pub(super) fn new(at: SystemTime) -> Utc {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Year 9999 is what four digits hold.
        let seconds = since.as_secs().min(253_402_300_799);
        let days = seconds / 86_400;
        let z = days + 719_468;
        let (era, doe) = (z / 146_097, z % 146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        Utc {
            year: yoe + era * 400 + u64::from(month <= 2),
            month,
            day: doy - (153 * mp + 2) / 5 + 1,
            days,
            second_of_day: seconds % 86_400,
        }
    }

    pub(super) fn of_unix_ms(ms: u64) -> Utc {
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms));
        Utc::new(at.unwrap_or(SystemTime::UNIX_EPOCH))
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub(super) fn http(self) -> String {
        let weekday = WEEKDAYS[(self.days + 4) as usize % 7];
        let month = MONTHS[self.month as usize - 1];
        let (h, m, s) = self.time();
        format!("{weekday}, {:02} {month} {:04} {h:02}:{m:02}:{s:02} GMT", self.day, self.year)
    }

    /// `19941106T084937Z`.
    pub(super) fn compact(self) -> String {
        let (h, m, s) = self.time();
        format!("{:04}{:02}{:02}T{h:02}{m:02}{s:02}Z", self.year, self.month, self.day)
    }

    fn time(self) -> (u64, u64, u64) {
        let s = self.second_of_day;
        (s / 3_600, s / 60 % 60, s % 60)
    }
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_that_others_have_written() {
        // `date -u -d @N`
        for (seconds, http, compact) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT", "19700101T000000Z"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT", "19941106T084937Z"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT", "20000229T000000Z"),
            (1_440_938_160, "Sun, 30 Aug 2015 12:36:00 GMT", "20150830T123600Z"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT", "21000301T000000Z"),
        ] {
            let utc = Utc::of_unix_ms(seconds * 1_000 + 999);
            assert_eq!((utc.http().as_str(), utc.compact().as_str()), (http, compact));
        }
        assert!(Utc::of_unix_ms(u64::MAX).http().ends_with("Dec 9999 23:59:59 GMT"));
    }
}
