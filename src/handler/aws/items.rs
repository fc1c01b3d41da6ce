//! An answer's messages as items: the key names link, exchange and number, so writing one twice is writing it once, and
//! nobody but that link can write it.
//!
//! The item holds the message in the wire's binary form, so a body byte is stored, and paid for, as one byte; a message
//! that becomes cheaper by it is compressed, since a write costs by the KB and is most of what an exchange costs.

use super::clients::Item;
use super::connections::seconds;
use crate::gate::switchboard::Arrival;
use crate::handler::event::ConnectionId;
use crate::id::ExchangeId;
use crate::limits;
use crate::wire::{Encoded, Encoding, Flow, Message as _, ToGate};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use std::io::{Read as _, Write as _};
use std::time::SystemTime;

/// Number of the item that cuts an answer short: behind every part there can be.
pub(super) const ABORT: u32 = u32::MAX;

/// Attribute of a message as it is, and of a compressed one.
const PLAIN: &str = "message";
const DEFLATED: &str = "deflated";

/// The partition key of an exchange's items.
pub(super) fn key(link: &ConnectionId, id: ExchangeId) -> AttributeValue {
    AttributeValue::S(format!("{link}#{id}"))
}

/// The item for what a forwarder sent; `None` for what no visitor of this public end waits for.
pub(super) fn write(link: &ConnectionId, id: ExchangeId, arrival: Arrival) -> Option<Item> {
    let (number, message) = match arrival {
        Arrival::Answer(head, body) => (0, ToGate::Answer(id, head, body)),
        Arrival::Fail(fault) => (0, ToGate::Fail(id, fault.code, fault.detail)),
        Arrival::Flow(Flow::Part(n, chunk)) if n > 0 && n < ABORT => (n, ToGate::Flow(id, Flow::Part(n, chunk))),
        Arrival::Flow(Flow::Abort(why)) => (ABORT, ToGate::Flow(id, Flow::Abort(why))),
        // Nothing here is sent on credit, the request's body is on its way as a whole, and no visitor has a WebSocket.
        Arrival::Flow(Flow::Part(..) | Flow::Cancel | Flow::Credit(_) | Flow::Message(..) | Flow::Close(..)) => {
            return None;
        }
    };
    let Encoded::Binary(bytes) = message.encode(Encoding::Binary) else { return None };
    let (attribute, bytes) = match deflated(&bytes) {
        Some(smaller) => (DEFLATED, smaller),
        None => (PLAIN, bytes.into()),
    };
    Some(Item::from([
        ("exchange".to_owned(), key(link, id)),
        ("part".to_owned(), AttributeValue::N(number.to_string())),
        (attribute.to_owned(), AttributeValue::B(Blob::new(bytes))),
        ("expiresAt".to_owned(), seconds(SystemTime::now() + limits::PENDING_KEPT)),
    ]))
}

/// What an item holds: its number and the arrival.
pub(super) fn read(mut item: Item) -> Option<(u32, Arrival)> {
    let number = item.get("part")?.as_n().ok()?.parse().ok()?;
    let message = match (item.remove(PLAIN), item.remove(DEFLATED)) {
        (Some(AttributeValue::B(message)), _) => message.into_inner(),
        (None, Some(AttributeValue::B(message))) => inflated(message.as_ref())?,
        _ => return None,
    };
    let arrival = match ToGate::decode_binary(Bytes::from(message)).ok()?? {
        ToGate::Answer(_, head, body) => Arrival::Answer(head, body),
        ToGate::Fail(_, code, detail) => Arrival::Fail(crate::fault::Fault::new(code, detail)),
        ToGate::Flow(_, flow) => Arrival::Flow(flow),
        ToGate::Hello(_) | ToGate::Ping | ToGate::Pong => return None,
    };
    Some((number, arrival))
}

/// The message compressed, if that makes its write cheaper. What is compressed already (images, archives, `gzip` of the
/// service's own) shows at its beginning and is left alone.
fn deflated(message: &[u8]) -> Option<Vec<u8>> {
    let beginning = message.get(..limits::DEFLATE_PROBE).unwrap_or(message);
    if message.len() < limits::DEFLATE_LEAST || deflate(beginning)?.len() > beginning.len() / 10 * 9 {
        return None;
    }
    deflate(message).filter(|smaller| smaller.len() + limits::KIB <= message.len())
}

fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// The message again; `None` if it is none, or larger than any that was written here.
fn inflated(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let most = limits::TEXT_MESSAGE as u64 + 1;
    let length = DeflateDecoder::new(bytes).take(most).read_to_end(&mut message).ok()?;
    (length <= limits::TEXT_MESSAGE).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::ResponseHead;
    use crate::wire::Chunk;
    use http::{HeaderMap, StatusCode};

    fn answer(body: Vec<u8>) -> Arrival {
        let head = ResponseHead { status: StatusCode::OK, headers: HeaderMap::new() };
        Arrival::Answer(head, Chunk { bytes: body.into(), end: true })
    }

    fn written(body: &[u8]) -> Item {
        write(&ConnectionId::new("abc="), ExchangeId(7), answer(body.to_vec())).expect("an answer is an item")
    }

    fn stored(item: &Item) -> usize {
        let blob = item.get(PLAIN).or_else(|| item.get(DEFLATED)).and_then(|value| value.as_b().ok());
        blob.expect("an item holds a message").as_ref().len()
    }

    fn body_of(item: Item) -> Bytes {
        match read(item) {
            Some((0, Arrival::Answer(_, chunk))) => chunk.bytes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_text_is_stored_smaller_and_read_as_it_was() {
        let text: String = (0..500).map(|n| format!("{{\"id\":{n},\"state\":\"paid\"}},")).collect();
        let item = written(text.as_bytes());
        assert!(stored(&item) < text.len() / 3, "{} of {}", stored(&item), text.len());
        assert_eq!(body_of(item), text.as_bytes());
    }

    #[test]
    fn what_does_not_compress_is_stored_as_it_is() {
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(90_000)
        .collect();
        let item = written(&noise);
        assert!(item.contains_key(PLAIN) && !item.contains_key(DEFLATED));
        assert_eq!(body_of(item), noise);
    }

    #[test]
    fn a_message_that_would_cost_the_same_is_not_compressed() {
        assert!(written(&[b'a'; 900]).contains_key(PLAIN));
    }

    #[test]
    fn a_compressed_item_that_grows_beyond_a_message_is_none() {
        let bomb = deflate(&vec![0; limits::TEXT_MESSAGE + 1]).expect("zeros compress");
        assert_eq!(inflated(&bomb), None);
    }
}
