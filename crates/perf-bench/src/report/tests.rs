//! All three faces of a report: whole, safe and bounded whatever is put in.

use super::*;
use proptest::prelude::*;

/// Checks that every element is closed in order and every attribute quoted.
fn well_formed(page: &str) -> Result<(), String> {
    const VOID: [&str; 2] = ["meta", "link"];
    let mut open: Vec<String> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>").ok_or("no doctype")?;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        if text.contains('>') && open.last().is_none_or(|e| e != "style") {
            return Err(format!("a bare > in {text:?}"));
        }
        let end = rest[start..].find('>').ok_or("a tag is not closed")? + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop().ok_or_else(|| format!("</{name}> closes nothing"))?;
            if last != name {
                return Err(format!("</{name}> closes <{last}>"));
            }
            continue;
        }
        if tag.matches('"').count() % 2 == 1 {
            return Err(format!("quotes are not even in <{tag}>"));
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default().to_owned();
        if !tag.ends_with('/') && !VOID.contains(&name.as_str()) && name != "wbr" {
            open.push(name);
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("{open:?} are not closed")) }
}

fn with(blocks: impl IntoIterator<Item = Block>) -> Document {
    Document::new("title", "subtitle").section(Section::new("section", blocks))
}

fn lines(y: Axis, points: Vec<(f64, f64)>) -> Block {
    Block::Chart(Chart::Lines {
        title: "chart".into(),
        x: Axis::new("at", "s"),
        y,
        lines: vec![Line::new("line", points)],
        marks: vec![Mark::new(1.0, "here", Tone::Bad)],
    })
}

#[test]
fn a_page_asks_for_nothing_from_elsewhere() {
    let page = with([lines(Axis::new("y", "ns"), vec![(0.0, 1.0), (2.0, 3.0)])]).html();
    well_formed(&page).unwrap();
    for foreign in ["http://", "https://", "<script", "url(", "@import", "src="] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn what_stands_in_names_stays_text() {
    let evil = "<img src=x onerror=\"alert('1')\">|`\u{1b}[31m\u{202e}\n# x";
    let mut table = Table::new([evil, evil]);
    table.push([(evil, Tone::Bad), (evil, Tone::Plain)]);
    table.note = Some(evil.into());
    let rows =
        vec![IntervalRow { label: evil.into(), value: 1.0, low: 0.9, high: 1.1, tone: Tone::Warn }];
    let axis = || Axis::new(evil, evil).named([evil, evil]);
    let document = Document::new(evil, evil).verdict(Tone::Bad, evil).section(Section::new(
        evil,
        [
            Block::Text(evil.into()),
            Block::Notice(Level::Error, evil.into()),
            Block::Facts(vec![(evil.into(), evil.into(), Tone::Good)]),
            Block::Table(table),
            Block::Folded(evil.into(), vec![Block::Text(evil.into())]),
            Block::Chart(Chart::Intervals {
                title: evil.into(),
                x: axis(),
                reference: 1.0,
                margin: None,
                rows,
            }),
            Block::Chart(Chart::Lines {
                title: evil.into(),
                x: axis(),
                y: axis(),
                lines: vec![Line::new(evil, [(0.0, 0.0), (1.0, 1.0)]), Line::new(evil, [])],
                marks: vec![Mark::new(0.0, evil, Tone::Bad)],
            }),
            Block::Chart(Chart::Distribution {
                title: evil.into(),
                x: axis(),
                groups: vec![Group::of(evil, &[0.0, 1.0]), Group::of(evil, &[1.0])],
                marks: vec![Mark::new(0.0, evil, Tone::Bad)],
            }),
        ],
    ));
    let page = document.html();
    well_formed(&page).unwrap();
    assert!(!page.contains("<img"));
    let text = document.terminal(80, false);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    let markdown = document.markdown();
    assert!(!markdown.contains('\u{1b}') && !markdown.contains("\n# x"), "{markdown}");
    let cells = markdown.lines().filter(|l| l.starts_with("| ") && l.contains("img"));
    for line in cells {
        let bars = line.replace("\\|", "").matches('|').count();
        assert!(matches!(bars, 3), "{bars}: {line}");
    }
}

#[test]
fn nothing_is_said_to_be_nothing() {
    let empty = [
        Block::Table(Table::new(["bench", "time >"])),
        lines(Axis::new("y", "ns"), vec![]),
        lines(Axis::new("y", "ns"), vec![(f64::NAN, 1.0), (1.0, f64::NAN)]),
        lines(Axis::new("y", "ns").scale(Scale::Logarithmic), vec![(0.0, 0.0), (1.0, -4.0)]),
        Block::Chart(Chart::Distribution {
            title: "d".into(),
            x: Axis::new("x", "ns"),
            groups: vec![Group::of("g", &[f64::NAN])],
            marks: vec![],
        }),
        Block::Chart(Chart::Intervals {
            title: "i".into(),
            x: Axis::new("x", "ratio"),
            reference: 1.0,
            margin: None,
            rows: vec![],
        }),
    ];
    for block in empty {
        let document = with([block.clone()]);
        for text in [document.html(), document.markdown(), document.terminal(80, false)] {
            assert!(text.contains("no data"), "{block:?}: {text}");
        }
    }
    assert!(Document::default().html().contains("no data"));
}

#[test]
fn tables_are_aligned_and_bounded() {
    let mut table = Table::new(["bench", "time >"]);
    table.push([("cache/hit", Tone::Plain), ("12.4 ns", Tone::Bad)]);
    table.push([("x", Tone::Plain), ("1.00 ms", Tone::Quiet)]);
    let document = with([Block::Table(table.clone())]);
    assert!(
        document
            .terminal(80, false)
            .contains("bench         time\ncache/hit  12.4 ns\nx          1.00 ms\n")
    );
    assert!(
        document
            .markdown()
            .contains("| bench | time |\n| --- | ---: |\n| cache/hit | **12.4 ns** |\n")
    );
    assert!(document.terminal(80, true).contains("\u{1b}[1;31m12.4 ns\u{1b}[0m"));

    for i in 0..2000 {
        table.push([(format!("bench {i}"), Tone::Plain), ("1 ns".into(), Tone::Plain)]);
    }
    let document = with([Block::Table(table)]);
    assert!(document.html().contains("1002 more rows"));
    assert!(document.markdown().contains("1802 more rows"));
    assert!(document.terminal(80, false).contains("1602 more rows"));
}

#[test]
fn words_too_long_for_a_terminal_are_broken() {
    let mut table = Table::new(["bench", "why"]);
    table.push([
        ("cache/hit", Tone::Plain),
        ("a sentence that does not fit into so few columns", Tone::Plain),
    ]);
    let text = with([Block::Table(table)]).terminal(40, false);
    assert!(
        text.contains("cache/hit  a sentence that does not fit\n           into so few columns\n"),
        "{text}"
    );
    assert!(text.lines().all(|line| text::width(line) <= 40), "{text}");
}

#[test]
fn two_sentences_share_the_width_of_a_terminal() {
    let mut table = Table::new(["what", "why"]);
    let words = "words and more words ".repeat(6);
    table.push([(words.clone(), Tone::Plain), (words, Tone::Plain)]);
    let text = with([Block::Table(table)]).terminal(60, false);
    assert!(text.contains("words and more words words     words and more words words"), "{text}");
}

#[test]
fn a_long_line_is_thinned_and_keeps_its_peak() {
    let mut points: Vec<(f64, f64)> = (0..200_000).map(|i| (f64::from(i), 10.0)).collect();
    points[77_777].1 = 90.0;
    let page = with([lines(Axis::new("y", "ns"), points)]).html();
    assert!(page.len() < 80_000, "{}", page.len());
    // The peak stands at the greatest height there is: 1 − 90 / (90 × 1.05).
    assert!(page.contains(" 47.6L") || page.contains(" 47.6\""), "no peak");
}

#[test]
fn drawings_have_words_for_who_cannot_see_them() {
    let page = with([lines(Axis::new("y", "ns"), vec![(0.0, 1.0), (1.0, 2e6)])]).html();
    assert!(page.contains("<title id=\"t1\">chart</title>"));
    assert!(page.contains("line by at, from 1.00 ns to 2.00 ms."));
    assert!(page.contains("<th scope=\"row\">1.00 s</th><td class=\"n\">2.00 ms</td>"), "{page}");
}

#[test]
fn an_interval_far_out_is_cut_off_with_an_arrow() {
    let row = |label: &str, value: f64, half: f64| IntervalRow {
        label: label.into(),
        value,
        low: value - half,
        high: value + half,
        tone: Tone::Plain,
    };
    let rows = vec![row("a", 1.01, 0.01), row("b", 0.99, 0.01), row("c", 1.5, 40.0)];
    let document = with([Block::Chart(Chart::Intervals {
        title: "i".into(),
        x: Axis::new("x", "ratio"),
        reference: 1.0,
        margin: Some((0.98, 1.02)),
        rows,
    })]);
    assert!(document.html().contains('▸') && document.html().contains('◂'));
    assert!(
        document.terminal(80, false).contains("+1.0 % [0.0, +2.0]"),
        "{}",
        document.terminal(80, false)
    );
}

fn odd() -> impl Strategy<Value = f64> {
    prop_oneof![
        -1e3..1e3,
        any::<f64>(),
        prop::sample::select(vec![
            0.0,
            -0.0,
            1.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            1e18,
            -62_135_596_801.0,
        ]),
    ]
}

fn axis() -> impl Strategy<Value = Axis> {
    let units = vec!["ns", "s", "bytes", "ratio", "unix", "fraction", "%", "/s", "", "x"];
    let scales = vec![Scale::Linear, Scale::Fitted, Scale::Logarithmic, Scale::Nines];
    (prop::sample::select(units), prop::sample::select(scales), 0..4_usize).prop_map(
        |(unit, scale, names)| {
            Axis::new("axis", unit).scale(scale).named((0..names).map(|i| format!("name {i}")))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn odd_values_never_reach_a_coordinate(
        (x, y) in (axis(), axis()),
        points in prop::collection::vec((odd(), odd()), 0..30),
        buckets in prop::collection::vec((odd(), odd(), odd()), 0..12),
        rows in prop::collection::vec((odd(), odd(), odd()), 0..6),
        (reference, margin, mark) in (odd(), (odd(), odd()), odd()),
    ) {
        let marks = vec![Mark::new(mark, "mark", Tone::Warn)];
        let rows = rows
            .into_iter()
            .map(|(value, low, high)| IntervalRow { label: "r".into(), value, low, high, tone: Tone::Good })
            .collect();
        let document = with([
            Block::Chart(Chart::Lines {
                title: "l".into(), x: x.clone(), y, lines: vec![Line::new("a", points)], marks: marks.clone(),
            }),
            Block::Chart(Chart::Distribution {
                title: "d".into(), x: x.clone(), groups: vec![Group::new("g", buckets)], marks,
            }),
            Block::Chart(Chart::Intervals {
                title: "i".into(), x, reference, margin: Some(margin), rows,
            }),
        ]);
        let page = document.html();
        prop_assert!(!page.contains("NaN") && !page.contains("inf%") && !page.contains("\"inf"), "{page}");
        well_formed(&page).map_err(TestCaseError::fail)?;
        let _ = document.markdown();
        let _ = document.terminal(60, true);
    }
}

#[test]
fn a_column_that_says_nothing_is_left_out() {
    let mut table = Table::new(["bench", "time >", "note"]);
    table.push([("a", Tone::Plain), ("1 ns", Tone::Plain), (" ", Tone::Plain)]);
    let document = with([Block::Table(table)]);
    for text in [document.html(), document.markdown(), document.terminal(80, false)] {
        assert!(text.contains("bench") && !text.contains("note"), "{text}");
    }
}
