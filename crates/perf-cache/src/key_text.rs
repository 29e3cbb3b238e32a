//! Keys that can be written as text, for patterns and namespaces.

use std::borrow::Cow;
use std::sync::Arc;

/// A key with a text form: what patterns are compared with, and what names a dependency.
///
/// Two keys that are equal must have the same text. Different keys may share one; then what
/// invalidates one invalidates the other. Like `Eq`, it may be called under a lock of the cache, so
/// it must not use the cache.
///
/// Texts and numbers have it, and tuples of up to four parts, joined by `:`, so that
/// `("users", 7)` is in the namespace `users` as `"users:7"` is. For a type of your own:
///
/// ```
/// use perf_cache::KeyText;
/// use std::borrow::Cow;
///
/// #[derive(PartialEq, Eq, Hash)]
/// struct PageKey {
///     site: String,
///     number: u32,
/// }
///
/// impl KeyText for PageKey {
///     fn key_text(&self) -> Cow<'_, str> {
///         format!("{}:{}", self.site, self.number).into()
///     }
/// }
///
/// assert_eq!(PageKey { site: "docs".to_owned(), number: 3 }.key_text(), "docs:3");
/// assert_eq!(("docs", 3).key_text(), "docs:3");
/// ```
pub trait KeyText {
    /// The key as text. Borrowed where the key is text, which costs nothing.
    fn key_text(&self) -> Cow<'_, str>;
}

impl KeyText for str {
    fn key_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl KeyText for String {
    fn key_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl KeyText for Cow<'_, str> {
    fn key_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<T: KeyText + ?Sized> KeyText for $pointer {
            fn key_text(&self) -> Cow<'_, str> {
                (**self).key_text()
            }
        }
    )*};
}

pointers!(&T, Box<T>, Arc<T>);

macro_rules! displayed {
    ($($number:ty),*) => {$(
        impl KeyText for $number {
            fn key_text(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }
        }
    )*};
}

displayed!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, char, bool);

macro_rules! tuples {
    ($($name:ident)*) => {
        impl<$($name: KeyText),*> KeyText for ($($name,)*) {
            fn key_text(&self) -> Cow<'_, str> {
                #[expect(non_snake_case, reason = "a variable is called like its type")]
                let ($($name,)*) = self;
                Cow::Owned([$($name.key_text()),*].join(":"))
            }
        }
    };
}

tuples!(A B);
tuples!(A B C);
tuples!(A B C D);

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: &impl KeyText) -> String {
        key.key_text().into_owned()
    }

    #[test]
    fn the_same_text_in_any_pointer_is_the_same() {
        let arc: Arc<str> = Arc::from("users:7");
        let boxed: Box<str> = Box::from("users:7");
        let texts = [
            text(&"users:7"),
            text(&"users:7".to_owned()),
            text(&arc),
            text(&boxed),
            text(&Cow::Borrowed("users:7")),
            text(&("users", 7_u8)),
            text(&("users".to_owned(), 7_i64)),
        ];
        assert!(texts.iter().all(|text| text == "users:7"), "{texts:?}");
        assert_eq!(text(&("a", 1, true, 'x')), "a:1:true:x");
    }

    #[test]
    fn text_is_borrowed_where_the_key_is_text() {
        assert!(matches!("a".to_owned().key_text(), Cow::Borrowed("a")));
    }
}
