//! A PostgreSQL server for one test: a cluster of its own in a temporary folder, on a socket in
//! that folder, ended by its own process id.

use std::io::Read;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Set by `cargo xtask test` where PostgreSQL has been found: then its absence is a failure.
const REQUIRED: &str = "PERFKIT_REQUIRE_POSTGRESQL";

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs until it is dropped.
pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
    programs: PathBuf,
}

impl Server {
    /// Starts a server, or says why this machine cannot and answers `None`.
    pub(crate) fn start() -> Option<Server> {
        let Some(programs) = programs() else {
            assert!(
                std::env::var_os(REQUIRED).is_none(),
                "{REQUIRED} is set and initdb is missing"
            );
            eprintln!("skipped: PostgreSQL is not installed, `cargo xtask setup` installs it");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let user = Account::for_servers();
        if let Account::Other { uid, gid } = user {
            chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        let data = folder.path().join("data");
        let mut initdb = user.command(&programs.join("initdb"));
        initdb.args(["--auth=trust", "--username=postgres", "--no-sync", "--no-locale"]);
        initdb.args(["--encoding=UTF8", "--pgdata"]).arg(&data).current_dir(folder.path());
        let output = initdb.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

        let mut command = user.command(&programs.join("postgres"));
        // No network: the socket lies in the folder.
        command.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-h", ""]);
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut server = Server { child, folder, programs };
        server.wait_until_ready();
        Some(server)
    }

    /// Its address as a URL.
    pub(crate) fn url(&self) -> String {
        let folder = self.folder.path().to_str().unwrap().replace('/', "%2F");
        format!("postgres://postgres@{folder}/postgres")
    }

    /// What `psql` prints for a statement.
    pub(crate) fn psql(&self, sql: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-A", "-t", "-U", "postgres", "-c", sql])
            .arg("-h")
            .arg(self.folder.path());
        let output = psql.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Ends it as an administrator would, at once for its clients.
    pub(crate) fn stop(&mut self) {
        let id = self.child.id().to_string();
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // It may end by itself now; then the wait answers at once.
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut ready = Command::new(self.programs.join("pg_isready"));
            ready.arg("-q").arg("-h").arg(self.folder.path());
            if ready.status().unwrap().success() {
                return;
            }
            if self.child.try_wait().unwrap().is_some() || Instant::now() > deadline {
                let _ = self.child.kill();
                let mut text = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
                panic!("PostgreSQL does not start: {text}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where PostgreSQL's programs are: on the PATH, or where Debian keeps those of the server.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    std::env::split_paths(&path)
        .chain(debian.map(|version| version.path().join("bin")))
        // A link on the PATH leads to the folder that holds all of them.
        .filter_map(|folder| Some(folder.join("initdb").canonicalize().ok()?.parent()?.to_owned()))
        .find(|folder| ["postgres", "psql", "pg_isready"].iter().all(|p| folder.join(p).is_file()))
}

/// Whom the server runs as: it refuses to run as the administrator.
#[derive(Clone, Copy)]
enum Account {
    Own,
    Other { uid: u32, gid: u32 },
}

impl Account {
    fn for_servers() -> Account {
        let id = |arguments: &[&str]| -> Option<u32> {
            let output = Command::new("id").args(arguments).output().ok()?;
            std::str::from_utf8(&output.stdout).ok()?.trim().parse().ok()
        };
        if id(&["-u"]) != Some(0) {
            return Account::Own;
        }
        let (uid, gid) = (id(&["-u", "postgres"]), id(&["-g", "postgres"]));
        match (uid, gid) {
            (Some(uid), Some(gid)) => Account::Other { uid, gid },
            _ => panic!("the administrator needs the account `postgres` to run PostgreSQL"),
        }
    }

    fn command(self, program: &Path) -> Command {
        match self {
            Account::Own => Command::new(program),
            // Not `runuser` or `su`: those stay as a parent, and the id would be theirs.
            Account::Other { uid, gid } => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}"));
                command.arg("--clear-groups").arg(program);
                command
            }
        }
    }
}
