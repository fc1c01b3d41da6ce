//! A request without a good signature never reaches the service.

use super::signature::{Key, Scheme};
use crate::fault::{Code, Fault};
use crate::limits;
use crate::secret::Secret;
use http::HeaderMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

/// What requests must be signed with; the default asks for nothing.
#[derive(Debug, Default)]
pub struct Verifier {
    keys: Vec<Key>,
    /// Bytes of bodies that are on their way to be checked.
    held: AtomicUsize,
}

/// A body that is gathered to be checked. Dropping it gives its bytes back.
#[derive(Debug)]
pub(in crate::forwarder) struct Held<'a> {
    all: &'a AtomicUsize,
    bytes: usize,
}

impl Verifier {
    /// Asks for a signature by any of `secrets`, so that one can take another's place.
    ///
    /// # Errors
    /// A secret is none for its scheme.
    pub fn new(secrets: &[(Scheme, Secret)]) -> Result<Self, String> {
        secrets
            .iter()
            .map(|(scheme, secret)| Key::new(*scheme, secret))
            .collect::<Result<_, _>>()
            .map(|keys| Self { keys, ..Self::default() })
    }

    /// Whether it asks for anything.
    pub fn is_on(&self) -> bool {
        !self.keys.is_empty()
    }

    /// A body begins.
    pub(in crate::forwarder) fn hold(&self) -> Held<'_> {
        Held { all: &self.held, bytes: 0 }
    }

    /// Checks a request with all of its body.
    ///
    /// # Errors
    /// [`Code::SignatureInvalid`], and what is wrong with the signature.
    pub fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Fault> {
        let now = SystemTime::now();
        // Of several secrets the one speaks whose headers are there.
        let scheme = Scheme::of(headers);
        let mut refused = None;
        for key in &self.keys {
            match key.verify(headers, body, now) {
                Ok(()) => return Ok(()),
                Err(why) if refused.is_none() || scheme == Some(key.scheme()) => refused = Some(why),
                Err(_) => {}
            }
        }
        refused.map_or(Ok(()), |why| {
            Err(Fault::new(Code::SignatureInvalid, format!("This tunnel asks for signed webhooks: {why}.")))
        })
    }
}

impl Held<'_> {
    /// Makes room for more of the body.
    ///
    /// # Errors
    /// The body is too large, or all bodies together are.
    pub(in crate::forwarder) fn add(&mut self, bytes: usize) -> Result<(), Fault> {
        self.bytes += bytes;
        let before = self.all.fetch_add(bytes, Ordering::Relaxed);
        if self.bytes > limits::SIGNED_BODY {
            let text = format!("A signed request is at most {} bytes.", limits::SIGNED_BODY);
            return Err(Fault::new(Code::RequestTooLarge, text));
        }
        if before + bytes > limits::SIGNED_BODIES {
            let text = "The forwarder has too many signatures to check at once.";
            return Err(Fault::new(Code::TooManyRequests, text));
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_that_wait_for_their_check_are_bounded_one_and_all() {
        let verifier = Verifier::default();
        let code = |outcome: Result<(), Fault>| outcome.err().map(|fault| fault.code);
        let mut held: Vec<_> = (0..4).map(|_| verifier.hold()).collect();
        for held in &mut held {
            assert_eq!(code(held.add(limits::SIGNED_BODY)), None);
        }
        assert_eq!(code(verifier.hold().add(1)), Some(Code::TooManyRequests));
        held.pop();
        assert_eq!(code(verifier.hold().add(1)), None);
        assert_eq!(code(verifier.hold().add(limits::SIGNED_BODY + 1)), Some(Code::RequestTooLarge));
    }
}
