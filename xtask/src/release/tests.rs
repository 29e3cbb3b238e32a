//! A whole release of a small workspace: real git, real cargo, a registry on the loopback.

mod registry;
mod workspace;

use super::{Options, Outside, Repository, release};
use anyhow::{Result, bail};
use workspace::Workspace;

const CHECKED: Outside<'static> = Outside { verify: &|_, _| Ok(()), agreed: &|_| Ok(true) };

fn run(repository: &Repository, args: &[&str]) -> Result<()> {
    release(repository, &Options::parse(args)?, &CHECKED)
}

fn refusal(repository: &Repository, args: &[&str]) -> String {
    format!("{:#}", run(repository, args).unwrap_err())
}

/// Problems are printed; the plan has them.
fn problems(repository: &Repository, args: &[&str]) -> Vec<String> {
    super::Plan::new(repository, &Options::parse(args).unwrap()).unwrap().problems
}

#[test]
fn a_dry_run_changes_nothing() {
    let workspace = Workspace::new("dry");
    let before = workspace.state();
    run(&workspace.repository, &["minor"]).unwrap();
    assert_eq!(workspace.state(), before);
}

#[test]
fn a_release_raises_commits_and_tags() {
    let workspace = Workspace::new("execute");
    let repository = &workspace.repository;
    run(repository, &["minor", "--execute"]).unwrap();

    let root = repository.read("Cargo.toml").unwrap();
    assert_eq!(root.matches("\"0.2.0\"").count(), 3, "{root}");
    for lock in ["Cargo.lock", "rivals/Cargo.lock"] {
        let text = repository.read(lock).unwrap();
        assert!(text.contains("name = \"small-a\"\nversion = \"0.2.0\""), "{lock}: {text}");
    }
    let changelog = repository.read("CHANGELOG.md").unwrap();
    assert!(changelog.starts_with("# C\n\n## Unreleased\n\n## 0.2.0 - 20"), "{changelog}");
    assert_eq!(repository.git(&["status", "--porcelain"]).unwrap(), "");
    assert_eq!(repository.git(&["log", "-1", "--format=%s"]).unwrap(), "release: 0.2.0");
    assert_eq!(
        repository.git(&["rev-parse", "v0.2.0^{commit}"]).unwrap(),
        repository.git(&["rev-parse", "HEAD"]).unwrap()
    );
}

#[test]
fn the_first_release_may_be_the_version_that_stands_there() {
    let workspace = Workspace::new("first");
    run(&workspace.repository, &["--execute"]).unwrap();
    assert!(workspace.repository.git_says(&["show-ref", "--quiet", "v0.1.0"]).unwrap());
    let again = refusal(&workspace.repository, &[]);
    assert!(again.contains("0.1.0 is released; name the next version"), "{again}");
}

#[test]
fn what_stands_in_the_way_is_listed_and_nothing_is_done() {
    let workspace = Workspace::new("problems");
    let repository = &workspace.repository;
    repository.git(&["tag", "v0.3.0"]).unwrap();
    repository.git(&["switch", "--quiet", "-c", "side"]).unwrap();
    repository.write("CHANGELOG.md", "# C\n\n## Unreleased\n").unwrap();
    let before = workspace.state();
    let found = problems(repository, &["0.0.9"]);
    for wanted in [
        "the tree is not clean: 1 files",
        "releases come from main, this is `side`",
        "0.0.9 is below the present 0.1.0",
        "0.0.9 is below 0.3.0, which is tagged",
        "nothing under `## Unreleased`",
    ] {
        assert!(found.iter().any(|problem| problem.contains(wanted)), "{wanted}: {found:?}");
    }
    let error = refusal(repository, &["0.0.9", "--execute"]);
    assert!(error.contains("5 problems"), "{error}");
    assert_eq!(workspace.state(), before);
    assert!(
        problems(repository, &["0.3.0"]).iter().any(|p| p.contains("v0.3.0 is tagged already"))
    );
}

#[test]
fn a_crate_that_cannot_be_published_is_named() {
    let workspace = Workspace::new("manifests");
    let manifest = workspace.repository.read("small-b/Cargo.toml").unwrap();
    let manifest = manifest.replace("keywords = [\"small\"]\n", "");
    workspace.repository.write("small-b/Cargo.toml", &manifest).unwrap();
    let found = problems(&workspace.repository, &["minor"]);
    assert!(found.contains(&"small-b: its manifest has no keywords".to_owned()), "{found:?}");
}

#[test]
fn failed_checks_leave_the_tree_alone() {
    let workspace = Workspace::new("checks");
    let before = workspace.state();
    let failing = Outside { verify: &|_, _| bail!("a test failed"), agreed: &|_| Ok(true) };
    let options = Options::parse(&["minor", "--execute"]).unwrap();
    assert!(release(&workspace.repository, &options, &failing).is_err());
    assert_eq!(workspace.state(), before);
}

#[cfg(unix)]
#[test]
fn a_refused_commit_puts_the_files_back() {
    let workspace = Workspace::new("refused");
    workspace.hook("pre-commit", "exit 1");
    let before = workspace.state();
    let error = refusal(&workspace.repository, &["minor", "--execute"]);
    assert!(error.contains("the files are as they were"), "{error}");
    assert_eq!(workspace.state(), before);
}

#[test]
fn a_lock_file_that_does_not_fit_is_found_before_the_commit() {
    let workspace = Workspace::new("lock");
    let lock = workspace.repository.read("rivals/Cargo.lock").unwrap();
    let lock = lock.replace("name = \"small-a\"\n", "name = \"small-x\"\n");
    workspace.repository.write("rivals/Cargo.lock", &lock).unwrap();
    workspace.repository.git(&["commit", "--quiet", "-am", "break the lock"]).unwrap();
    let before = workspace.state();
    let error = refusal(&workspace.repository, &["minor", "--execute"]);
    assert!(error.contains("rivals/Cargo.lock does not fit"), "{error}");
    assert_eq!(workspace.state(), before);
}

#[test]
fn a_missing_tag_is_made_by_the_same_command() {
    let workspace = Workspace::new("tag");
    let repository = &workspace.repository;
    run(repository, &["minor", "--execute"]).unwrap();
    let commit = repository.git(&["rev-parse", "HEAD"]).unwrap();
    repository.git(&["tag", "--delete", "v0.2.0"]).unwrap();
    run(repository, &["0.2.0", "--execute"]).unwrap();
    assert_eq!(repository.git(&["rev-parse", "v0.2.0^{commit}"]).unwrap(), commit);
    assert_eq!(repository.git(&["rev-parse", "HEAD"]).unwrap(), commit);
}

#[test]
fn publishing_goes_on_where_it_stopped() {
    let workspace = Workspace::new("publish");
    let (repository, registry) = (&workspace.repository, &workspace.registry);
    registry.refuse_next("small-b");
    let args = ["minor", "--execute", "--publish", "--yes", "--registry", "local"];
    let error = refusal(repository, &args);
    assert!(error.contains("failed to publish small-b"), "{error}");
    assert!(error.contains("published: small-a"), "{error}");
    assert_eq!(registry.published(), ["small-a 0.2.0"]);

    let again = ["--execute", "--publish", "--yes", "--registry", "local"];
    run(repository, &again).unwrap();
    assert_eq!(registry.published(), ["small-a 0.2.0", "small-b 0.2.0"]);
}

#[test]
fn a_no_publishes_nothing() {
    let workspace = Workspace::new("no");
    let no = Outside { verify: &|_, _| Ok(()), agreed: &|_| Ok(false) };
    let args = ["minor", "--execute", "--publish", "--registry", "local"];
    release(&workspace.repository, &Options::parse(&args).unwrap(), &no).unwrap();
    assert_eq!(workspace.registry.published(), Vec::<String>::new());
    assert!(workspace.repository.git_says(&["show-ref", "--quiet", "v0.2.0"]).unwrap());
}

#[test]
fn another_tree_is_not_published_under_a_tag() {
    let workspace = Workspace::new("moved");
    let repository = &workspace.repository;
    run(repository, &["minor", "--execute"]).unwrap();
    repository.git(&["commit", "--quiet", "--allow-empty", "-m", "later"]).unwrap();
    let found = problems(repository, &["0.2.0", "--publish"]);
    assert!(found.iter().any(|p| p.contains("git switch --detach v0.2.0")), "{found:?}");
    repository.git(&["switch", "--quiet", "--detach", "v0.2.0"]).unwrap();
    assert_eq!(problems(repository, &["0.2.0", "--publish"]), Vec::<String>::new());
}

#[test]
fn a_wrong_command_line_is_refused() {
    for args in [
        &["--force"][..],
        &["minor", "major"],
        &["--skip-checks", "--execute"],
        &["--yes"],
        &["--registry"],
    ] {
        assert!(Options::parse(args).is_err(), "{args:?}");
    }
}
