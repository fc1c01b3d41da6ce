//! A body is unpacked as far as somebody can want to read it; what claims to be endless is cut there.

use super::record::{Body, Lines};
use crate::limits;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use std::borrow::Cow;
use std::io::Read;

/// Unpacks bodies until all of them together have taken a bound; visitors may send many that are far larger than they look.
#[derive(Debug, Default)]
pub(super) struct Unpacker(usize);

/// What one search or one file unpacks, all together.
const MOST: usize = 8 * limits::INSPECT_UNPACKED;

/// A body without its `Content-Encoding`, or as it is where that is none, unknown or not what it says.
#[derive(Debug)]
pub(super) struct Unpacked<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Nothing of what was kept is missing.
    pub(super) whole: bool,
    /// The coding that is still on it.
    pub(super) packed: Option<String>,
}

impl Unpacker {
    /// Unpacks `body`, of a message with `headers`.
    pub(super) fn unpack<'a>(&mut self, headers: &Lines, body: &'a Body) -> Unpacked<'a> {
        let encoding = encoding(headers).filter(|_| !body.bytes.is_empty());
        let packed = encoding.as_ref().filter(|_| self.0 < MOST);
        match packed.and_then(|encoding| unpacked(encoding, &body.bytes)) {
            Some((bytes, whole)) => {
                self.0 += bytes.len();
                Unpacked { bytes: Cow::Owned(bytes), whole: whole && body.is_kept(), packed: None }
            }
            None => Unpacked { bytes: Cow::Borrowed(&body.bytes), whole: body.is_kept(), packed: encoding },
        }
    }
}

/// The coding of a body, in lower case; `None`: it is as it is.
pub(super) fn encoding(headers: &Lines) -> Option<String> {
    let named = headers.text("content-encoding")?.trim().to_ascii_lowercase();
    (!named.is_empty() && named != "identity").then_some(named)
}

/// What is in `packed`, up to a limit, and whether that is all of it; `None`: it cannot be unpacked here.
pub(super) fn unpacked(encoding: &str, packed: &[u8]) -> Option<(Vec<u8>, bool)> {
    match encoding {
        "gzip" | "x-gzip" => read(MultiGzDecoder::new(packed)),
        // Some send it without the wrapping that the name asks for (RFC 9110 §8.4.1.2).
        "deflate" => read(ZlibDecoder::new(packed)).or_else(|| read(DeflateDecoder::new(packed))),
        _ => None,
    }
}

fn read(mut source: impl Read) -> Option<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let most = limits::INSPECT_UNPACKED as u64;
    match source.by_ref().take(most).read_to_end(&mut bytes) {
        Ok(_) => {
            let whole = bytes.len() < limits::INSPECT_UNPACKED || matches!(source.read(&mut [0]), Ok(0));
            Some((bytes, whole))
        }
        // A body that was kept in part ends too early; its beginning is there.
        Err(_) if !bytes.is_empty() => Some((bytes, false)),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    fn gzip() -> Lines {
        let line = (http::header::CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
        Lines::from(&http::HeaderMap::from_iter([line]))
    }

    #[test]
    fn a_packed_body_is_unpacked_up_to_the_limit() {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(&vec![b'x'; 3 * limits::INSPECT_UNPACKED]).expect("memory takes everything");
        let bomb = packer.finish().expect("memory takes everything");
        let (bytes, whole) = unpacked("gzip", &bomb).expect("it is packed");
        assert_eq!((bytes.len(), whole), (limits::INSPECT_UNPACKED, false));
        let (bytes, whole) = unpacked("gzip", &bomb[..bomb.len() / 100]).expect("its beginning is there");
        assert!(!bytes.is_empty() && !whole);
    }

    #[test]
    fn deflate_comes_wrapped_and_bare() {
        let mut wrapped = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        wrapped.write_all(b"hello").and_then(|()| bare.write_all(b"hello")).expect("memory takes everything");
        for packed in [wrapped.finish(), bare.finish()] {
            assert_eq!(unpacked("deflate", &packed.expect("packed")), Some((b"hello".to_vec(), true)));
        }
    }

    #[test]
    fn what_is_not_packed_as_it_says_is_shown_as_it_is() {
        let headers = gzip();
        let body = Body::whole(b"not packed".to_vec());
        let shown = Unpacker::default().unpack(&headers, &body);
        assert_eq!((&shown.bytes[..], shown.packed.as_deref()), (&b"not packed"[..], Some("gzip")));
        assert_eq!(unpacked("br", b"x"), None);
    }

    #[test]
    fn many_small_bodies_are_not_unpacked_to_gigabytes() {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(&vec![b'x'; limits::INSPECT_UNPACKED]).expect("memory takes everything");
        let body = Body::whole(packer.finish().expect("memory takes everything"));
        let headers = gzip();
        let mut unpacker = Unpacker::default();
        let sizes = (0..100).map(|_| unpacker.unpack(&headers, &body).bytes.len());
        assert!(sizes.sum::<usize>() <= MOST + limits::INSPECT_UNPACKED + 100 * body.bytes.len());
    }
}
