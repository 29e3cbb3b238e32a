//! A site to serve: pages, style sheets and scripts of usual sizes, the same every time.

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};
use std::fmt::Write;
use std::path::Path;
use tempfile::TempDir;

/// A folder with a site, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Site {
    folder: TempDir,
    /// The paths of its files as they are asked for.
    pub(super) paths: Vec<String>,
    /// The bytes of all files.
    pub(super) bytes: u64,
}

impl Site {
    /// Two hundred files, 4 to 44 KB of markup, styles and scripts.
    pub(super) fn new() -> Result<Site> {
        let folder = tempfile::tempdir().context("no folder for the site")?;
        let mut site = Site { folder, paths: Vec::new(), bytes: 0 };
        for number in 0..FILES {
            let (name, text) = match number % 4 {
                0 => (format!("style{number}.css"), styles(number)),
                1 => (format!("script{number}.js"), script(number)),
                _ => (format!("page{number}.html"), page(number)),
            };
            std::fs::write(site.root().join(&name), &text)
                .with_context(|| format!("cannot write {name} of the site"))?;
            site.bytes += text.len() as u64;
            site.paths.push(format!("/{name}"));
        }
        Ok(site)
    }

    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }
}

const FILES: usize = 200;

/// Text as text is: a vocabulary of two thousand words, few of them often.
fn page(number: usize) -> String {
    let mut random = StdRng::seed_from_u64(SEED + number as u64);
    let choice = Zipf::new(VOCABULARY as f64, 1.0).expect("there are words");
    let mut text = format!("<!doctype html><html><head><title>Page {number}</title></head><body>");
    for _ in 0..10 + number % 40 {
        text.push_str("<p class=\"text\">");
        for _ in 0..60 {
            text.push_str(&word(choice.sample(&mut random) as u64));
            text.push(' ');
        }
        text.push_str("</p>\n");
    }
    text + "</body></html>"
}

/// The word of that rank: two to nine letters, the same every time.
fn word(rank: u64) -> String {
    let mut random = StdRng::seed_from_u64(rank);
    (0..random.random_range(2..10)).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect()
}

const VOCABULARY: usize = 2_000;
const SEED: u64 = 7;

fn styles(number: usize) -> String {
    (0..100 + number).fold(String::new(), |mut text, rule| {
        let size = (number * rule) % 97;
        let _ = writeln!(text, ".rule-{rule} {{ margin: {size}px; color: #{:06x}; }}", rule * 7919);
        text
    })
}

fn script(number: usize) -> String {
    (0..80 + number).fold(String::new(), |mut text, at| {
        let value = (number * 31 + at * at) % 9973;
        let _ =
            writeln!(text, "export function step{at}(input) {{ return input * {value} + {at}; }}");
        text
    })
}
