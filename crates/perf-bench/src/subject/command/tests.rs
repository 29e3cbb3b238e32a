use super::*;

fn subjects() -> Subjects {
    Subjects::new()
        .bench("count", "adds one, version 1", || {
            let mut total = 0;
            move |iterations| {
                total += iterations;
                total
            }
        })
        .bench("broken", "panics on the second call", || {
            let mut calls = 0;
            move |iterations| {
                calls += 1;
                assert!(calls < 2, "call {calls}");
                iterations
            }
        })
        .subject(
            Subject::new("wide", "two threads", || |n| n).multi_threaded().answer_iterations(3),
        )
}

fn told(arguments: &[&str], variable: Option<&str>, input: &str) -> Result<String, String> {
    let mut output = Vec::new();
    Arguments::parse(arguments.iter().map(|&a| a.to_owned()), variable.map(str::to_owned))?.act(
        &subjects(),
        &mut input.as_bytes(),
        &mut output,
    )?;
    Ok(String::from_utf8(output).unwrap())
}

#[test]
fn list_names_the_work_and_the_threads() {
    let listing: Listing = serde_json::from_str(&told(&["list"], None, "").unwrap()).unwrap();
    assert_eq!(listing.format, PROTOCOL);
    let wide = &listing.benches[2];
    assert_eq!((wide.name.as_str(), wide.work.as_str()), ("wide", "two threads"));
    assert_eq!((wide.single_threaded, wide.answer_iterations), (false, 3));
    assert!(listing.benches[0].single_threaded);
}

#[test]
fn the_answer_comes_from_a_fresh_set_up_and_without_injection() {
    let said =
        told(&["serve"], Some("50%"), "sample count 10\nanswer count\nsample count 10\nend\n")
            .unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let first: Timed = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(first.answer, 15);
    assert_eq!(lines[1], r#"{"answer":64}"#);
    let third: Timed = serde_json::from_str(lines[2]).unwrap();
    assert_eq!(third.answer, 30, "the state between samples is kept");
}

#[test]
fn a_panic_is_told_and_the_next_request_is_answered() {
    let said = told(&["serve"], None, "sample broken 1\nsample broken 1\nsample broken 1\nwhat\n")
        .unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].contains("ns"), "{said}");
    assert!(lines[1].contains("panicked: call 2"), "{said}");
    assert!(lines[2].contains("ns"), "set up anew: {said}");
    assert!(lines[3].contains("`what` is no request"), "{said}");
}

#[test]
fn unknown_benches_are_named() {
    let said = told(&["serve"], None, "sample nothing 1\n").unwrap();
    assert!(said.contains("there is no bench `nothing`"), "{said}");
    assert!(told(&["count", "nothing", "1"], None, "").unwrap_err().contains("`nothing`"));
}

#[test]
fn counting_reports_what_was_asked_and_runs_what_was_injected() {
    let said = told(&["count", "count", "100", "--inject", "count=20%"], None, "").unwrap();
    let counted: CountedRegion = serde_json::from_str(&said).unwrap();
    assert_eq!((counted.answer, counted.iterations), (64, 100));
}

#[test]
fn wrong_arguments_are_named() {
    for (arguments, part) in [
        (&["fly"][..], "`fly`"),
        (&["count", "a", "many"], "`many`"),
        (&["list", "--inject"], "--inject needs"),
        (&["list", "--inject=x"], "`x`"),
    ] {
        let error = told(arguments, None, "").unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    assert!(told(&[], None, "").unwrap().contains("serve"));
}
