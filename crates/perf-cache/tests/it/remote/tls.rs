//! The same over TLS, with certificates that each test has made for itself.

use super::nodes::Nodes;
use super::server::{Server, free_port};
use super::{PATIENCE, over};
use crate::tiered::text;
use perf_cache::remote::{RedisTier, RedisTierBuilder, RemoteError};
use perf_cache::tiered::{OuterTier, TierError};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who signs, and what it has signed.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Authority {
        let authority = Authority { folder: tempfile::tempdir().unwrap() };
        authority.openssl(&["req", "-x509", "-subj", "/CN=authority", "-days", "2"], "ca", "crt");
        authority
    }

    fn openssl(&self, what: &[&str], name: &str, extension: &str) {
        let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let output = Command::new("openssl")
            .args(what)
            .args(new_key)
            .arg("-keyout")
            .arg(self.file(&format!("{name}.key")))
            .arg("-out")
            .arg(self.file(&format!("{name}.{extension}")))
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Signs a certificate for the holder of a new key.
    fn sign(&self, name: &str, says: &str) {
        self.openssl(&["req", "-subj", &format!("/CN={name}")], name, "csr");
        fs::write(self.file("extensions"), says).unwrap();
        let output = Command::new("openssl")
            .args(["x509", "-req", "-days", "2", "-CAcreateserial"])
            .args([Path::new("-in"), &self.file(&format!("{name}.csr"))])
            .args([Path::new("-CA"), &self.file("ca.crt")])
            .args([Path::new("-CAkey"), &self.file("ca.key")])
            .args([Path::new("-extfile"), &self.file("extensions")])
            .args([Path::new("-out"), &self.file(&format!("{name}.crt"))])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn pem(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }
}

/// A server that speaks TLS on another port, which is answered as well.
fn start(authority: &Authority, asks_who: &str) -> Option<(Server, u16)> {
    authority.sign("server", "subjectAltName=IP:127.0.0.1");
    let server = Server::start_with(|_| arguments(authority, asks_who))?;
    let port = server.argument("--tls-port").parse().unwrap();
    Some((server, port))
}

fn arguments(authority: &Authority, asks_who: &str) -> Vec<String> {
    let path = |name: &str| authority.file(name).to_str().unwrap().to_owned();
    let (certificate, key, ca) = (path("server.crt"), path("server.key"), path("ca.crt"));
    let pairs = [
        ("--tls-port", free_port().to_string()),
        ("--tls-cert-file", certificate),
        ("--tls-key-file", key),
        ("--tls-ca-cert-file", ca),
        ("--tls-auth-clients", asks_who.to_owned()),
    ];
    pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

fn patient(host: &str, port: u16) -> RedisTierBuilder {
    let url = format!("rediss://{host}:{port}");
    RedisTier::builder(url).deadline(PATIENCE).connect_timeout(PATIENCE)
}

fn works(tier: RedisTierBuilder) {
    let cache = over(tier).1.build().unwrap();
    let long = "1".repeat(100_000);
    cache.insert(text("a"), long.clone());
    assert_eq!(cache.get("a"), Some(long));
}

/// It is a miss, and it says that it is about who may speak to whom.
fn is_denied(tier: RedisTierBuilder) {
    let why = is_missed(tier);
    assert!(matches!(why, RemoteError::Denied { .. }), "{why:?}");
}

fn is_missed(tier: RedisTierBuilder) -> RemoteError {
    let (tier, builder, _hand) = over(tier);
    let error = tier.get(b"a", &mut Vec::new()).unwrap_err();
    let cache = builder.build().unwrap();
    assert_eq!(cache.get_with(text("a"), || text("made")), "made");
    let TierError::Failed { source, .. } = &error else { panic!("{error:?}") };
    source.downcast_ref::<RemoteError>().unwrap().clone()
}

#[test]
fn only_a_server_that_can_show_who_it_is_is_spoken_to() {
    let authority = Authority::new();
    let Some((_server, port)) = start(&authority, "no") else { return };
    works(patient("127.0.0.1", port).root_certificates(authority.pem("ca.crt")));
    is_denied(patient("127.0.0.1", port).root_certificates(Authority::new().pem("ca.crt")));
    // The system's, and another name than in the certificate.
    is_denied(patient("127.0.0.1", port));
    is_denied(patient("localhost", port).root_certificates(authority.pem("ca.crt")));
    let nonsense = patient("127.0.0.1", port).root_certificates("-----BEGIN CERTIFICATE-----\n!");
    assert!(nonsense.build().unwrap_err().to_string().contains("certificate"));
}

#[test]
fn a_server_that_asks_who_is_there_is_told() {
    let authority = Authority::new();
    let Some((_server, port)) = start(&authority, "yes") else { return };
    authority.sign("client", "extendedKeyUsage=clientAuth");
    let tier = || patient("127.0.0.1", port).root_certificates(authority.pem("ca.crt"));
    works(tier().client_certificate(authority.pem("client.crt"), authority.pem("client.key")));
    // The server may have hung up before its reason is read.
    is_missed(tier());
    let other = Authority::new();
    other.sign("client", "extendedKeyUsage=clientAuth");
    is_missed(tier().client_certificate(other.pem("client.crt"), other.pem("client.key")));
}

#[test]
fn all_nodes_of_a_cluster_can_show_who_they_are_and_are_told_who_asks() {
    let authority = Authority::new();
    authority.sign("server", "subjectAltName=IP:127.0.0.1");
    authority.sign("client", "extendedKeyUsage=clientAuth");
    let nodes = Nodes::start_with(3, |_| {
        // Or else they name the ports where they speak in the clear.
        let mut arguments = arguments(&authority, "yes");
        arguments.extend(["--tls-cluster", "yes"].map(str::to_owned));
        arguments
    });
    let Some(nodes) = nodes else { return };
    let tier = || {
        let url = format!("rediss://127.0.0.1:{}", nodes.all[0].argument("--tls-port"));
        RedisTier::cluster([url]).deadline(PATIENCE).connect_timeout(PATIENCE)
    };
    let known = || {
        tier()
            .root_certificates(authority.pem("ca.crt"))
            .client_certificate(authority.pem("client.crt"), authority.pem("client.key"))
    };
    is_denied(tier());
    works(known());
    let tier = known().build().unwrap();
    let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let keys: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
    assert!(tier.get_many(&keys).unwrap().iter().all(Option::is_none));
    assert_eq!(tier.stats().connects, 3);
}
