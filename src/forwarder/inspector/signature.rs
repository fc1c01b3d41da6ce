//! A webhook's signature is made and checked as its sender documents it, over the body's bytes as they are.
//!
//! Secrets stay in memory and are in no message.

use crate::limits;
use crate::secret::{Lookup, Secret};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who signs, and so how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// `X-Hub-Signature-256`: HMAC-SHA256 of the body, in hex.
    GitHub,
    /// `Stripe-Signature`: time, and HMAC-SHA256 of time and body, in hex.
    Stripe,
    /// `X-Slack-Signature` with `X-Slack-Request-Timestamp`.
    Slack,
    /// `webhook-signature` with `webhook-id` and `webhook-timestamp`: standardwebhooks.com, also under Svix's own names.
    Standard,
}

const GITHUB: HeaderName = HeaderName::from_static("x-hub-signature-256");
const GITHUB_SHA1: HeaderName = HeaderName::from_static("x-hub-signature");
const STRIPE: HeaderName = HeaderName::from_static("stripe-signature");
const SLACK: HeaderName = HeaderName::from_static("x-slack-signature");
const SLACK_TIME: HeaderName = HeaderName::from_static("x-slack-request-timestamp");

/// The three headers of a Standard Webhook: id, time, signatures.
const STANDARD_NAMES: [HeaderName; 3] = [
    HeaderName::from_static("webhook-id"),
    HeaderName::from_static("webhook-timestamp"),
    HeaderName::from_static("webhook-signature"),
];
const SVIX_NAMES: [HeaderName; 3] = [
    HeaderName::from_static("svix-id"),
    HeaderName::from_static("svix-timestamp"),
    HeaderName::from_static("svix-signature"),
];

impl Scheme {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::GitHub, Self::Stripe, Self::Slack, Self::Standard];

    /// Its name in flags and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::Stripe => "stripe",
            Self::Slack => "slack",
            Self::Standard => "standard",
        }
    }

    /// The scheme that a request was signed by, to judge by its headers.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let has = |name: &HeaderName| headers.contains_key(name);
        match () {
            () if has(&GITHUB) || has(&GITHUB_SHA1) => Some(Self::GitHub),
            () if has(&STRIPE) => Some(Self::Stripe),
            () if has(&SLACK) => Some(Self::Slack),
            () if has(&STANDARD_NAMES[2]) || has(&SVIX_NAMES[2]) => Some(Self::Standard),
            () => None,
        }
    }

    /// Reads `SCHEME:SECRET`, where the secret may be `env:NAME` or `file:PATH`.
    ///
    /// # Errors
    /// Says what is wrong, without the secret.
    pub fn with_secret(text: &str, env: Lookup<'_>) -> Result<(Self, Secret), String> {
        let (name, secret) = text
            .split_once(':')
            .ok_or("it is SCHEME:SECRET, the scheme being github, stripe, slack or standard".to_owned())?;
        let scheme: Self = name.parse()?;
        let secret = Secret::resolve(secret, env).map_err(|error| error.to_string())?;
        Key::new(scheme, &secret)?;
        Ok((scheme, secret))
    }
}

impl FromStr for Scheme {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scheme| scheme.as_str() == text);
        found.ok_or_else(|| "the scheme is github, stripe, slack or standard".to_owned())
    }
}

/// What is wrong with a signature, for its sender to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub(super) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A secret that can sign.
pub struct Key {
    scheme: Scheme,
    key: hmac::Key,
    sha1: hmac::Key,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, ***)", self.scheme.as_str())
    }
}

impl Key {
    /// The key that `secret` is for `scheme`.
    ///
    /// # Errors
    /// A Standard Webhooks secret is no base64.
    pub fn new(scheme: Scheme, secret: &Secret) -> Result<Self, String> {
        let text = secret.expose();
        let bytes = match scheme {
            Scheme::Standard => {
                let encoded = text.strip_prefix("whsec_").unwrap_or(text);
                STANDARD.decode(encoded).map_err(|_| "a Standard Webhooks secret is whsec_ and base64".to_owned())?
            }
            _ => text.as_bytes().to_vec(),
        };
        let sha1 = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes);
        Ok(Self { scheme, key: hmac::Key::new(hmac::HMAC_SHA256, &bytes), sha1 })
    }

    /// Whose it is.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Signs `body` as of `now`: the signature's headers are replaced, or added.
    pub fn sign(&self, headers: &mut HeaderMap, body: &[u8], now: SystemTime) {
        let time = epoch(now).to_string();
        match self.scheme {
            Scheme::GitHub => {
                set(headers, &GITHUB, &format!("sha256={}", hex(self.mac(&[body]).as_ref())));
                if headers.contains_key(&GITHUB_SHA1) {
                    set(headers, &GITHUB_SHA1, &format!("sha1={}", hex(hmac::sign(&self.sha1, body).as_ref())));
                }
            }
            Scheme::Stripe => {
                let mac = self.mac(&[time.as_bytes(), b".", body]);
                set(headers, &STRIPE, &format!("t={time},v1={}", hex(mac.as_ref())));
            }
            Scheme::Slack => {
                let mac = self.mac(&[b"v0:", time.as_bytes(), b":", body]);
                set(headers, &SLACK_TIME, &time);
                set(headers, &SLACK, &format!("v0={}", hex(mac.as_ref())));
            }
            Scheme::Standard => {
                let names = standard_names(headers);
                let id = one(headers, &names[0]).map_or_else(|_| format!("msg_{}", epoch(now)), str::to_owned);
                let mac = self.mac(&[id.as_bytes(), b".", time.as_bytes(), b".", body]);
                let signature = format!("v1,{}", STANDARD.encode(mac.as_ref()));
                for (name, value) in names.iter().zip([&id, &time, &signature]) {
                    set(headers, name, value);
                }
            }
        }
    }

    /// Checks the signature of `body`.
    ///
    /// # Errors
    /// [`Refused`]: none, a stale one, or one of another secret or body.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Result<(), Refused> {
        match self.scheme {
            Scheme::GitHub => {
                let given = one(headers, &GITHUB)?.strip_prefix("sha256=").unwrap_or_default();
                self.check(&[body], &[unhex(given)])
            }
            Scheme::Stripe => {
                let fields: Vec<_> =
                    one(headers, &STRIPE)?.split(',').filter_map(|part| part.split_once('=')).collect();
                let of = |wanted: &'static str| fields.iter().filter(move |(name, _)| name.trim() == wanted);
                let time = of("t").next().map_or("", |(_, time)| time);
                let given: Vec<_> = of("v1").map(|(_, signature)| unhex(signature)).collect();
                self.check(&[time.as_bytes(), b".", body], &given)?;
                fresh(time, now)
            }
            Scheme::Slack => {
                let time = one(headers, &SLACK_TIME)?;
                let given = one(headers, &SLACK)?.strip_prefix("v0=").unwrap_or_default();
                self.check(&[b"v0:", time.as_bytes(), b":", body], &[unhex(given)])?;
                fresh(time, now)
            }
            Scheme::Standard => {
                let names = standard_names(headers);
                let (id, time) = (one(headers, &names[0])?, one(headers, &names[1])?);
                let signatures = one(headers, &names[2])?.split(' ');
                let given: Vec<_> = signatures
                    .filter_map(|text| text.strip_prefix("v1,"))
                    .map(|text| STANDARD.decode(text).ok())
                    .collect();
                self.check(&[id.as_bytes(), b".", time.as_bytes(), b".", body], &given)?;
                fresh(time, now)
            }
        }
    }

    fn mac(&self, parts: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(part);
        }
        context.sign()
    }

    /// Compares in constant time.
    fn check(&self, parts: &[&[u8]], given: &[Option<Vec<u8>>]) -> Result<(), Refused> {
        let right = self.mac(parts);
        let same = |tag: &Vec<u8>| aws_lc_rs::constant_time::verify_slices_are_equal(right.as_ref(), tag).is_ok();
        if given.iter().flatten().any(same) {
            return Ok(());
        }
        Err(Refused(format!("the {} signature does not fit the body and the secret", self.scheme.as_str())))
    }
}

fn standard_names(headers: &HeaderMap) -> &'static [HeaderName; 3] {
    static STANDARD_WEBHOOK: [HeaderName; 3] = STANDARD_NAMES;
    static SVIX: [HeaderName; 3] = SVIX_NAMES;
    let svix = headers.contains_key(&SVIX[2]) && !headers.contains_key(&STANDARD_WEBHOOK[2]);
    if svix { &SVIX } else { &STANDARD_WEBHOOK }
}

/// The one value of `name`: two of them could be read in two ways.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Refused> {
    let mut values = headers.get_all(name).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Refused(format!("the request needs one header {name}"))),
    }
}

fn set(headers: &mut HeaderMap, name: &HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name.clone(), value);
    }
}

fn epoch(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn fresh(time: &str, now: SystemTime) -> Result<(), Refused> {
    let age = time.trim().parse().ok().map(|time: u64| epoch(now).abs_diff(time));
    match age {
        Some(age) if age <= limits::SIGNATURE_AGE.as_secs() => Ok(()),
        Some(age) => Err(Refused(format!("the signature is {age} s away from this machine's clock"))),
        None => Err(Refused("the signature's timestamp is no number".to_owned())),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim().as_bytes();
    let pairs = digits.chunks(2).map(|pair| match pair {
        [_, _] => u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
