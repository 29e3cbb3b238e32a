use super::*;
use crate::Usage;
use perf_bench::{Bench, Machine, Run};
use tempfile::TempDir;

/// A repository with one commit on `main`, and a file that is not committed.
fn repository() -> TempDir {
    let folder = TempDir::new().unwrap();
    let git = Branch { folder: folder.path().to_owned(), name: String::new() };
    git.git(&["init", "--quiet", "--initial-branch=main"], None).unwrap();
    std::fs::write(folder.path().join("code.rs"), "fn main() {}").unwrap();
    git.git(&["add", "--all"], None).unwrap();
    let identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"];
    let commit = ["commit", "--quiet", "-m", "first"];
    git.git(&[&identity[..], &commit[..]].concat(), None).unwrap();
    std::fs::write(folder.path().join("work.rs"), "half done").unwrap();
    folder
}

fn entry(commit: &str) -> Entry {
    let mut run = Run::new(Machine::default());
    run.commit = Some(commit.to_owned());
    run.benches.push(Bench::new("a", vec![1.0]));
    Entry::of(&run).unwrap()
}

fn commits(branch: &Branch) -> Vec<String> {
    let history = History::read(branch.read().unwrap().unwrap().as_slice()).unwrap();
    assert_eq!(history.left_out.unreadable, 0);
    history.entries.into_iter().map(|entry| entry.commit).collect()
}

fn told(branch: &Branch, arguments: &[&str]) -> String {
    text(branch.git(arguments, None).unwrap()).unwrap()
}

#[test]
fn the_branch_grows_beside_the_working_tree() {
    let folder = repository();
    let branch = Branch::new(folder.path(), "bench-data").unwrap();
    assert_eq!(branch.read().unwrap(), None);
    let before = told(&branch, &["status", "--porcelain"]);
    let head = told(&branch, &["rev-parse", "HEAD"]);
    for commit in ["one", "two", "three"] {
        branch.append(&entry(commit)).unwrap();
    }
    assert_eq!(commits(&branch), ["one", "two", "three"]);
    assert_eq!(told(&branch, &["status", "--porcelain"]), before);
    assert_eq!(told(&branch, &["rev-parse", "HEAD"]), head);
    assert_eq!(told(&branch, &["rev-list", "--count", "bench-data"]), "3");
    assert_eq!(told(&branch, &["ls-tree", "--name-only", "bench-data"]), FILE);
    // Nothing in common with the code.
    assert!(branch.git(&["merge-base", "main", "bench-data"], None).is_err());
    assert_eq!(told(&branch, &["fsck", "--strict", "--no-progress"]), "");
}

#[test]
fn many_at_once_lose_nothing() {
    let folder = repository();
    let branch = Branch::new(folder.path(), "bench-data").unwrap();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let branch = &branch;
            scope.spawn(move || {
                for run in 0..3 {
                    branch.append(&entry(&format!("{worker}-{run}"))).unwrap();
                }
            });
        }
    });
    let mut found = commits(&branch);
    found.sort();
    let expected: Vec<String> =
        (0..4).flat_map(|worker| (0..3).map(move |run| format!("{worker}-{run}"))).collect();
    assert_eq!(found, expected);
}

#[test]
fn other_files_and_half_lines_on_the_branch_stay() {
    let folder = repository();
    let branch = Branch::new(folder.path(), "bench-data").unwrap();
    let blob = |content: &[u8]| {
        text(branch.git(&["hash-object", "-w", "--stdin"], Some(content)).unwrap()).unwrap()
    };
    let line = entry("lost").to_line();
    let tree = format!(
        "100644 blob {}\tREADME.md\0100644 blob {}\t{FILE}\0",
        blob(b"what this is"),
        blob(&line.as_bytes()[..line.len() / 2])
    );
    let tree = text(branch.git(&["mktree", "-z"], Some(tree.as_bytes())).unwrap()).unwrap();
    let identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"];
    let made = [&identity[..], &["commit-tree", &tree, "-m", "begin"]].concat();
    let made = told(&branch, &made);
    branch.git(&["update-ref", "refs/heads/bench-data", &made], None).unwrap();

    branch.append(&entry("one")).unwrap();
    let history = History::read(branch.read().unwrap().unwrap().as_slice()).unwrap();
    assert_eq!((history.entries.len(), history.left_out.unreadable), (1, 1));
    assert_eq!(told(&branch, &["show", "bench-data:README.md"]), "what this is");
}

#[test]
fn what_a_clone_knows_of_origin_is_gone_on_with() {
    let origin = repository();
    let there = Branch::new(origin.path(), "bench-data").unwrap();
    there.append(&entry("one")).unwrap();
    let folder = TempDir::new().unwrap();
    let clone = folder.path().join("clone");
    let (from, to) = (origin.path().to_str().unwrap(), clone.to_str().unwrap());
    there.git(&["clone", "--quiet", from, to], None).unwrap();

    let here = Branch::new(&clone, "bench-data").unwrap();
    assert_eq!(commits(&here), ["one"]);
    here.append(&entry("two")).unwrap();
    assert_eq!(commits(&here), ["one", "two"]);
    told(&here, &["push", "--quiet", "origin", "bench-data"]);
    assert_eq!(commits(&there), ["one", "two"]);
}

#[test]
fn what_origin_has_besides_is_gone_on_with_as_well() {
    let origin = repository();
    let there = Branch::new(origin.path(), "bench-data").unwrap();
    there.append(&entry("one")).unwrap();
    let folder = TempDir::new().unwrap();
    let clone = folder.path().join("clone");
    let (from, to) = (origin.path().to_str().unwrap(), clone.to_str().unwrap());
    there.git(&["clone", "--quiet", from, to], None).unwrap();
    let here = Branch::new(&clone, "bench-data").unwrap();
    let push = ["push", "--quiet", "origin", "bench-data"];
    here.append(&entry("two")).unwrap();
    assert_eq!(commits(&here), ["one", "two"], "the branch here is further");
    told(&here, &push);

    there.append(&entry("three")).unwrap();
    told(&here, &["fetch", "--quiet", "origin"]);
    assert_eq!(commits(&here), ["one", "two", "three"], "origin is further");
    here.append(&entry("four")).unwrap();
    told(&here, &push);
    assert_eq!(commits(&there), ["one", "two", "three", "four"]);

    here.append(&entry("here")).unwrap();
    there.append(&entry("there")).unwrap();
    told(&here, &["fetch", "--quiet", "origin"]);
    assert_eq!(commits(&here), ["one", "two", "three", "four", "there", "here"], "both are");
    here.append(&entry("five")).unwrap();
    told(&here, &push);
    assert_eq!(commits(&there), ["one", "two", "three", "four", "there", "here", "five"]);
    assert_eq!(told(&here, &["ls-tree", "--name-only", "bench-data"]), FILE);
    assert_eq!(told(&here, &["fsck", "--strict", "--no-progress"]), "");
}

#[test]
fn branches_of_code_are_not_written_to() {
    let folder = repository();
    let refused = |name: &str| {
        let error = Branch::new(folder.path(), name)
            .and_then(|branch| branch.append(&entry("one")))
            .unwrap_err();
        assert!(error.downcast_ref::<Usage>().is_some(), "{error:#}");
        error.to_string()
    };
    assert!(refused("main").contains("branch main is checked out in"));
    let branch = Branch::new(folder.path(), "code").unwrap();
    branch.git(&["branch", "code", "main"], None).unwrap();
    assert!(refused("code").contains("holds no history.jsonl"));
    assert!(branch.read().is_err());
    for name in ["", "a b", "-x", "a..b", "x.lock"] {
        assert!(refused(name).contains("no name for a branch"), "{name}");
    }
}
