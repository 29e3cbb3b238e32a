//! The dashboard's files: part of the program, hashed and compressed once at the start.
//!
//! Each file is served under two names. `/assets/app/main.js` is its own and is asked for again
//! each time; `/assets/app/main.<hash>.js` names the content and never changes, so a browser keeps
//! it for a year. The page names files by content, in its tags and in its import map, and modules
//! import each other only through that map: so the page is all that has to be rewritten.

mod answer;
mod page;

use bytes::Bytes;
use http::HeaderValue;
use std::collections::HashMap;
use std::io::Write as _;
use xxhash_rust::xxh3::xxh3_64;

/// All files of the dashboard.
#[derive(Debug)]
pub(crate) struct Assets {
    by_path: HashMap<String, usize>,
    /// Paths that name the content.
    hashed: HashMap<String, usize>,
    files: Vec<Asset>,
    page: Option<usize>,
    content_security_policy: HeaderValue,
}

/// One file.
#[derive(Debug)]
struct Asset {
    media_type: &'static str,
    hash: String,
    plain: Bytes,
    brotli: Option<Bytes>,
}

impl Assets {
    /// The files that came with the program.
    pub(crate) fn embedded() -> Assets {
        Assets::of(include!(concat!(env!("OUT_DIR"), "/dashboard.rs")))
    }

    /// These files, by their path below the dashboard's folder.
    fn of(files: &[(&str, &[u8])]) -> Assets {
        // What refers to others comes after them: images and fonts, style sheets, scripts, pages.
        let mut order: Vec<_> = files.iter().collect();
        order.sort_by_key(|(path, _)| (rank(path), *path));

        let mut assets = Assets {
            by_path: HashMap::new(),
            hashed: HashMap::new(),
            files: Vec::new(),
            page: None,
            content_security_policy: page::policy(""),
        };
        let mut names: Vec<(String, String)> = Vec::new();
        for (path, content) in order {
            let content = if rank(path) > 0 {
                page::rename(&String::from_utf8_lossy(content), &names).into_bytes()
            } else {
                content.to_vec()
            };
            let asset = Asset::new(path, content);
            let index = assets.files.len();
            if *path == "index.html" {
                assets.page = Some(index);
                assets.content_security_policy =
                    page::policy(&String::from_utf8_lossy(&asset.plain));
            } else {
                let own = format!("/assets/{path}");
                let by_content = with_hash(&own, &asset.hash);
                assets.by_path.insert(own.clone(), index);
                assets.hashed.insert(by_content.clone(), index);
                names.push((own, by_content));
            }
            assets.files.push(asset);
        }
        assets
    }

    /// The policy that lets the page run its own files and nothing else.
    pub(crate) fn content_security_policy(&self) -> &HeaderValue {
        &self.content_security_policy
    }

    fn find(&self, path: &str) -> Option<(&Asset, Kept)> {
        if let Some(index) = self.hashed.get(path) {
            return Some((&self.files[*index], Kept::Forever));
        }
        self.by_path.get(path).map(|index| (&self.files[*index], Kept::AskAgain))
    }

    fn page(&self) -> Option<&Asset> {
        self.page.map(|index| &self.files[index])
    }
}

impl Asset {
    fn new(path: &str, content: Vec<u8>) -> Asset {
        let brotli = compress(&content).filter(|packed| packed.len() < content.len() * 9 / 10);
        Asset {
            media_type: media_type(path),
            hash: format!("{:016x}", xxh3_64(&content)),
            plain: Bytes::from(content),
            brotli: brotli.map(Bytes::from),
        }
    }
}

/// How long a browser may keep a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Forever,
    AskAgain,
}

fn rank(path: &str) -> u8 {
    match extension(path) {
        "css" => 1,
        "js" | "mjs" => 2,
        "html" => 3,
        _ => 0,
    }
}

/// `/assets/app/main.js` and `0123` make `/assets/app/main.0123.js`.
fn with_hash(path: &str, hash: &str) -> String {
    let file = path.rfind('/').map_or(0, |slash| slash + 1);
    match path[file..].rfind('.') {
        Some(dot) => format!("{}.{hash}{}", &path[..file + dot], &path[file + dot..]),
        None => format!("{path}.{hash}"),
    }
}

fn compress(content: &[u8]) -> Option<Vec<u8>> {
    let mut packed = Vec::new();
    {
        let mut writer = brotli::CompressorWriter::new(&mut packed, 32 * 1024, QUALITY, 22);
        writer.write_all(content).ok()?;
    }
    Some(packed)
}

/// 9 of 11: the last two levels save 3 % and cost ten times the start-up.
const QUALITY: u32 = 9;

fn extension(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn media_type(path: &str) -> &'static str {
    match extension(path) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_own_name_and_one_by_content() {
        let assets = Assets::of(&[("app/main.js", b"export default 1;")]);
        let hash = format!("{:016x}", xxh3_64(b"export default 1;"));
        let (_, kept) = assets.find("/assets/app/main.js").unwrap();
        assert_eq!(kept, Kept::AskAgain);
        let (asset, kept) = assets.find(&format!("/assets/app/main.{hash}.js")).unwrap();
        assert_eq!(kept, Kept::Forever);
        assert_eq!(asset.media_type, "text/javascript; charset=utf-8");
        assert!(assets.find("/assets/app/main.0000000000000000.js").is_none());
        assert!(assets.find("/assets/../Cargo.toml").is_none());
    }

    #[test]
    fn the_page_names_files_by_content() {
        let assets = Assets::of(&[
            (
                "index.html",
                br#"<script type="importmap">{"imports":{"m":"/assets/m.js"}}</script>"#,
            ),
            ("m.js", b"export default 1;"),
        ]);
        let page = String::from_utf8(assets.page().unwrap().plain.to_vec()).unwrap();
        let hash = format!("{:016x}", xxh3_64(b"export default 1;"));
        assert!(page.contains(&format!("\"/assets/m.{hash}.js\"")), "{page}");
        assert!(assets.find("/assets/index.html").is_none(), "the page has no other name");
    }

    #[test]
    fn a_style_sheet_that_names_an_image_changes_with_it() {
        let css = br#"a { background: url("/assets/a.svg") }"#;
        let hash = |image: &[u8]| {
            let assets = Assets::of(&[("a.svg", image), ("style.css", css)]);
            assets.find("/assets/style.css").unwrap().0.hash.clone()
        };
        assert_ne!(hash(b"<svg/>"), hash(b"<svg></svg>"));
    }

    #[test]
    fn names_without_an_extension_take_the_hash_at_the_end() {
        assert_eq!(with_hash("/assets/v.1/LICENSES", "77"), "/assets/v.1/LICENSES.77");
        assert_eq!(with_hash("/assets/a.min.js", "77"), "/assets/a.min.77.js");
    }
}
