//! Stored answers as bytes, version 4. All numbers are little-endian.
//!
//! ```text
//! resource  whose 8, variants 2, then each
//! variant   age 8 (milliseconds, when these bytes were made), status 2, marks 1,
//!           lifetime 8, stale while revalidate 8, stale if error 8 (milliseconds),
//!           vary: fields 2, each name and digest or none; of what the request told, or none
//!           headers 4, each name and value; the origin's entity tag, or none
//!           identity, codings 1, each its name and its bytes, or none if it does not shrink
//! ```
//!
//! Names, values and bytes stand behind their length of 4; what may be none behind a byte 0 or 1.
//! Of what requests said there are digests only (SHA-256, 32 bytes). What follows from the rest is
//! made anew: the hash, the tags, the validators.

use super::super::entry::{Representation, StoredResponse, Variant};
use super::super::key::{Said, Vary};
use super::super::policy::Freshness;
use crate::Coding;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use perf_cache::codec::{Codec, CodecError, CodecId};
use perf_core::Clock;
use std::sync::Arc;
use std::time::Duration;

/// Stored answers as bytes. Ages are those of the moment in which the bytes were made: whoever reads
/// them has to know [how long ago](StoredResponse::aged) that is.
#[derive(Clone, Debug)]
pub(super) struct ResponseCodec {
    pub(super) clock: Clock,
    pub(super) min_encoded: u64,
    /// Whose answers these are: those of others are not read.
    pub(super) whose: u64,
}

/// Other codecs of values do not have it. The schema is raised with each change of the bytes, and of
/// what decides which requests an answer is for: the key, and what of a request is compared.
const FORMAT: CodecId = CodecId { format: 0x7265_7370, schema: 4 };

const EXPLICIT: u8 = 1;
const ALWAYS_VALIDATE: u8 = 2;
const AUTHORIZED: u8 = 4;
const MUST_REVALIDATE: u8 = 8;
const NO_TRANSFORM: u8 = 16;

impl Codec<StoredResponse> for ResponseCodec {
    fn id(&self) -> CodecId {
        FORMAT
    }

    fn encode(&self, stored: &StoredResponse, into: &mut Vec<u8>) -> Result<(), CodecError> {
        let variants = stored.variants();
        into.extend(self.whose.to_le_bytes());
        into.extend(u16::try_from(variants.len()).map_err(CodecError::new)?.to_le_bytes());
        for variant in variants {
            self.encode_variant(variant, into)?;
        }
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<StoredResponse, CodecError> {
        let mut read = Reader { rest: bytes };
        if read.u64() != Some(self.whose) {
            return Err(CodecError::new("an answer of another origin"));
        }
        self.decode_all(&mut read).ok_or_else(|| CodecError::new("no stored answer"))
    }
}

impl ResponseCodec {
    fn encode_variant(&self, variant: &Variant, into: &mut Vec<u8>) -> Result<(), CodecError> {
        let fresh = &variant.freshness;
        into.extend(millis(variant.age(self.clock.now())).to_le_bytes());
        into.extend(variant.status.as_u16().to_le_bytes());
        let marks = [
            (fresh.explicit, EXPLICIT),
            (fresh.always_validate, ALWAYS_VALIDATE),
            (fresh.authorized, AUTHORIZED),
            (fresh.must_revalidate, MUST_REVALIDATE),
            (fresh.no_transform, NO_TRANSFORM),
        ];
        into.push(marks.iter().filter(|(on, _)| *on).fold(0, |marks, (_, mark)| marks | mark));
        for span in [fresh.lifetime, fresh.stale_while_revalidate, fresh.stale_if_error] {
            into.extend(millis(span).to_le_bytes());
        }
        let fields = variant.vary.fields();
        into.extend(u16::try_from(fields.len()).map_err(CodecError::new)?.to_le_bytes());
        for (name, said) in fields {
            put(into, name.as_str().as_bytes())?;
            put_digest(into, said.as_ref());
        }
        put_digest(into, variant.vary.told());
        into.extend(u32::try_from(variant.headers.len()).map_err(CodecError::new)?.to_le_bytes());
        for (name, value) in &variant.headers {
            put(into, name.as_str().as_bytes())?;
            put(into, value.as_bytes())?;
        }
        put_or_none(into, variant.validators.origin_tag.as_ref().map(HeaderValue::as_bytes))?;
        put(into, &variant.body.identity)?;
        let made = Coding::ALL.iter().filter_map(|coding| {
            let coded = variant.body.coded(*coding).get()?;
            Some((coding.name(), coded.as_deref()))
        });
        let at = into.len();
        into.push(0);
        for (name, coded) in made {
            into[at] += 1;
            put(into, name.as_bytes())?;
            put_or_none(into, coded)?;
        }
        Ok(())
    }

    fn decode_all(&self, read: &mut Reader<'_>) -> Option<StoredResponse> {
        let count = read.u16()?;
        let variants: Option<Vec<_>> =
            (0..count).map(|_| self.decode_variant(read).map(Arc::new)).collect();
        let variants = variants.filter(|variants| !variants.is_empty())?;
        read.rest.is_empty().then(|| StoredResponse::from_variants(variants))
    }

    fn decode_variant(&self, read: &mut Reader<'_>) -> Option<Variant> {
        let age = Duration::from_millis(read.u64()?);
        let status = StatusCode::from_u16(read.u16()?).ok()?;
        let marks = read.u8()?;
        let mut span = || Some(Duration::from_millis(read.u64()?));
        let (lifetime, while_revalidate, if_error) = (span()?, span()?, span()?);
        let mut fields = Vec::new();
        for _ in 0..read.u16()? {
            let name = HeaderName::from_bytes(read.bytes()?).ok()?;
            fields.push((name, read.digest()?));
        }
        let vary = Vary::from_parts(fields, read.digest()?);
        let mut headers = HeaderMap::new();
        for _ in 0..read.u32()? {
            let name = HeaderName::from_bytes(read.bytes()?).ok()?;
            let value = HeaderValue::from_bytes(read.bytes()?).ok()?;
            headers.try_append(name, value).ok()?;
        }
        if let Some(tag) = read.bytes_or_none()? {
            headers.try_insert(header::ETAG, HeaderValue::from_bytes(tag).ok()?).ok()?;
        }
        let body = Representation::new(Bytes::copy_from_slice(read.bytes()?));
        for _ in 0..read.u8()? {
            let coding = Coding::from_name(read.bytes()?)?;
            let coded = read.bytes_or_none()?.map(Bytes::copy_from_slice);
            // A second one of a kind changes nothing.
            body.coded(coding).set(coded).ok();
        }
        let on = |mark: u8| marks & mark != 0;
        let freshness = Freshness {
            lifetime,
            initial_age: age,
            explicit: on(EXPLICIT),
            always_validate: on(ALWAYS_VALIDATE),
            authorized: on(AUTHORIZED),
            stale_while_revalidate: while_revalidate,
            stale_if_error: if_error,
            must_revalidate: on(MUST_REVALIDATE),
            no_transform: on(NO_TRANSFORM),
        };
        let (body, now) = (Arc::new(body), self.clock.now());
        Some(Variant::assemble(vary, status, headers, freshness, body, now, self.min_encoded))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn put(into: &mut Vec<u8>, bytes: &[u8]) -> Result<(), CodecError> {
    into.extend(u32::try_from(bytes.len()).map_err(CodecError::new)?.to_le_bytes());
    into.extend_from_slice(bytes);
    Ok(())
}

fn put_or_none(into: &mut Vec<u8>, bytes: Option<&[u8]>) -> Result<(), CodecError> {
    into.push(u8::from(bytes.is_some()));
    bytes.map_or(Ok(()), |bytes| put(into, bytes))
}

fn put_digest(into: &mut Vec<u8>, said: Option<&Said>) {
    into.push(u8::from(said.is_some()));
    into.extend(said.iter().flat_map(|said| said.digest()));
}

/// Takes from the front; `None` where that is too short.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn digest(&mut self) -> Option<Option<Said>> {
        match self.u8()? {
            0 => Some(None),
            1 => Some(Some(Said::Digest(self.array()?))),
            _ => None,
        }
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(usize::try_from(len).ok()?)
    }

    fn bytes_or_none(&mut self) -> Option<Option<&'a [u8]>> {
        match self.u8()? {
            0 => Some(None),
            1 => self.bytes().map(Some),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
