//! The secret that allows changes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;

/// A bearer token: whoever shows it may change state.
///
/// A generated token has 256 bits from the operating system. Comparison takes the same time
/// whichever byte differs. `Debug` never shows the secret; [`reveal`](Token::reveal) does.
///
/// ```
/// use perf_server::Token;
/// let token: Token = "correct-horse-battery".parse().unwrap();
/// assert_eq!(format!("{token:?}"), "Token(..)");
/// assert!("short".parse::<Token>().is_err());
/// ```
#[derive(Clone)]
pub struct Token(Box<str>);

impl Token {
    /// A fresh token of 256 random bits, as 43 characters of base64url.
    ///
    /// # Errors
    ///
    /// The operating system's source of randomness failed.
    pub fn generate() -> std::io::Result<Token> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(Token(URL_SAFE_NO_PAD.encode(bytes).into_boxed_str()))
    }

    /// The secret itself, to be shown to its owner once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether somebody who says `offered` knows the token. Constant time for equal lengths.
    #[must_use]
    pub fn matches(&self, offered: &str) -> bool {
        self.0.as_bytes().ct_eq(offered.as_bytes()).into()
    }
}

impl FromStr for Token {
    type Err = ParseTokenError;

    /// A token of one's own: 16 to 512 characters that stand in a header and in an
    /// address without escaping.
    fn from_str(text: &str) -> Result<Token, ParseTokenError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        if let Some(bad) = text.chars().find(|c| !plain(*c)) {
            return Err(ParseTokenError::Character(bad));
        }
        if !(SHORTEST..=LONGEST).contains(&text.len()) {
            return Err(ParseTokenError::Length(text.len()));
        }
        Ok(Token(text.into()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A text that cannot serve as a token. The text itself is not repeated, it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseTokenError {
    /// It has this many characters.
    Length(usize),
    /// It has this character.
    Character(char),
}

impl fmt::Display for ParseTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseTokenError::Length(length) => write!(
                f,
                "a token of {length} characters is refused: use {SHORTEST} to {LONGEST}, such as \
                 the output of `openssl rand -hex 32`"
            ),
            ParseTokenError::Character(c) => write!(
                f,
                "a token with {c:?} is refused: use letters, digits and any of - . _ ~ + / ="
            ),
        }
    }
}

impl std::error::Error for ParseTokenError {}

const SHORTEST: usize = 16;
const LONGEST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_tokens_have_256_bits_and_differ() {
        let (one, two) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert_eq!(URL_SAFE_NO_PAD.decode(one.reveal()).unwrap().len(), 32);
        assert!(!one.matches(two.reveal()));
        assert!(one.matches(one.reveal()));
        assert!(!one.matches(&one.reveal()[..42]));
        assert!(!one.matches(""));
    }

    #[test]
    fn refusals_say_what_would_do_and_never_repeat_the_secret() {
        for bad in ["", "fifteen-letters", "sixteen letters and a space", "ümlautümlautümlaut"] {
            let error = bad.parse::<Token>().unwrap_err().to_string();
            assert!(error.contains("use "), "{error}");
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
        assert!("x".repeat(513).parse::<Token>().is_err());
        assert!("sixteen-letters!".parse::<Token>().is_err());
        assert!("sixteen-letters.".parse::<Token>().is_ok());
    }
}
