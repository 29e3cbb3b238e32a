//! The results as JUnit XML, in the form that Jenkins, GitLab and GitHub actions read.
//!
//! Flaky cases have a `flakyFailure` for each attempt that failed, as Maven's surefire writes them.

use perf_async::test_queue::{TestReport, TestResult, Verdict};
use std::fmt::Write as _;
use std::time::Duration;

pub(super) fn junit(suite: &str, report: &TestReport) -> String {
    let tests = report.results.len();
    let failures = report.failed().count();
    let skipped = tests - report.count(Verdict::Passed) - failures;
    let counts = format!(
        "name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" \
         time=\"{}\"",
        attribute(suite),
        seconds(report.elapsed),
    );
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  <testsuite {counts}>\n"
    );
    for result in &report.results {
        case(&mut xml, suite, result);
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn case(xml: &mut String, suite: &str, result: &TestResult) {
    let class = result.group.as_deref().unwrap_or(suite);
    // Writing into a text does not fail.
    let _ = write!(
        xml,
        "    <testcase name=\"{}\" classname=\"{}\" time=\"{}\"",
        attribute(&result.name),
        attribute(class),
        seconds(result.duration),
    );
    let mut inner = String::new();
    let reason = result.reason.as_deref().unwrap_or_default();
    match result.verdict {
        Verdict::Passed => {
            for failure in &result.failures {
                element(&mut inner, "flakyFailure", "failed", failure);
            }
        }
        Verdict::Unchanged => {
            inner.push_str("      <skipped message=\"unchanged since it last passed\"/>\n");
        }
        Verdict::Cancelled => inner.push_str("      <skipped message=\"the run was stopped\"/>\n"),
        Verdict::TimedOut => element(&mut inner, "failure", "timed out", reason),
        _ => element(&mut inner, "failure", "failed", reason),
    }
    if !result.output.is_empty() {
        let cut = match result.output_cut {
            0 => String::new(),
            bytes => format!("[{bytes} bytes cut]\n"),
        };
        let text = content(&(cut + &result.output));
        let _ = writeln!(inner, "      <system-out>{text}</system-out>");
    }
    if inner.is_empty() {
        xml.push_str("/>\n");
    } else {
        let _ = write!(xml, ">\n{inner}    </testcase>\n");
    }
}

fn element(xml: &mut String, name: &str, kind: &str, message: &str) {
    let message = attribute(message);
    let _ = writeln!(xml, "      <{name} type=\"{kind}\" message=\"{message}\"/>");
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// As the value of an attribute. Breaks are written as numbers, or readers make spaces of them.
fn attribute(text: &str) -> String {
    escape(text, |c| matches!(c, '\n' | '\r' | '\t'))
}

/// As text between elements. A carriage return alone would be read as the end of a line.
fn content(text: &str) -> String {
    escape(text, |c| c == '\r')
}

/// What XML 1.0 cannot hold at all, such as the escapes of a terminal, becomes U+FFFD.
fn escape(text: &str, by_number: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if by_number(c) => _ = write!(escaped, "&#{};", c as u32),
            '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => {
                escaped.push(c);
            }
            _ => escaped.push('\u{fffd}'),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_case_writes_breaks_the_file() {
        let every: String = (0..=0x2_ffff).filter_map(char::from_u32).collect();
        for text in [every.as_str(), "]]>", "<![CDATA[", "&amp;", "\"'><!-- --", "\u{1b}[31m"] {
            let xml = format!("<a b=\"{}\">{}</a>", attribute(text), content(text));
            let read = roxmltree::Document::parse(&xml).unwrap();
            let legal = |c: &char| {
                matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'
                    | '\u{10000}'..)
            };
            let kept: String =
                text.chars().map(|c| if legal(&c) { c } else { '\u{fffd}' }).collect();
            assert!(read.root_element().attribute("b") == Some(&kept));
            assert!(read.root_element().text() == Some(&kept));
        }
    }
}
