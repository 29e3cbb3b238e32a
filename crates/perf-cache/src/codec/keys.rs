//! Keys, and what is done with them.

use super::header::{CIPHER_TAG, Cipher};
use super::wire::put_varint;
use super::{OpenError, SealError};
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use chacha20poly1305::XChaCha20Poly1305;
use perf_core::ConfigError;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

/// Keys that a ring holds.
const MAX_KEYS: usize = 256;
/// Values that may be sealed with one key and random nonces of 96 bits: then two have shared a nonce
/// with a probability below 2^-32.
///
/// Source: NIST SP 800-38D, section 8.3.
const GCM_VALUES: u64 = 1 << 32;

/// A key of 256 bits. Overwritten with zeros when it is dropped, and never shown.
///
/// What was used to make it, the array among others, is the caller's to overwrite.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// From 32 random bytes. A password is none: derive a key from it first.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> SecretKey {
        SecretKey(Zeroizing::new(bytes))
    }

    /// From a slice, as read from a file or an environment.
    ///
    /// # Errors
    ///
    /// Unless it has 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<SecretKey, ConfigError> {
        let mut key = SecretKey::new([0; 32]);
        if bytes.len() != key.0.len() {
            let length = format!("{} bytes long", bytes.len());
            return Err(ConfigError::new("key", length, "it takes 32 random bytes"));
        }
        key.0.copy_from_slice(bytes);
        Ok(key)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// Keys by number: the current one seals, and all of them open.
///
/// Clones are the same ring, so that keys can be turned while it is in use. To change a key, hand
/// every process the new one by [`add`](KeyRing::add), then [`rotate`](KeyRing::rotate), and
/// [`retire`](KeyRing::retire) the old one when what was sealed with it has expired.
///
/// ```
/// use perf_cache::codec::{Cipher, KeyRing, Meta, Pipeline, RawBytes, SecretKey};
///
/// let keys = KeyRing::new(1, Cipher::XChaCha20Poly1305, SecretKey::new([7; 32]));
/// let pipeline = Pipeline::builder(RawBytes).keys(keys.clone()).build()?;
/// let old = pipeline.seal(b"ann", "users", &"secret".to_owned(), &Meta::new(0), None)?;
///
/// keys.rotate(2, Cipher::XChaCha20Poly1305, SecretKey::new([8; 32]))?;
/// assert_eq!(pipeline.open(b"ann", "users", &old)?.0, "secret");
/// keys.retire(1)?;
/// assert!(pipeline.open(b"ann", "users", &old).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # How many values a key is good for
///
/// Nonces are random. With [`XChaCha20Poly1305`](Cipher::XChaCha20Poly1305) they have 192 bits and a
/// key need not be changed on their account. With [`Aes256Gcm`](Cipher::Aes256Gcm) they have 96, and
/// after 2^32 values two may have shared one with a probability of 2^-32, which would give both away:
/// at 1 000 values a second change the key every month. A ring refuses to seal more than that with
/// one key, [`SealError::KeyExhausted`]; but it cannot know what other processes, or this one before
/// it was restarted, have sealed with it.
#[derive(Clone)]
pub struct KeyRing {
    keys: Arc<RwLock<Arc<Keys>>>,
}

#[derive(Clone)]
struct Keys {
    current: usize,
    all: Vec<Arc<Key>>,
}

struct Key {
    id: u32,
    engine: Engine,
    sealed: AtomicU64,
}

/// Both overwrite their keys with zeros when they are dropped.
enum Engine {
    Aes256Gcm(Box<Aes256Gcm>),
    XChaCha20Poly1305(XChaCha20Poly1305),
}

impl KeyRing {
    /// A ring of one key, which is the current one.
    #[must_use]
    pub fn new(id: u32, cipher: Cipher, key: SecretKey) -> KeyRing {
        let all = vec![Arc::new(Key::new(id, cipher, &key))];
        KeyRing { keys: Arc::new(RwLock::new(Arc::new(Keys { current: 0, all }))) }
    }

    /// Adds a key that only opens.
    ///
    /// # Errors
    ///
    /// If there is another of that number, or 256 of them.
    pub fn add(&self, id: u32, cipher: Cipher, key: SecretKey) -> Result<(), ConfigError> {
        self.change(|keys| keys.push(Key::new(id, cipher, &key)))
    }

    /// Adds a key and makes it the current one.
    ///
    /// # Errors
    ///
    /// If there is another of that number, or 256 of them.
    pub fn rotate(&self, id: u32, cipher: Cipher, key: SecretKey) -> Result<(), ConfigError> {
        self.change(|keys| {
            keys.push(Key::new(id, cipher, &key))?;
            keys.current = keys.all.len() - 1;
            Ok(())
        })
    }

    /// Makes a key the current one that is in the ring.
    ///
    /// # Errors
    ///
    /// If there is none of that number.
    pub fn use_key(&self, id: u32) -> Result<(), ConfigError> {
        self.change(|keys| {
            keys.current = keys.place(id)?;
            Ok(())
        })
    }

    /// Takes a key out. What was sealed with it is not opened any more, and it is overwritten as
    /// soon as no thread uses it.
    ///
    /// # Errors
    ///
    /// If there is none of that number, or if it is the current one.
    pub fn retire(&self, id: u32) -> Result<(), ConfigError> {
        self.change(|keys| {
            let place = keys.place(id)?;
            if place == keys.current {
                return Err(ConfigError::new("key", id, "rotate to another key first"));
            }
            keys.all.remove(place);
            keys.current -= usize::from(place < keys.current);
            Ok(())
        })
    }

    /// The number of the current key.
    #[must_use]
    pub fn current(&self) -> u32 {
        let keys = self.load();
        keys.all[keys.current].id
    }

    /// How many values this ring has sealed with its current key.
    #[must_use]
    pub fn sealed_with_current(&self) -> u64 {
        let keys = self.load();
        keys.all[keys.current].sealed.load(Ordering::Relaxed)
    }

    fn load(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Keys) -> Result<(), ConfigError>,
    ) -> Result<(), ConfigError> {
        let mut place = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let mut keys = Keys::clone(&place);
        change(&mut keys)?;
        *place = Arc::new(keys);
        Ok(())
    }

    /// The current key, for one value.
    pub(super) fn sealing(&self) -> Result<Sealing, SealError> {
        let keys = self.load();
        let key = Arc::clone(&keys.all[keys.current]);
        let cipher = key.cipher();
        // Relaxed: it only has to be counted, and to stop somewhere near.
        let sealed = key.sealed.fetch_add(1, Ordering::Relaxed);
        if cipher == Cipher::Aes256Gcm && sealed >= GCM_VALUES {
            key.sealed.store(GCM_VALUES, Ordering::Relaxed);
            return Err(SealError::KeyExhausted { id: key.id });
        }
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce[..cipher.nonce_len()]).map_err(|_| SealError::NoRandom)?;
        Ok(Sealing { key, cipher, nonce })
    }

    /// Replaces the payload and tag in `sealed` by what they were made of.
    pub(super) fn open(
        &self,
        (cipher, id): (Cipher, u32),
        nonce: &[u8],
        bound: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        let keys = self.load();
        let key = keys
            .all
            .iter()
            .find(|key| key.id == id && key.cipher() == cipher)
            .ok_or(OpenError::UnknownKey { id })?;
        let len = sealed.len().checked_sub(CIPHER_TAG).ok_or(OpenError::Unauthentic)?;
        let (payload, tag) = sealed.split_at_mut(len);
        key.engine.open(nonce, bound, payload, tag).ok_or(OpenError::Unauthentic)?;
        sealed.truncate(len);
        Ok(())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.load();
        let ids: Vec<u32> = keys.all.iter().map(|key| key.id).collect();
        f.debug_struct("KeyRing")
            .field("current", &keys.all[keys.current].id)
            .field("ids", &ids)
            .finish()
    }
}

impl Keys {
    fn push(&mut self, key: Key) -> Result<(), ConfigError> {
        if self.all.iter().any(|other| other.id == key.id) {
            return Err(ConfigError::new("key", key.id, "that number is taken"));
        }
        if self.all.len() == MAX_KEYS {
            return Err(ConfigError::new("key", key.id, "retire one of the 256 in the ring"));
        }
        self.all.push(Arc::new(key));
        Ok(())
    }

    fn place(&self, id: u32) -> Result<usize, ConfigError> {
        self.all
            .iter()
            .position(|key| key.id == id)
            .ok_or_else(|| ConfigError::new("key", id, "there is none of that number"))
    }
}

impl Key {
    fn new(id: u32, cipher: Cipher, key: &SecretKey) -> Key {
        let secret = (&*key.0).into();
        let engine = match cipher {
            Cipher::Aes256Gcm => Engine::Aes256Gcm(Box::new(Aes256Gcm::new(secret))),
            Cipher::XChaCha20Poly1305 => Engine::XChaCha20Poly1305(XChaCha20Poly1305::new(secret)),
        };
        Key { id, engine, sealed: AtomicU64::new(0) }
    }

    const fn cipher(&self) -> Cipher {
        match self.engine {
            Engine::Aes256Gcm(_) => Cipher::Aes256Gcm,
            Engine::XChaCha20Poly1305(_) => Cipher::XChaCha20Poly1305,
        }
    }
}

impl Engine {
    fn seal(&self, nonce: &[u8], bound: &[u8], payload: &mut [u8]) -> Option<[u8; CIPHER_TAG]> {
        let tag = match self {
            Engine::Aes256Gcm(engine) => {
                engine.encrypt_inout_detached(nonce.try_into().ok()?, bound, payload.into())
            }
            Engine::XChaCha20Poly1305(engine) => {
                engine.encrypt_inout_detached(nonce.try_into().ok()?, bound, payload.into())
            }
        };
        tag.ok().map(Into::into)
    }

    fn open(&self, nonce: &[u8], bound: &[u8], payload: &mut [u8], tag: &[u8]) -> Option<()> {
        let tag = tag.try_into().ok()?;
        match self {
            Engine::Aes256Gcm(engine) => {
                engine.decrypt_inout_detached(nonce.try_into().ok()?, bound, payload.into(), tag)
            }
            Engine::XChaCha20Poly1305(engine) => {
                engine.decrypt_inout_detached(nonce.try_into().ok()?, bound, payload.into(), tag)
            }
        }
        .ok()
    }
}

/// A key and a nonce for one value.
pub(super) struct Sealing {
    key: Arc<Key>,
    cipher: Cipher,
    nonce: [u8; 24],
}

impl Sealing {
    /// As it goes into the header.
    pub(super) fn stated(&self) -> (Cipher, u32, &[u8]) {
        (self.cipher, self.key.id, &self.nonce[..self.cipher.nonce_len()])
    }

    /// Encrypts what follows `begin` and appends the tag.
    pub(super) fn seal(
        &self,
        bound: &[u8],
        out: &mut Vec<u8>,
        begin: usize,
    ) -> Result<(), SealError> {
        let (.., nonce) = self.stated();
        let len = (out.len() - begin) as u64;
        // More than the 64 GiB that the ciphers take.
        let tag = self
            .key
            .engine
            .seal(nonce, bound, &mut out[begin..])
            .ok_or(SealError::TooLarge { len, max: (1 << 36) - 32 })?;
        out.extend_from_slice(&tag);
        Ok(())
    }
}

/// What a value is bound to: its header, the namespace and the key, each with its length, so that
/// nothing can move from one to the next.
pub(super) fn bind(into: &mut Vec<u8>, header: &[u8], namespace: &str, key: &[u8]) {
    into.clear();
    for part in [header, namespace.as_bytes(), key] {
        put_varint(into, part.len() as u64);
        into.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_short_nonces_seals_so_many_values_and_no_more() {
        let sealed = |cipher| {
            let ring = KeyRing::new(4, cipher, SecretKey::new([0; 32]));
            ring.load().all[0].sealed.store(GCM_VALUES - 1, Ordering::Relaxed);
            [ring.sealing().is_ok(), ring.sealing().is_ok(), ring.sealing().is_ok()]
        };
        assert_eq!(sealed(Cipher::Aes256Gcm), [true, false, false]);
        assert_eq!(sealed(Cipher::XChaCha20Poly1305), [true; 3]);
    }

    #[test]
    fn nothing_can_move_between_the_parts_that_are_bound() {
        let bound = |header: &[u8], namespace, key: &[u8]| {
            let mut bound = Vec::new();
            bind(&mut bound, header, namespace, key);
            bound
        };
        assert_eq!(bound(b"h", "name", b"key"), b"\x01h\x04name\x03key");
        assert_ne!(bound(b"h", "na", b"mekey"), bound(b"h", "name", b"key"));
        assert_ne!(bound(b"hn", "ame", b"key"), bound(b"h", "name", b"key"));
    }
}
