//! What is in front of the gateway and is told what to forget.

use super::file::File;
use super::{Pick, Setting};
use crate::arguments::ServeArguments;
use crate::failure::Failure;
use perf_cache::cdn::{CloudFront, Cloudflare, CloudflarePlan, Purger, Secret, SurrogateKeys};
use perf_server::CdnConfig;
use serde::Deserialize;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The flags that begin with `--cdn-`.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct CdnArguments {
    /// What is in front of this gateway and is told what is purged here: cloudflare, cloudfront,
    /// fastly, or surrogate-keys for a Varnish
    #[arg(long, value_name = "NAME", env = "PERFKIT_CDN_PURGE")]
    pub(crate) cdn_purge: Option<String>,
    /// Its id of the site: Cloudflare's zone, CloudFront's distribution, Fastly's service
    #[arg(long, value_name = "ID", env = "PERFKIT_CDN_ZONE")]
    pub(crate) cdn_zone: Option<String>,
    /// Where it takes purges; needed for surrogate-keys
    #[arg(long, value_name = "URL", env = "PERFKIT_CDN_URL")]
    pub(crate) cdn_url: Option<String>,
    /// By which address clients know the site, such as https://www.example.org, where it asks this
    /// gateway for another host
    #[arg(long, value_name = "URL", env = "PERFKIT_CDN_SITE")]
    pub(crate) cdn_site: Option<String>,
    /// What the zone pays Cloudflare for: free, pro, business or enterprise [default: free]
    #[arg(long, value_name = "PLAN", env = "PERFKIT_CDN_PLAN")]
    pub(crate) cdn_plan: Option<String>,
    /// Whether the distribution of CloudFront knows tags; otherwise a tag purges all [default: false]
    #[arg(long, env = "PERFKIT_CDN_TAGS", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "BOOL")]
    pub(crate) cdn_tags: Option<bool>,
    /// A file with the token; for CloudFront with access key, secret key and, if there is one, session
    /// token, a line each. Without it, PERFKIT_CDN_TOKEN and AWS_ACCESS_KEY_ID and its kin are read
    #[arg(long, value_name = "FILE", env = "PERFKIT_CDN_SECRET_FILE")]
    pub(crate) cdn_secret_file: Option<PathBuf>,
}

/// The table `[cdn]` of the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CdnFile {
    purge: Option<String>,
    zone: Option<String>,
    url: Option<String>,
    site: Option<String>,
    plan: Option<String>,
    tags: Option<bool>,
    secret_file: Option<PathBuf>,
}

/// What is in front of the gateway.
#[derive(Debug)]
pub(crate) struct CdnSettings {
    purge: Setting<Kind>,
    zone: Option<Setting<String>>,
    url: Option<Setting<String>>,
    site: Option<Setting<String>>,
    plan: Option<Setting<String>>,
    tags: Option<Setting<bool>>,
    secret_file: Option<Setting<PathBuf>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cloudflare,
    CloudFront,
    Fastly,
    SurrogateKeys,
}

impl CdnSettings {
    pub(super) fn resolve(
        pick: &Pick<'_>,
        given: &ServeArguments,
        file: &File,
    ) -> Result<Option<CdnSettings>, Failure> {
        let (given, file) = (given.cdn.clone(), file.cdn.clone().unwrap_or_default());
        let purge = pick.any("cdn_purge", given.cdn_purge, None, file.purge);
        let zone = pick.any("cdn_zone", given.cdn_zone, None, file.zone);
        let url = pick.any("cdn_url", given.cdn_url, None, file.url);
        let site = pick.any("cdn_site", given.cdn_site, None, file.site);
        let plan = pick.any("cdn_plan", given.cdn_plan, None, file.plan);
        let tags = pick.any("cdn_tags", given.cdn_tags, None, file.tags);
        let secret_file =
            pick.any("cdn_secret_file", given.cdn_secret_file, None, file.secret_file);
        let Some(Setting { value, from }) = purge else {
            let alone = [
                ("cdn-zone", zone.is_some()),
                ("cdn-url", url.is_some()),
                ("cdn-site", site.is_some()),
                ("cdn-plan", plan.is_some()),
                ("cdn-tags", tags.is_some()),
                ("cdn-secret-file", secret_file.is_some()),
            ];
            return match alone.into_iter().find(|(_, set)| *set) {
                Some((name, _)) => Err(Failure::usage(format!(
                    "{name} is set and cdn-purge is not: add --cdn-purge with {KINDS}"
                ))),
                None => Ok(None),
            };
        };
        let purge = Setting { value: Kind::parse(&value)?, from };
        // It is not in the error, since it may hold a secret; no more than in what is printed.
        if url.as_ref().is_some_and(|url| url.value.contains(['@', '?', '#'])) {
            return Err(Failure::usage(
                "cdn-url has a user or a question mark: write it like https://host/path, and give a \
                 token by PERFKIT_CDN_TOKEN or --cdn-secret-file",
            ));
        }
        Ok(Some(CdnSettings { purge, zone, url, site, plan, tags, secret_file }))
    }

    /// Starts what tells it.
    ///
    /// # Errors
    ///
    /// Whatever is missing, or cannot be, as a wrong setting.
    pub(crate) fn open(&self) -> Result<CdnConfig, Failure> {
        self.open_with(|name| std::env::var(name).ok())
    }

    fn open_with(&self, variable: impl Fn(&str) -> Option<String>) -> Result<CdnConfig, Failure> {
        let wrong = |error: perf_cache::ConfigError| Failure::usage(format!("cdn: {error}"));
        self.check()?;
        let secrets = self.secrets(variable)?;
        let token = || {
            secrets.first().cloned().ok_or_else(|| {
                Failure::usage(
                    "cdn-purge needs a token: set PERFKIT_CDN_TOKEN or --cdn-secret-file",
                )
            })
        };
        let zone = || {
            self.zone.as_ref().map(|zone| zone.value.clone()).ok_or_else(|| {
                Failure::usage(format!("cdn-purge is {}: add --cdn-zone", self.purge.value))
            })
        };
        let url = self.url.as_ref().map(|url| url.value.clone());
        let purger = match self.purge.value {
            Kind::Cloudflare => {
                let mut service = Cloudflare::builder(zone()?, token()?).plan(self.plan()?);
                if let Some(url) = url {
                    service = service.base_url(url);
                }
                Purger::builder(service.build().map_err(wrong)?)
            }
            Kind::CloudFront => {
                let [access, secret, rest @ ..] = &secrets[..] else {
                    return Err(Failure::usage(
                        "cdn-purge is cloudfront: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
                         --cdn-secret-file",
                    ));
                };
                let tags = self.tags.as_ref().is_some_and(|tags| tags.value);
                let builder = CloudFront::builder(zone()?, access.as_str(), secret.as_str());
                let mut service = builder.tags(tags);
                if let Some(session) = rest.first() {
                    service = service.session_token(session.as_str());
                }
                if let Some(url) = url {
                    service = service.base_url(url);
                }
                Purger::builder(service.build().map_err(wrong)?)
            }
            Kind::Fastly => {
                let mut service = SurrogateKeys::fastly(zone()?, token()?);
                if let Some(url) = url {
                    service = service.base_url(url);
                }
                Purger::builder(service.build().map_err(wrong)?)
            }
            Kind::SurrogateKeys => {
                let url = url.ok_or_else(|| {
                    Failure::usage("cdn-purge is surrogate-keys: add --cdn-url with its address")
                })?;
                let mut service = SurrogateKeys::varnish(url);
                if let Some(token) = secrets.first() {
                    service =
                        service.header("Authorization", Secret::new(format!("Bearer {token}")));
                }
                Purger::builder(service.build().map_err(wrong)?)
            }
        };
        let config = CdnConfig::new(Arc::new(purger.build().map_err(wrong)?));
        match &self.site {
            Some(site) => config.site(&site.value).map_err(wrong),
            None => Ok(config),
        }
    }

    /// Whether it can be as a whole.
    fn check(&self) -> Result<(), Failure> {
        let kind = self.purge.value;
        let without_effect = [
            ("cdn-zone", self.zone.is_some() && kind == Kind::SurrogateKeys),
            ("cdn-plan", self.plan.is_some() && kind != Kind::Cloudflare),
            ("cdn-tags", self.tags.is_some() && kind != Kind::CloudFront),
        ];
        if let Some((name, _)) = without_effect.into_iter().find(|(_, is_set)| *is_set) {
            return Err(Failure::usage(format!(
                "{name} is set and means nothing to {kind}: leave it out"
            )));
        }
        let is_https = match &self.url {
            Some(url) => url.value.starts_with("https:"),
            None => kind != Kind::SurrogateKeys,
        };
        if is_https && cfg!(not(feature = "cdn-tls")) {
            return Err(Failure::usage(format!(
                "cdn-purge is {kind}, over HTTPS: this program was built without it: build it with \
                 `cargo install perfkit-cli --features cdn-tls`"
            )));
        }
        Ok(())
    }

    /// The lines of the file, or what the environment has.
    fn secrets(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Vec<String>, Failure> {
        if let Some(file) = &self.secret_file {
            return read(&file.value);
        }
        let names: &[&str] = match self.purge.value {
            Kind::CloudFront => {
                &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
            }
            _ => &["PERFKIT_CDN_TOKEN"],
        };
        Ok(names.iter().map_while(|name| variable(name).filter(|text| !text.is_empty())).collect())
    }

    fn plan(&self) -> Result<CloudflarePlan, Failure> {
        match self.plan.as_ref().map(|plan| plan.value.as_str()) {
            None | Some("free") => Ok(CloudflarePlan::Free),
            Some("pro") => Ok(CloudflarePlan::Pro),
            Some("business") => Ok(CloudflarePlan::Business),
            Some("enterprise") => Ok(CloudflarePlan::Enterprise),
            Some(other) => Err(Failure::usage(format!(
                "cdn-plan is {other:?}: use free, pro, business or enterprise"
            ))),
        }
    }

    /// The table of the file, without secrets.
    pub(super) fn write(&self, text: &mut String) {
        let mut line = |name: &str, value: Option<String>, from: Option<super::Source>| {
            if let (Some(value), Some(from)) = (value, from) {
                let _ = writeln!(text, "{:<44} # {from}", format!("{name} = {value}"));
            }
        };
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let of = |setting: &Option<Setting<String>>| {
            (setting.as_ref().map(|s| quoted(&s.value)), setting.as_ref().map(|s| s.from))
        };
        let purge = quoted(&self.purge.value.to_string());
        line("purge", Some(purge), Some(self.purge.from));
        for (name, setting) in
            [("zone", &self.zone), ("url", &self.url), ("site", &self.site), ("plan", &self.plan)]
        {
            let (value, from) = of(setting);
            line(name, value, from);
        }
        let tags = self.tags.as_ref();
        line("tags", tags.map(|tags| tags.value.to_string()), tags.map(|tags| tags.from));
        let file = self.secret_file.as_ref();
        let path = file.map(|file| quoted(&file.value.display().to_string()));
        line("secret-file", path, file.map(|file| file.from));
    }
}

fn read(path: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let remedy = "name a file that this user may read";
        Failure::usage(format!(
            "cdn-secret-file: {} cannot be read: {error}: {remedy}",
            path.display()
        ))
    })?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect())
}

impl Kind {
    fn parse(name: &str) -> Result<Kind, Failure> {
        let all = [Kind::Cloudflare, Kind::CloudFront, Kind::Fastly, Kind::SurrogateKeys];
        all.into_iter()
            .find(|kind| kind.to_string() == name)
            .ok_or_else(|| Failure::usage(format!("cdn-purge is {name:?}: use {KINDS}")))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Cloudflare => "cloudflare",
            Kind::CloudFront => "cloudfront",
            Kind::Fastly => "fastly",
            Kind::SurrogateKeys => "surrogate-keys",
        })
    }
}

const KINDS: &str = "cloudflare, cloudfront, fastly or surrogate-keys";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Source;

    fn settings(purge: Kind, url: Option<&str>, zone: Option<&str>) -> CdnSettings {
        let of = |text: &str| Setting { value: text.to_owned(), from: Source::Flag };
        CdnSettings {
            purge: Setting { value: purge, from: Source::Flag },
            zone: zone.map(of),
            url: url.map(of),
            site: None,
            plan: None,
            tags: None,
            secret_file: None,
        }
    }

    fn wrong(settings: &CdnSettings, token: Option<&str>) -> String {
        settings.open_with(|_| token.map(str::to_owned)).unwrap_err().to_string()
    }

    #[test]
    fn what_is_missing_is_named_and_secrets_are_not() {
        let here = Some("http://127.0.0.1:1");
        assert!(wrong(&settings(Kind::Cloudflare, here, Some("z")), None).contains("CDN_TOKEN"));
        assert!(wrong(&settings(Kind::Cloudflare, here, None), Some("t")).contains("--cdn-zone"));
        assert!(wrong(&settings(Kind::CloudFront, here, Some("E1")), None).contains("AWS_ACCESS"));
        assert!(wrong(&settings(Kind::SurrogateKeys, None, None), None).contains("--cdn-url"));
        let split = wrong(&settings(Kind::Fastly, here, Some("s")), Some("hunter2\nx"));
        assert!(!split.contains("hunter2"), "{split}");
        let mut plan = settings(Kind::Cloudflare, here, Some("z"));
        plan.plan = Some(Setting { value: "gold".into(), from: Source::File });
        assert!(wrong(&plan, Some("t")).contains("enterprise"));
        for kind in [Kind::Cloudflare, Kind::CloudFront, Kind::Fastly, Kind::SurrogateKeys] {
            assert_eq!(Kind::parse(&kind.to_string()).unwrap(), kind);
            let zone = Some("z1").filter(|_| kind != Kind::SurrogateKeys);
            settings(kind, here, zone).open_with(|_| Some("t".into())).unwrap();
        }
        let idle = wrong(&settings(Kind::SurrogateKeys, here, Some("z1")), None);
        assert!(idle.contains("cdn-zone is set"), "{idle}");
        #[cfg(not(feature = "cdn-tls"))]
        assert!(wrong(&settings(Kind::Fastly, None, Some("s")), Some("t")).contains("cdn-tls"));
        assert!(Kind::parse("akamai").unwrap_err().to_string().contains("surrogate-keys"));
    }

    #[test]
    fn secrets_come_from_the_file_before_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "AKID\n secret \n\n").unwrap();
        let mut settings = settings(Kind::CloudFront, Some("http://127.0.0.1:1"), Some("E1"));
        settings.secret_file = Some(Setting { value: path, from: Source::File });
        assert_eq!(settings.secrets(|_| None).unwrap(), ["AKID", "secret"]);
        settings.open_with(|_| None).unwrap();
        settings.secret_file = Some(Setting { value: folder.path().into(), from: Source::File });
        assert!(wrong(&settings, None).contains("cdn-secret-file"));
    }
}
