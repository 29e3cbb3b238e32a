//! Scenarios: a load run as a TOML file.
//!
//! ```toml
//! target = "http://127.0.0.1:8080"
//! for = "1m"
//! warm-up = "2s"
//! rate = 500                      # or one of: users = 50, ramp = [100, 1000], steps = [100, 200]
//! jitter = "poisson"              # none, uniform (default)
//! objective = "p99=50ms,errors=1%"
//! headers = { accept = "text/html" }
//!
//! [[request]]
//! name = "page"
//! weight = 9
//! urls-file = "pages.txt"         # one a line, beside this file
//! zipf = 0.9
//!
//! [[request]]
//! name = "save"
//! method = "POST"
//! url = "/save"
//! headers = { content-type = "application/json" }
//! body = '{"n": 1}'
//! expect = [201, 409]
//! ```

use super::config::{Form, LoadConfig, RequestSpec, Stress};
use super::objective::time;
use super::{Arrival, Jitter, Load, LoadError};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    target: Spanned<String>,
    r#for: Option<Spanned<String>>,
    warm_up: Option<Spanned<String>>,
    timeout: Option<Spanned<String>>,
    drain: Option<Spanned<String>>,
    rate: Option<Spanned<f64>>,
    users: Option<Spanned<usize>>,
    ramp: Option<Spanned<Vec<f64>>>,
    steps: Option<Spanned<Vec<f64>>>,
    stress: Option<Spanned<StressTable>>,
    jitter: Option<Spanned<Jitter>>,
    connections: Option<usize>,
    #[serde(default)]
    http2: bool,
    body_limit: Option<u64>,
    seed: Option<u64>,
    objective: Option<Spanned<String>>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    pid: Option<u32>,
    #[serde(default)]
    request: Vec<Spanned<RequestTable>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct StressTable {
    from: Option<f64>,
    factor: Option<f64>,
    step: Option<Spanned<String>>,
    refine: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RequestTable {
    name: Option<String>,
    weight: Option<f64>,
    method: Option<String>,
    url: Option<Spanned<String>>,
    urls: Option<Spanned<Vec<String>>>,
    urls_file: Option<Spanned<String>>,
    zipf: Option<f64>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    body_file: Option<Spanned<String>>,
    #[serde(default)]
    expect: Vec<u16>,
    think: Option<Spanned<Think>>,
}

/// `"100ms"` or `["50ms", "200ms"]`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Think {
    Always(String),
    Between(String, String),
}

/// What went wrong where.
type At = (Option<usize>, String);

impl LoadConfig {
    /// Reads a scenario. `folder` is where the files that it names are looked for.
    ///
    /// # Errors
    ///
    /// [`LoadError`] of the kind `Usage`, with the line.
    pub fn from_toml(text: &str, folder: &Path) -> Result<LoadConfig, LoadError> {
        let file: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map(|span| span.start);
            LoadError::usage(placed(text, at, error.message()))
        })?;
        read(&file, folder).map_err(|(at, why)| LoadError::usage(placed(text, at, &why)))
    }

    /// Reads a scenario from a file.
    ///
    /// # Errors
    ///
    /// [`LoadError`] of the kind `Usage`, with the file and the line.
    pub fn from_file(path: &Path) -> Result<LoadConfig, LoadError> {
        let name = path.display();
        let text = read_text(path).map_err(LoadError::usage)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        LoadConfig::from_toml(&text, folder)
            .map_err(|error| LoadError::usage(format!("{name}, {error}")))
    }
}

fn placed(text: &str, at: Option<usize>, why: &str) -> String {
    match at {
        Some(at) => {
            let before = text.get(..at).unwrap_or(text);
            format!("line {}: {why}", before.matches('\n').count() + 1)
        }
        None => why.to_owned(),
    }
}

fn read(file: &File, folder: &Path) -> Result<LoadConfig, At> {
    let mut config = LoadConfig::new(file.target.get_ref());
    config.form = form(file)?;
    if let Some(jitter) = &file.jitter {
        config.jitter = *jitter.get_ref();
    }
    let spans: [(&Option<Spanned<String>>, &mut Duration); 3] = [
        (&file.r#for, &mut config.length),
        (&file.warm_up, &mut config.warm_up),
        (&file.timeout, &mut config.timeout),
    ];
    for (given, setting) in spans {
        if let Some(given) = given {
            *setting = span(given)?;
        }
    }
    config.drain = file.drain.as_ref().map(span).transpose()?;
    config.connections = file.connections;
    config.http2 = file.http2;
    config.body_limit = file.body_limit.unwrap_or(config.body_limit);
    config.seed = file.seed.unwrap_or(config.seed);
    config.pid = file.pid;
    if let Some(objective) = &file.objective {
        let parsed = objective.get_ref().parse();
        config.objectives =
            parsed.map_err(|e: LoadError| (Some(start(objective)), e.to_string()))?;
    }
    config.headers = pairs(&file.headers);
    let target = super::target::Target::parse(&config.target)
        .map_err(|e| (Some(start(&file.target)), e.to_string()))?;
    for (n, table) in file.request.iter().enumerate() {
        let spec = request(n, table.get_ref(), folder)?;
        // Alone first, so that what is wrong in it has its line.
        let mut alone = LoadConfig { requests: vec![spec.clone()], ..config.clone() };
        if spec.weight == 0.0 {
            alone.requests[0].weight = 1.0;
        }
        super::plan::Plan::new(&alone, &target)
            .map_err(|error| (Some(start(table)), error.to_string()))?;
        config.requests.push(spec);
    }
    Load::new(config.clone()).map_err(|error| (None, error.to_string()))?;
    Ok(config)
}

fn form(file: &File) -> Result<Form, At> {
    let mut found: Vec<(usize, Form)> = Vec::new();
    if let Some(rate) = &file.rate {
        let constant = Arrival::Constant { rate: *rate.get_ref() };
        // With `stress` it is where to start.
        if file.stress.is_none() {
            found.push((start(rate), Form::Open(constant)));
        }
    }
    if let Some(users) = &file.users {
        found.push((start(users), Form::Users(*users.get_ref())));
    }
    if let Some(ramp) = &file.ramp {
        let [from, to] = ramp.get_ref()[..] else {
            return Err((Some(start(ramp)), "ramp takes two rates: ramp = [100, 1000]".to_owned()));
        };
        found.push((start(ramp), Form::Open(Arrival::Ramp { from, to })));
    }
    if let Some(steps) = &file.steps {
        let rates = steps.get_ref().clone();
        found.push((start(steps), Form::Open(Arrival::Steps { rates })));
    }
    if let Some(table) = &file.stress {
        let given = table.get_ref();
        let mut stress = Stress::default();
        let rate = file.rate.as_ref().map(|r| *r.get_ref());
        stress.from = given.from.or(rate).unwrap_or(stress.from);
        stress.factor = given.factor.unwrap_or(stress.factor);
        stress.refine = given.refine.unwrap_or(stress.refine);
        if let Some(step) = &given.step {
            stress.step = span(step)?;
        }
        found.push((start(table), Form::Stress(stress)));
    }
    if let Some((at, _)) = found.get(1) {
        let why = "a run has one form; name one of rate, users, ramp, steps and stress";
        return Err((Some(*at), why.to_owned()));
    }
    if let Some((at, Form::Open(arrival))) = found.first()
        && let Some(fault) = arrival.fault()
    {
        return Err((Some(*at), fault));
    }
    let default = Form::Open(Arrival::Constant { rate: 1000.0 });
    Ok(found.pop().map_or(default, |(_, form)| form))
}

fn request(n: usize, table: &RequestTable, folder: &Path) -> Result<RequestSpec, At> {
    let name = table.name.clone().unwrap_or_else(|| format!("request {}", n + 1));
    let mut spec = RequestSpec::new(name);
    spec.weight = table.weight.unwrap_or(spec.weight);
    spec.method = table.method.clone().unwrap_or(spec.method);
    spec.zipf = table.zipf.unwrap_or(spec.zipf);
    spec.headers = pairs(&table.headers);
    spec.expect = table.expect.clone();
    if let Some(url) = &table.url {
        spec.urls.push(url.get_ref().clone());
    }
    let mut lists = Vec::new();
    if let Some(urls) = &table.urls {
        lists.push((start(urls), "urls", urls.get_ref().clone()));
    }
    if let Some(path) = &table.urls_file {
        let text = read_text(&folder.join(path.get_ref())).map_err(|e| (Some(start(path)), e))?;
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        lists.push((start(path), "urls-file", lines.map(str::to_owned).collect()));
    }
    for (at, key, list) in lists {
        if list.is_empty() {
            return Err((
                Some(at),
                format!("{key} lists no URL; leave it out to ask for the target's own"),
            ));
        }
        if !spec.urls.is_empty() {
            return Err((Some(at), "name one of url, urls and urls-file".to_owned()));
        }
        spec.urls = list;
    }
    spec.body = match (&table.body, &table.body_file) {
        (Some(_), Some(path)) => {
            return Err((Some(start(path)), "name one of body and body-file".to_owned()));
        }
        (Some(body), None) => body.clone().into_bytes(),
        (None, Some(path)) => {
            read_bytes(&folder.join(path.get_ref())).map_err(|e| (Some(start(path)), e))?
        }
        (None, None) => Vec::new(),
    };
    if let Some(think) = &table.think {
        let read = |text: &str| time(text).ok_or_else(|| (Some(start(think)), not_a_time(text)));
        spec.think = Some(match think.get_ref() {
            Think::Always(text) => (read(text)?, read(text)?),
            Think::Between(least, most) => (read(least)?, read(most)?),
        });
    }
    Ok(spec)
}

fn pairs(headers: &BTreeMap<String, String>) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn span(text: &Spanned<String>) -> Result<Duration, At> {
    time(text.get_ref()).ok_or_else(|| (Some(start(text)), not_a_time(text.get_ref())))
}

fn not_a_time(text: &str) -> String {
    format!("`{text}` is not a time: write it like 250ms, 30s, 5m or 2h")
}

fn start<T>(spanned: &Spanned<T>) -> usize {
    spanned.span().start
}

/// More is no list of requests but a mistake.
const LARGEST_FILE: u64 = 256 << 20;

fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let fail = |why: &dyn std::fmt::Display| format!("{} cannot be read: {why}", path.display());
    let size = std::fs::metadata(path).map_err(|e| fail(&e))?.len();
    if size > LARGEST_FILE {
        return Err(fail(&format!("{size} bytes; take at most {LARGEST_FILE}")));
    }
    std::fs::read(path).map_err(|e| fail(&e))
}

fn read_text(path: &Path) -> Result<String, String> {
    String::from_utf8(read_bytes(path)?)
        .map_err(|_| format!("{} is not text in UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LoadConfig, String> {
        LoadConfig::from_toml(text, Path::new("/nowhere")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_scenario_is_read() {
        let config = read(
            "target = 'http://host:1'\nfor = '1m'\nwarm-up = '0s'\nusers = 50\nhttp2 = true\n\
             objective = 'p99=50ms'\nseed = 9\nheaders = { accept = 'text/html' }\n\
             [[request]]\nname = 'page'\nweight = 9\nurls = ['/a', '/b']\nzipf = 0.9\n\
             think = ['50ms', '200ms']\n\
             [[request]]\nmethod = 'POST'\nurl = '/save'\nbody = '{}'\nexpect = [201, 409]\n",
        )
        .unwrap();
        assert_eq!((config.length.as_secs(), config.warm_up), (60, Duration::ZERO));
        assert_eq!((config.form.clone(), config.seed, config.http2), (Form::Users(50), 9, true));
        assert_eq!(config.headers, [("accept".to_owned(), "text/html".to_owned())]);
        let [page, save] = &config.requests[..] else { panic!("{config:?}") };
        assert_eq!((page.weight, page.zipf, page.urls.len()), (9.0, 0.9, 2));
        assert_eq!(page.think, Some((Duration::from_millis(50), Duration::from_millis(200))));
        assert_eq!((save.name.as_str(), save.method.as_str()), ("request 2", "POST"));
        assert_eq!((&save.body[..], &save.expect[..]), (&b"{}"[..], &[201, 409][..]));
    }

    #[test]
    fn each_form_is_read() {
        let form = |line: &str| read(&format!("target = 'host'\n{line}")).unwrap().form;
        assert_eq!(form(""), Form::Open(Arrival::Constant { rate: 1000.0 }));
        assert_eq!(form("rate = 20"), Form::Open(Arrival::Constant { rate: 20.0 }));
        assert_eq!(form("ramp = [1, 9]"), Form::Open(Arrival::Ramp { from: 1.0, to: 9.0 }));
        assert_eq!(form("steps = [1, 2]"), Form::Open(Arrival::Steps { rates: vec![1.0, 2.0] }));
        let stress = Stress { from: 50.0, step: Duration::from_secs(2), ..Stress::default() };
        assert_eq!(form("rate = 50\nstress = { step = '2s' }"), Form::Stress(stress));
    }

    #[test]
    fn mistakes_have_their_line_and_their_value() {
        for (text, line, part) in [
            ("target = 'host'\nrat = 5", 2, "rat"),
            ("target = 'host'\nrate = 'x'", 2, "string"),
            ("target = 'host'\nrate = 0", 2, "a rate of 0"),
            ("target = 'host'\n\nrate = 1\nusers = 2", 4, "one form"),
            ("target = 'host'\nfor = '5 weeks'", 2, "5 weeks"),
            ("target = 'https://host'", 1, "TLS"),
            ("target = 'host'\nobjective = 'p98=1s'", 2, "p98"),
            ("target = 'host'\nramp = [1]", 2, "two rates"),
            ("target = 'host'\n[[request]]\nurls = []", 3, "no URL"),
            ("target = 'host'\n[[request]]\nurls-file = 'none.txt'", 3, "none.txt"),
            ("target = 'host'\n[[request]]\nname = 'a'\n\n[[request]]\nmethod = 'G T'", 5, "G T"),
            ("target = 'host'\n[[request]]\nthink = '1s'", 2, "users"),
            ("target = 'host'\n[[request]]\nweigth = 1", 3, "weigth"),
            ("target = 'host'\nusers = -1", 2, "-1"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(&format!("line {line}:")), "{text}: {error}");
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(read("rate = 5").unwrap_err().contains("target"));
    }

    #[test]
    fn lists_of_urls_come_from_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("urls.txt"), "/a\n\n# no\n  /b?c \n").unwrap();
        let path = folder.path().join("scenario.toml");
        std::fs::write(&path, "target = 'host'\n[[request]]\nurls-file = 'urls.txt'").unwrap();
        assert_eq!(LoadConfig::from_file(&path).unwrap().requests[0].urls, ["/a", "/b?c"]);
        std::fs::write(&path, "target = 5").unwrap();
        let error = LoadConfig::from_file(&path).unwrap_err().to_string();
        assert!(error.contains("scenario.toml, line 1"), "{error}");
        assert!(LoadConfig::from_file(Path::new("/no/such")).is_err());
    }
}
