//! Cases that are commands: real processes, and no upper bound of time.

use super::{queue, run, verdicts};
use perf_async::test_queue::{TestCase, TestCommand, TestReport, Verdict};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn sh(script: &str) -> TestCommand {
    TestCommand::new("sh").args(["-c", script])
}

async fn one(command: TestCommand) -> TestReport {
    run(queue(1), vec![TestCase::command("one", command)]).await
}

/// A folder that goes away with its value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("perf-async-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Waits until a file has a line, and answers it as a number.
async fn number_in(file: &Path) -> i32 {
    loop {
        if let Ok(text) = fs::read_to_string(file)
            && text.ends_with('\n')
        {
            return text.trim().parse().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until no process has this number; one that has ended counts as gone.
async fn gone(process: i32) {
    let runs = || {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let state = stat.rsplit(')').next()?.trim_start().chars().next()?;
        (state != 'Z').then_some(())
    };
    while runs().is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn exit_code_and_output_decide() {
    for (command, verdict, reason) in [
        (sh("exit 0"), Verdict::Passed, None),
        (sh("exit 3"), Verdict::Failed, Some("exit code 3")),
        (sh("exit 3").exit_code(3), Verdict::Passed, None),
        (sh("exit 0").exit_code(3), Verdict::Failed, Some("exit code 0, expected 3")),
        (sh("kill -9 $$"), Verdict::Failed, Some("ended by signal 9")),
        (sh("echo all is well").output_contains("is w"), Verdict::Passed, None),
        (sh("echo all is well >&2").output_contains("is w"), Verdict::Passed, None),
        (
            sh("echo all is well").output_contains("all").output_contains("ill"),
            Verdict::Failed,
            Some("the output does not contain `ill`"),
        ),
        (
            TestCommand::new("no-such-program-anywhere"),
            Verdict::Failed,
            Some("no-such-program-anywhere cannot be started: "),
        ),
    ] {
        let report = one(command.clone()).await;
        let result = &report.results[0];
        assert_eq!(result.verdict, verdict, "{command:?} {result:?}");
        let said = result.reason.as_deref();
        match reason {
            Some(reason) => assert!(said.unwrap().starts_with(reason), "{said:?}"),
            None => assert_eq!(said, None),
        }
    }
}

#[tokio::test]
async fn a_command_gets_its_environment_folder_and_input() {
    let folder = Folder::new("folder");
    fs::write(folder.0.join("here"), "").unwrap();
    let command = sh("test -f here && test \"$WORD\" = 'two words' && grep -q needle && echo $1")
        .args(["$0", "a; exit 1"])
        .env("WORD", "two words")
        .dir(&folder.0)
        .stdin("hay\nneedle\n")
        .output_contains("a; exit 1");
    let report = one(command).await;
    assert!(report.is_passed(), "{:?}", report.results[0]);
    // What does not read its input is not held up by it.
    let report = one(sh("exit 0").stdin(vec![b'x'; 1 << 20])).await;
    assert!(report.is_passed());
}

#[tokio::test]
async fn the_end_of_the_output_is_kept_and_all_of_it_searched() {
    let script = "echo first; for i in 1 2 3 4 5 6 7 8 9; do printf '%01000d\\n' $i; done; echo last >&2; exit 1";
    let command = sh(script).output_contains("first");
    let case = TestCase::command("much", command);
    let report = run(queue(1).output_kept(1_000), vec![case]).await;
    let result = &report.results[0];
    assert_eq!(result.reason.as_deref(), Some("exit code 1"));
    assert!(result.output.ends_with("9\nlast\n"));
    assert_eq!((result.output.len(), result.output_cut), (1_000, 6 + 9 * 1_001 + 5 - 1_000));
}

#[tokio::test]
async fn a_time_out_ends_the_command_and_its_children() {
    let folder = Folder::new("time-out");
    let file = folder.0.join("pid");
    // The grandchild would outlive its parent, and does not hear of SIGTERM.
    let script = format!("(trap '' TERM; sleep 600 & echo $! > {}; wait) & wait", file.display());
    let case = TestCase::command("hangs", sh(&script)).timeout(Duration::from_millis(300));
    let running = queue(1).grace(Duration::from_millis(50)).build().unwrap().start([case], ());
    let grandchild = number_in(&file).await;
    let report = running.finish().await;
    assert_eq!(verdicts(&report), [Verdict::TimedOut]);
    gone(grandchild).await;
}

#[tokio::test]
async fn a_command_may_end_itself_within_the_grace() {
    let command =
        sh("trap 'echo cleaned up; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    let case = TestCase::command("polite", command).timeout(Duration::from_millis(300));
    let report = run(queue(1).grace(Duration::from_secs(600)), vec![case]).await;
    let result = &report.results[0];
    assert_eq!(result.verdict, Verdict::TimedOut);
    assert!(result.output.ends_with("cleaned up\n"), "{}", result.output);
}

#[tokio::test]
async fn what_a_command_leaves_behind_is_killed_and_told() {
    let folder = Folder::new("left");
    let file = folder.0.join("pid");
    let report = one(sh(&format!("sleep 600 & echo $! > {}; echo done", file.display()))).await;
    let result = &report.results[0];
    assert!(result.is_passed() && result.left_processes, "{result:?}");
    gone(number_in(&file).await).await;
    assert!(!one(sh("exit 0")).await.results[0].left_processes);
}

#[tokio::test]
async fn a_stop_and_a_drop_end_commands() {
    for drops in [false, true] {
        let folder = Folder::new(if drops { "drop" } else { "stop" });
        let file = folder.0.join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let case = TestCase::command("hangs", sh(&script)).timeout(Duration::MAX);
        let running = queue(1).build().unwrap().start([case], ());
        let grandchild = number_in(&file).await;
        if drops {
            drop(running);
        } else {
            running.stop();
            let report = running.finish().await;
            assert_eq!(verdicts(&report), [Verdict::Cancelled]);
        }
        gone(grandchild).await;
    }
}

#[tokio::test]
async fn a_kill_does_not_wait_for_the_grace() {
    let folder = Folder::new("kill");
    let file = folder.0.join("pid");
    let script =
        format!("trap '' TERM; echo $$ > {}; while :; do sleep 0.01; done", file.display());
    let case = TestCase::command("stubborn", sh(&script));
    let queue = queue(1).grace(Duration::from_secs(100_000)).build().unwrap();
    let running = queue.start([case], ());
    let process = number_in(&file).await;
    running.stop();
    running.kill();
    assert_eq!(verdicts(&running.finish().await), [Verdict::Cancelled]);
    gone(process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_and_more_commands_run_at_once() {
    let folder = Folder::new("hundred");
    // Each waits until all have begun: they can only pass together.
    let script = "touch $$; while [ $(ls | wc -l) -lt 110 ]; do sleep 0.05; done";
    let case = |n: usize| TestCase::command(format!("{n}"), sh(script).dir(&folder.0));
    let report = run(queue(110), (0..110).map(case).collect()).await;
    assert!(report.is_passed(), "{:?}", report.failed().next());
}
