//! The page: which files it names, and what it allows itself to run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use sha2::{Digest as _, Sha256};

/// Replaces each quoted name by the name of its content.
pub(super) fn rename(text: &str, names: &[(String, String)]) -> String {
    let mut text = text.to_owned();
    for (own, by_content) in names {
        for quote in ['"', '\''] {
            text = text
                .replace(&format!("{quote}{own}{quote}"), &format!("{quote}{by_content}{quote}"));
        }
    }
    text
}

/// A policy under which a page runs the files of this server and its own inline scripts, known by
/// their hashes, and nothing else.
pub(super) fn policy(page: &str) -> HeaderValue {
    let mut scripts = String::new();
    for script in inline_scripts(page) {
        scripts.push_str(&format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script))));
    }
    let policy = format!(
        "default-src 'none'; script-src 'self'{scripts}; style-src 'self'; connect-src 'self'; \
         img-src 'self' data:; font-src 'self'; manifest-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("base64 and ASCII are visible")
}

/// The text of each script that stands in the page itself, such as the import map.
fn inline_scripts(page: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find("<script") {
        rest = &rest[start..];
        let (Some(open), Some(close)) = (rest.find('>'), rest.find("</script>")) else {
            break;
        };
        if open < close && !rest[..open].contains(" src=") {
            found.push(&rest[open + 1..close]);
        }
        rest = &rest[close + "</script>".len()..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_scripts_are_allowed_by_their_hash_and_files_are_not_hashed() {
        let page = r#"<script type="importmap">{"imports":{}}</script>
            <script type="module" src="/assets/main.js"></script>"#;
        let policy = policy(page);
        let policy = policy.to_str().unwrap();
        assert_eq!(policy.matches("sha256-").count(), 1, "{policy}");
        let hash = STANDARD.encode(Sha256::digest(r#"{"imports":{}}"#));
        assert!(policy.contains(&format!("script-src 'self' 'sha256-{hash}';")), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn only_whole_quoted_names_are_replaced() {
        let names = [("/assets/a.js".to_owned(), "/assets/a.1.js".to_owned())];
        assert_eq!(
            rename(r#""/assets/a.js" '/assets/a.js' "/assets/a.js.map" /assets/a.js"#, &names),
            r#""/assets/a.1.js" '/assets/a.1.js' "/assets/a.js.map" /assets/a.js"#
        );
    }

    #[test]
    fn a_page_cut_short_does_no_harm() {
        for page in ["<script", "<script>", "<script type=x>{}", "</script><script>a"] {
            assert!(inline_scripts(page).is_empty(), "{page}");
        }
    }
}
