//! Who may open which tunnel: those whom the configuration names, and nobody when it is broken.
//!
//! Pure but for the keys: the caller brings the header, the name and the time. There is no built-in secret, and no
//! configuration that admits everyone but [`AccessConfig::open`].

mod jwt;

use crate::id::TunnelName;
use crate::secret::Secret;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use http::{HeaderValue, StatusCode};
use std::fmt;
use std::time::SystemTime;

/// Names listed in a refusal; a token may allow more than a reader wants to see.
const NAMES_SHOWN: usize = 8;

/// What the operator says about access, as read from flags, files or the environment.
#[derive(Clone, Debug, Default)]
pub struct AccessConfig {
    /// Anyone may open any tunnel; goes with no key.
    pub open: bool,
    /// Shared secrets, each admits to any name.
    pub tokens: Vec<Secret>,
    /// Verifies JWTs signed with HS256.
    pub jwt_secret: Option<Secret>,
    /// A JWK set as JSON: verifies JWTs signed with RS256, ES256 or EdDSA.
    pub jwks: Option<String>,
    /// JWTs must be meant for this audience (`aud`).
    pub audience: Option<String>,
    /// JWTs must come from this issuer (`iss`).
    pub issuer: Option<String>,
}

impl AccessConfig {
    /// Whether there is nothing by which a token could be accepted.
    pub fn has_no_key(&self) -> bool {
        self.tokens.is_empty() && self.jwt_secret.is_none() && self.jwks.is_none()
    }
}

/// Why a configuration admits nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessError {
    /// Neither a key nor `open`.
    Empty,
    /// Both a key and `open`.
    Contradiction,
    /// The shared token at this place, counted from 1, can be in no header.
    Token(usize),
    /// The JWT secret has only so many bytes.
    JwtSecret(usize),
    /// The JWK set; says what is wrong, and with which key.
    Jwks(String),
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = crate::limits::JWT_SECRET;
        match self {
            Self::Empty => {
                f.write_str("access: no token, JWT secret or key set is given, so nobody could open a tunnel")
            }
            Self::Contradiction => {
                f.write_str("access: both open to anyone and limited by keys; leave one of them out")
            }
            Self::Token(at) => write!(f, "access: token {at} is empty or has a space or a character outside ASCII"),
            Self::JwtSecret(n) => {
                write!(
                    f,
                    "access: the JWT secret has {n} bytes, HS256 needs {least}; make one with: openssl rand -hex 32"
                )
            }
            Self::Jwks(what) => write!(f, "access: the JWK set is broken: {what}"),
        }
    }
}

impl std::error::Error for AccessError {}

/// The rule by which forwarders are admitted.
pub struct Access(Rule);

enum Rule {
    Anyone,
    Holders { tokens: Vec<Digest>, keys: jwt::Keys },
}

impl Access {
    /// The rule that `config` states.
    ///
    /// # Errors
    /// The configuration is empty, contradicts itself or holds a broken key; nobody is to be admitted by it.
    pub fn new(config: AccessConfig) -> Result<Self, AccessError> {
        let keys = jwt::Keys::new(&config)?;
        let tokens = config.tokens.iter().enumerate().map(|(i, token)| {
            let sendable = !token.expose().is_empty() && token.expose().bytes().all(|b| b.is_ascii_graphic());
            sendable.then(|| hash(token.expose())).ok_or(AccessError::Token(i + 1))
        });
        let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
        match (config.open, config.has_no_key()) {
            (true, true) => Ok(Self(Rule::Anyone)),
            (false, false) => Ok(Self(Rule::Holders { tokens, keys })),
            (true, false) => Err(AccessError::Contradiction),
            (false, true) => Err(AccessError::Empty),
        }
    }

    /// Whether the bearer of `authorization` may open the tunnel `name`, or one of a name of the gate's choice.
    ///
    /// # Errors
    /// [`Denied`], with a text for the forwarder's user.
    pub fn admit(
        &self,
        authorization: Option<&HeaderValue>,
        name: Option<&TunnelName>,
        now: SystemTime,
    ) -> Result<Grant, Denied> {
        let Rule::Holders { tokens, keys } = &self.0 else {
            return Ok(Grant { subject: "anyone".to_owned(), names: None });
        };
        let token = bearer(authorization)?;
        let grant = match shared(tokens, token) {
            Some(grant) => grant,
            None => keys.verify(token, now)?,
        };
        let fits = name.map_or(grant.names.is_none(), |name| grant.allows(name));
        match grant.names {
            Some(allowed) if !fits => Err(Denied::NotForName { asked: name.cloned(), allowed }),
            _ => Ok(grant),
        }
    }
}

fn bearer(authorization: Option<&HeaderValue>) -> Result<&str, Denied> {
    let value = authorization.ok_or(Denied::Missing)?;
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Denied::Wrong("the Authorization header is not `Bearer TOKEN`"));
    }
    Ok(token)
}

/// Compares with every token, so that the time taken tells nothing about which one was nearly right.
fn shared(tokens: &[Digest], presented: &str) -> Option<Grant> {
    let presented = hash(presented);
    let equal = |token: &&Digest| verify_slices_are_equal(token.as_ref(), presented.as_ref()).is_ok();
    let matches = tokens.iter().filter(equal).count();
    (matches > 0).then(|| Grant { subject: format!("token:{}", short(&presented)), names: None })
}

fn hash(text: &str) -> Digest {
    digest(&SHA256, text.as_bytes())
}

/// Enough of a hash to tell tokens apart, too little to be one.
fn short(digest: &Digest) -> String {
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What an admitted forwarder may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whom limits per token count: the same for the same token, and for every JWT of the same `sub`.
    pub subject: String,
    /// The names that may be opened; `None`: any.
    pub names: Option<Vec<NamePattern>>,
}

impl Grant {
    /// Whether the tunnel `name` may be opened.
    pub fn allows(&self, name: &TunnelName) -> bool {
        self.names.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(name)))
    }
}

/// A name, or the beginning or end of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// `web`
    Exactly(Box<str>),
    /// `ana-*`
    Begins(Box<str>),
    /// `*-dev`
    Ends(Box<str>),
}

impl NamePattern {
    /// Reads a pattern; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (part, pattern): (&str, fn(Box<str>) -> Self) = match (text.strip_suffix('*'), text.strip_prefix('*')) {
            (Some(begin), _) => (begin, Self::Begins),
            (None, Some(end)) => (end, Self::Ends),
            (None, None) => (text, Self::Exactly),
        };
        let plain = part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        (plain && !text.is_empty()).then(|| pattern(part.into()))
    }

    /// Whether `name` is meant.
    pub fn matches(&self, name: &TunnelName) -> bool {
        match self {
            Self::Exactly(text) => name.as_str() == &**text,
            Self::Begins(text) => name.as_str().starts_with(&**text),
            Self::Ends(text) => name.as_str().ends_with(&**text),
        }
    }

    fn is_any(&self) -> bool {
        matches!(self, Self::Begins(text) if text.is_empty())
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(text) => f.write_str(text),
            Self::Begins(text) => write!(f, "{text}*"),
            Self::Ends(text) => write!(f, "*{text}"),
        }
    }
}

/// Why a forwarder is refused. Its text is for the forwarder's user and holds nothing of the token but names it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No token.
    Missing,
    /// A token that is not accepted, and why.
    Wrong(&'static str),
    /// A JWT that was good once.
    Expired,
    /// A good token, but not for this name.
    NotForName {
        /// The name asked for; `None` left the choice to the gate.
        asked: Option<TunnelName>,
        /// The names that the token allows.
        allowed: Vec<NamePattern>,
    },
}

impl Denied {
    /// The status of the refused handshake.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Missing | Self::Wrong(_) | Self::Expired => StatusCode::UNAUTHORIZED,
            Self::NotForName { .. } => StatusCode::FORBIDDEN,
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("this gate wants a token: give it with --token or TUNNEL_TOKEN"),
            Self::Wrong(why) => {
                write!(f, "the token is not accepted: {why}; give a valid one with --token or TUNNEL_TOKEN")
            }
            Self::Expired => f.write_str("the token has expired: ask the gate's operator for a new one"),
            Self::NotForName { allowed, .. } if allowed.is_empty() => {
                f.write_str("the token allows no name at all: ask the gate's operator for another one")
            }
            Self::NotForName { asked, allowed } => {
                match asked {
                    Some(name) => write!(f, "the token is not for the name {name}")?,
                    None => f.write_str("the token is for certain names only")?,
                }
                write!(f, ": choose with --name one of {}", List(allowed))
            }
        }
    }
}

impl std::error::Error for Denied {}

struct List<'a>(&'a [NamePattern]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, pattern) in self.0.iter().take(NAMES_SHOWN).enumerate() {
            write!(f, "{}{pattern}", if i == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(NAMES_SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
