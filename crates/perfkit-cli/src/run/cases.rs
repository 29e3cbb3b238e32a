//! The cases of a suite, made of its tables.

use super::http_check::{Client, HttpCheck};
use super::suite::{CaseTable, Suite};
use crate::failure::Failure;
use perf_async::test_queue::{TestAttempt, TestCase, TestCommand};
use perf_core::{Glob, Priority};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What was chosen of a suite.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) cases: Vec<TestCase>,
    /// What must have been done before: the suite's, and that of the groups that are needed.
    pub(super) set_up: Vec<TestCase>,
}

/// Stands for the value of `each`.
const HOLE: &str = "{}";

/// The cases whose names match.
pub(super) fn cases(suite: &Suite, filter: Option<&Glob>) -> Result<Choice, Failure> {
    let client = Client::new();
    let mut names = BTreeSet::new();
    let mut groups = BTreeSet::new();
    let mut cases = Vec::new();
    for table in &suite.cases {
        let at = table.span().start;
        for table in each(table.get_ref()) {
            let case = case(suite, &table, &client).map_err(|why| suite.wrong(at, &why))?;
            if !names.insert(case.name().to_owned()) {
                let why = format!("there are two cases `{}`: give each its own name", case.name());
                return Err(suite.wrong(at, &why));
            }
            if filter.is_none_or(|glob| glob.matches(case.name())) {
                groups.extend(table.group);
                cases.push(case);
            }
        }
    }
    if names.is_empty() {
        return Err(suite.wrong_whole("no case: add a [[case]] with `run` or `url`"));
    }
    if cases.is_empty() {
        let pattern = filter.map_or("", Glob::as_str);
        let why =
            format!("no case matches `{pattern}`: --list names the {} there are", names.len());
        return Err(suite.wrong_whole(&why));
    }
    let steps = suite.set_up.iter().chain(
        suite.groups.iter().filter(|(name, _)| groups.contains(*name)).flat_map(|(_, g)| &g.set_up),
    );
    let set_up = steps.map(|step| {
        let command = command(step).envs(&suite.env);
        TestCase::command(step.join(" "), command.dir(&suite.dir))
    });
    Ok(Choice { set_up: set_up.collect(), cases })
}

/// A table, or as many as `each` has values.
fn each(table: &CaseTable) -> Vec<CaseTable> {
    let Some(values) = &table.each else { return vec![table.clone()] };
    values.iter().map(|value| filled(table, value)).collect()
}

fn filled(table: &CaseTable, value: &str) -> CaseTable {
    let mut table = table.clone();
    let fill = |text: &mut String| {
        if text.contains(HOLE) {
            *text = text.replace(HOLE, value);
        }
    };
    if let Some(name) = &mut table.name
        && !name.contains(HOLE)
    {
        *name = format!("{name} {HOLE}");
    }
    let one = [&mut table.name, &mut table.url, &mut table.body, &mut table.stdin];
    one.into_iter().flatten().for_each(fill);
    table.run.iter_mut().flatten().for_each(fill);
    for map in [&mut table.env, &mut table.headers].into_iter().flatten() {
        map.values_mut().for_each(fill);
    }
    if let Some(contains) = &mut table.expect.contains {
        contains.as_mut_slice().iter_mut().for_each(fill);
    }
    if let Some(inputs) = &mut table.inputs {
        for input in inputs {
            *input = input.to_string_lossy().replace(HOLE, value).into();
        }
    }
    table
}

fn case(suite: &Suite, table: &CaseTable, client: &Client) -> Result<TestCase, String> {
    let mut case = match (&table.run, &table.url) {
        (Some(run), None) => run_case(suite, table, run)?,
        (None, Some(url)) => url_case(table, url, client)?,
        (None, None) => return Err("a case needs `run` or `url`".to_owned()),
        (Some(_), Some(_)) => {
            return Err("a case has `run` or `url`, not both: make two of it".to_owned());
        }
    };
    if let Some(group) = &table.group {
        if !suite.groups.contains_key(group) {
            return Err(format!("there is no group `{group}`: add a [[group]] with that name"));
        }
        case = case.group(group);
    }
    if let Some(level) = table.priority {
        let priority = Priority::new(level)
            .ok_or_else(|| format!("priority {level} is out of range: use 1 to 10, 10 is first"))?;
        case = case.priority(priority);
    }
    if let Some(places) = table.weight {
        if places == 0 {
            return Err("a case of weight 0 takes no place: use 1 or more".to_owned());
        }
        case = case.weight(places);
    }
    for (key, given) in [("timeout", table.timeout), ("slow", table.slow)] {
        if given.is_some_and(|span| span.0.is_zero()) {
            return Err(format!("{key} of nothing: use 1ms or more"));
        }
    }
    if let Some(limit) = table.timeout {
        case = case.timeout(limit.0);
    }
    if let Some(after) = table.slow {
        case = case.slow(after.0);
    }
    if let Some(times) = table.retries {
        case = case.retries(times.min(100));
    }
    Ok(case)
}

fn run_case(suite: &Suite, table: &CaseTable, run: &[String]) -> Result<TestCase, String> {
    refuse(
        "run",
        &[
            ("method", table.method.is_some()),
            ("headers", table.headers.is_some()),
            ("body", table.body.is_some()),
            ("expect.status", table.expect.status.is_some()),
            ("expect.headers", table.expect.headers.is_some()),
        ],
    )?;
    if run.is_empty() {
        return Err("`run` needs a program: run = [\"program\", \"argument\"]".to_owned());
    }
    let mut command = command(run).envs(&suite.env).envs(table.env.iter().flatten());
    command = command.dir(match &table.dir {
        Some(dir) => suite.dir.join(dir),
        None => suite.dir.clone(),
    });
    if let Some(text) = &table.stdin {
        command = command.stdin(text.as_bytes());
    }
    if let Some(code) = table.expect.exit_code {
        command = command.exit_code(code);
    }
    for text in table.expect.contains.iter().flat_map(|texts| texts.as_slice()) {
        command = command.output_contains(text);
    }
    let mut case = TestCase::command(table.name.clone().unwrap_or_else(|| run.join(" ")), command);
    if let Some(inputs) = &table.inputs {
        case = case.inputs(inputs);
    }
    Ok(case)
}

fn command(run: &[String]) -> TestCommand {
    let (program, arguments) = run.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
    TestCommand::new(program).args(arguments)
}

fn url_case(table: &CaseTable, url: &str, client: &Client) -> Result<TestCase, String> {
    refuse(
        "url",
        &[
            ("dir", table.dir.is_some()),
            ("env", table.env.is_some()),
            ("stdin", table.stdin.is_some()),
            // What a server answers depends on more than files.
            ("inputs", table.inputs.is_some()),
            ("expect.exit-code", table.expect.exit_code.is_some()),
        ],
    )?;
    let check = Arc::new(HttpCheck::new(table, url)?);
    let name = table.name.clone().unwrap_or_else(|| check.to_string());
    let client = client.clone();
    Ok(TestCase::new(name, move |attempt: TestAttempt| {
        let (check, client) = (Arc::clone(&check), client.clone());
        async move { check.run(&client, &attempt).await }
    }))
}

fn refuse(with: &str, keys: &[(&str, bool)]) -> Result<(), String> {
    match keys.iter().find(|(_, given)| *given) {
        Some((key, _)) => Err(format!("`{key}` does not go with `{with}`: remove one of them")),
        None => Ok(()),
    }
}
