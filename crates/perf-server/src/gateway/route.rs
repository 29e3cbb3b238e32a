//! From a path to the route template under which it is measured.

use std::borrow::Cow;

/// The route of a path: few enough to measure by, telling enough to read.
///
/// A file is known by its first folder and its kind (`/std/vec/index.html` is `/std/*.html`).
/// Anything else keeps its words, and what looks like a name of one thing becomes `{id}`
/// (`/users/42/orders` is `/users/{id}/orders`); from the fifth part on the rest is `*`.
pub(super) fn template(path: &str) -> Cow<'static, str> {
    let trimmed = path.trim_matches('/');
    if trimmed.is_empty() {
        return Cow::Borrowed("/");
    }
    if let Some(extension) = extension(trimmed) {
        return Cow::Owned(match trimmed.split_once('/') {
            Some((first, _)) if first.len() <= LONGEST => {
                format!("/{}/*.{extension}", word(first))
            }
            Some(_) => format!("/{{id}}/*.{extension}"),
            None => format!("/*.{extension}"),
        });
    }
    let mut route = String::with_capacity(path.len());
    for (at, part) in trimmed.split('/').enumerate() {
        route.push('/');
        if at == DEEPEST {
            route.push('*');
            break;
        }
        route.push_str(word(part));
    }
    Cow::Owned(route)
}

/// Longer parts are taken for names of single things.
const LONGEST: usize = 24;
/// How many parts are kept.
const DEEPEST: usize = 4;

/// The part itself if it reads like a word of the site's structure.
fn word(part: &str) -> &str {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let plain = part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let version = part.len() <= 4 && part.starts_with('v') && digits + 1 == part.len();
    let slug = part.bytes().filter(|&b| b == b'-').count() > 2;
    if plain && part.len() <= LONGEST && !slug && (version || digits * 3 <= part.len()) {
        part
    } else {
        "{id}"
    }
}

/// The extension of a file name, if the last part of the path is one.
fn extension(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?;
    let (stem, extension) = name.rsplit_once('.')?;
    let fits = !stem.is_empty()
        && (1..=5).contains(&extension.len())
        && extension.bytes().all(|b| b.is_ascii_alphanumeric())
        && extension.bytes().any(|b| b.is_ascii_alphabetic());
    fits.then_some(extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_folder_and_kind() {
        for (path, route) in [
            ("/", "/"),
            ("/index.html", "/*.html"),
            ("/std/vec/struct.Vec.html", "/std/*.html"),
            ("/a1b2c3d4e5f60718293a4b5c6d7e8f90/app.js", "/{id}/*.js"),
            ("/static.files/main-0123abcd.css", "/static.files/*.css"),
        ] {
            assert_eq!(template(path), route, "{path}");
        }
    }

    #[test]
    fn names_of_single_things_become_id() {
        for (path, route) in [
            ("/users/42", "/users/{id}"),
            ("/users/42/orders/", "/users/{id}/orders"),
            ("/v1/items/550e8400-e29b-41d4-a716-446655440000", "/v1/items/{id}"),
            ("/blog/ten-ways-to-be-fast", "/blog/{id}"),
            ("/a/b/c/d/e/f", "/a/b/c/d/*"),
            ("/caf%C3%A9/menu", "/{id}/menu"),
        ] {
            assert_eq!(template(path), route, "{path}");
        }
    }
}
