//! Signing of requests to AWS.
//!
//! Source: "AWS Signature Version 4 for API requests", IAM User Guide: a request is written in a
//! canonical form, its hash with time and scope becomes the string to sign, and that is signed with a
//! key derived from the secret key by date, region and service.

use super::secret::Secret;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Who signs.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    pub(super) access_key: String,
    pub(super) secret_key: Secret,
}

/// What is signed. Path and query are those that are sent, encoded; the query with its parts in
/// order. Headers have names in lower case, in order, and values without spaces at their ends.
pub(super) struct ToSign<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
    /// `20150830T123600Z`.
    pub(super) at: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl Credentials {
    /// The value of the header `Authorization`.
    pub(super) fn authorization(&self, request: &ToSign<'_>) -> String {
        let ToSign { method, path, query, headers, body, at, region, service } = *request;
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{}", hex_hash(body));
        let day = &at[..at.len().min(8)];
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let to_sign = format!("{ALGORITHM}\n{at}\n{scope}\n{}", hex_hash(canonical.as_bytes()));
        let key = self.key(day, region, service);
        let signature = hex(&keyed(&*key, to_sign.as_bytes()));
        let user = &self.access_key;
        format!(
            "{ALGORITHM} Credential={user}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
    }

    fn key(&self, day: &str, region: &str, service: &str) -> Zeroizing<[u8; 32]> {
        let first = Zeroizing::new(format!("AWS4{}", self.secret_key.reveal()));
        let mut key = Zeroizing::new(keyed(first.as_bytes(), day.as_bytes()));
        for part in [region, service, "aws4_request"] {
            *key = keyed(&*key, part.as_bytes());
        }
        key
    }
}

fn keyed(key: &[u8], text: &[u8]) -> [u8; 32] {
    // Any length will do for a key.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// The hash of some bytes in hexadecimal digits.
pub(super) fn hex_hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "20150830T123600Z";

    fn example() -> Credentials {
        Credentials {
            access_key: "AKIDEXAMPLE".into(),
            secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        }
    }

    fn signature(
        method: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        service: &str,
    ) -> String {
        let authorization = example().authorization(&ToSign {
            method,
            path: "/",
            query,
            headers,
            body,
            at: DATE,
            region: "us-east-1",
            service,
        });
        authorization.rsplit('=').next().unwrap().to_owned()
    }

    /// The key of the example in "Derive a signing key".
    #[test]
    fn the_key_is_that_of_the_documentation() {
        let key = example().key("20150830", "us-east-1", "iam");
        let known = "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9";
        assert_eq!(hex(&*key), known);
    }

    /// Of AWS's test suite `aws-sig-v4-test-suite`, by the names of its folders.
    #[test]
    fn signatures_are_those_of_the_published_suite() {
        let plain = [("host", "example.amazonaws.com"), ("x-amz-date", DATE)];
        let of = |method, query| signature(method, query, &plain, b"", "service");
        for (name, made, known) in [
            (
                "get-vanilla",
                of("GET", ""),
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "post-vanilla",
                of("POST", ""),
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "get-vanilla-query-order-key-case",
                of("GET", "Param1=value1&Param2=value2"),
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ] {
            assert_eq!(made, known, "{name}");
        }
        let form = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("host", "example.amazonaws.com"),
            ("x-amz-date", DATE),
        ];
        let made = signature("POST", "", &form, b"Param1=value1", "service");
        let known = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
        assert_eq!(made, known, "post-x-www-form-urlencoded");
    }

    /// The request of "Create a signed request": users of IAM.
    #[test]
    fn the_signature_is_that_of_the_documentation() {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", DATE),
        ];
        let made = signature("GET", "Action=ListUsers&Version=2010-05-08", &headers, b"", "iam");
        let known = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        assert_eq!(made, known);
    }
}
