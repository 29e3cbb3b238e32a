//! Values that only those can read who have the key.

use perf_cache::codec::{Cipher, KeyRing, Meta, OpenError, Pipeline, RawBytes, SecretKey};
use std::collections::HashSet;

const CIPHERS: [Cipher; 2] = [Cipher::Aes256Gcm, Cipher::XChaCha20Poly1305];

fn secret(byte: u8) -> SecretKey {
    SecretKey::new([byte; 32])
}

fn pipeline(keys: &KeyRing) -> Pipeline<String> {
    Pipeline::builder(RawBytes).keys(keys.clone()).build().unwrap()
}

fn seal(pipeline: &Pipeline<String>) -> Vec<u8> {
    pipeline.seal(b"key", "space", &"the secret".to_owned(), &Meta::new(5), None).unwrap()
}

#[test]
fn a_value_opens_in_its_own_place_only() {
    for cipher in CIPHERS {
        let pipeline = pipeline(&KeyRing::new(1, cipher, secret(1)));
        let sealed = seal(&pipeline);
        assert_eq!(pipeline.open(b"key", "space", &sealed).unwrap().0, "the secret");
        for (key, namespace) in
            [("kez", "space"), ("key", "spacf"), ("ykey", "space"), ("eky", "spacek"), ("", "")]
        {
            let error = pipeline.open(key.as_bytes(), namespace, &sealed).unwrap_err();
            assert!(matches!(error, OpenError::Unauthentic), "{key} {namespace}: {error}");
        }
        assert_eq!(pipeline.stats().undecodable.unauthentic, 5);
    }
}

#[test]
fn what_was_sealed_does_not_show() {
    for cipher in CIPHERS {
        let pipeline = pipeline(&KeyRing::new(1, cipher, secret(1)));
        let sealed: HashSet<Vec<u8>> = (0..100).map(|_| seal(&pipeline)).collect();
        assert_eq!(sealed.len(), 100, "nonces repeat");
        for sealed in sealed {
            assert!(!sealed.windows(6).any(|bytes| bytes == b"secret"));
        }
    }
}

#[test]
fn keys_turn_while_values_are_about() {
    for (old_cipher, new_cipher) in [(CIPHERS[0], CIPHERS[1]), (CIPHERS[1], CIPHERS[0])] {
        let keys = KeyRing::new(1, old_cipher, secret(1));
        let pipeline = pipeline(&keys);
        let old = seal(&pipeline);
        keys.rotate(2, new_cipher, secret(2)).unwrap();
        let new = seal(&pipeline);
        assert_eq!((keys.current(), keys.sealed_with_current()), (2, 1));
        for sealed in [&old, &new] {
            assert_eq!(pipeline.open(b"key", "space", sealed).unwrap().0, "the secret");
        }
        keys.retire(1).unwrap();
        let error = pipeline.open(b"key", "space", &old).unwrap_err();
        assert!(matches!(error, OpenError::UnknownKey { id: 1 }), "{error}");
        assert!(pipeline.open(b"key", "space", &new).is_ok());
        assert_eq!(pipeline.stats().undecodable.unknown_key, 1);
    }
}

#[test]
fn another_key_of_the_same_number_opens_nothing() {
    for cipher in CIPHERS {
        let sealed = seal(&pipeline(&KeyRing::new(1, cipher, secret(1))));
        let other = pipeline(&KeyRing::new(1, cipher, secret(2)));
        assert!(matches!(other.open(b"key", "space", &sealed), Err(OpenError::Unauthentic)));
    }
    let sealed = seal(&pipeline(&KeyRing::new(1, CIPHERS[0], secret(1))));
    let other = pipeline(&KeyRing::new(1, CIPHERS[1], secret(1)));
    assert!(matches!(other.open(b"key", "space", &sealed), Err(OpenError::UnknownKey { id: 1 })));
    let none: Pipeline<String> = Pipeline::new(RawBytes);
    assert!(matches!(none.open(b"key", "space", &sealed), Err(OpenError::UnknownKey { id: 1 })));
}

#[test]
fn a_value_without_a_cipher_is_not_taken_for_one_with() {
    let plain = seal(&Pipeline::new(RawBytes));
    let keys = KeyRing::new(1, CIPHERS[0], secret(1));
    let strict = pipeline(&keys);
    assert!(matches!(strict.open(b"key", "space", &plain), Err(OpenError::NotEncrypted)));
    assert_eq!(strict.stats().undecodable.not_encrypted, 1);
    let lenient = Pipeline::builder(RawBytes).keys(keys).accept_unencrypted(true).build().unwrap();
    let opened: String = lenient.open(b"key", "space", &plain).unwrap().0;
    assert_eq!(opened, "the secret");
}

#[test]
fn a_ring_says_what_it_cannot_do() {
    let keys = KeyRing::new(1, CIPHERS[0], secret(1));
    keys.add(3, CIPHERS[1], secret(3)).unwrap();
    let said = |result: Result<(), perf_cache::ConfigError>| result.unwrap_err().to_string();
    assert_eq!(said(keys.add(3, CIPHERS[0], secret(4))), "`key` cannot be 3: that number is taken");
    assert_eq!(said(keys.retire(1)), "`key` cannot be 1: rotate to another key first");
    assert_eq!(said(keys.use_key(9)), "`key` cannot be 9: there is none of that number");
    assert_eq!(keys.current(), 1);
    keys.use_key(3).unwrap();
    keys.retire(1).unwrap();
    assert_eq!(keys.current(), 3);
    for id in 100..355 {
        keys.add(id, CIPHERS[0], secret(0)).unwrap();
    }
    assert!(keys.rotate(999, CIPHERS[0], secret(0)).is_err());
    assert_eq!(keys.current(), 3);
    let short = SecretKey::from_slice(&[1; 31]).unwrap_err().to_string();
    assert_eq!(short, "`key` cannot be 31 bytes long: it takes 32 random bytes");
    assert!(SecretKey::from_slice(&[1; 32]).is_ok());
}

#[test]
fn keys_are_never_shown() {
    let key = SecretKey::new(*b"0123456789abcdef0123456789ABCDEF");
    let shown = format!("{key:?}");
    let keys = KeyRing::new(7, CIPHERS[0], key);
    let pipeline: Pipeline<String> =
        Pipeline::builder(RawBytes).keys(keys.clone()).build().unwrap();
    let shown = format!("{shown} {keys:?} {pipeline:?}");
    assert!(shown.contains("SecretKey(..)") && shown.contains("KeyRing { current: 7, ids: [7] }"));
    for hidden in ["0123", "48, 49", "30, 31", "0x30"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}
