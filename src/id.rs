//! An id that exists is valid: it was parsed or generated, there is no other way in.

use crate::limits;
use std::fmt;
use std::str::FromStr;

/// Name of a tunnel: a DNS label of 3 to 40 characters of `a-z 0-9 -` that neither starts nor ends with `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TunnelName(Box<str>);

/// What is wrong with a text that should be a tunnel name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Fewer than 3 or more than 40 characters; holds how many there were.
    Length(usize),
    /// A character other than `a-z 0-9 -`.
    Character(char),
    /// A hyphen at the start or the end.
    Hyphen,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(n) => write!(f, "a tunnel name has 3 to 40 characters, this one has {n}"),
            Self::Character(c) => write!(f, "a tunnel name is made of a-z, 0-9 and -, this one has {c:?}"),
            Self::Hyphen => write!(f, "a tunnel name neither starts nor ends with -"),
        }
    }
}

impl std::error::Error for NameError {}

impl TunnelName {
    /// A readable random name such as `brave-otter-42`, made from `seed`: the same seed and attempt give the same name.
    pub fn from_seed(seed: &[u8; 32], attempt: u32) -> Self {
        let word = |i: usize| {
            let at = (i * 4 + attempt as usize * 7) % 28;
            u32::from_le_bytes([seed[at], seed[at + 1], seed[at + 2], seed[at + 3]]).wrapping_add(attempt)
        };
        let adjective = ADJECTIVES[word(0) as usize % ADJECTIVES.len()];
        let animal = ANIMALS[word(1) as usize % ANIMALS.len()];
        match attempt {
            0 => Self(format!("{adjective}-{animal}").into()),
            _ => Self(format!("{adjective}-{animal}-{}", word(2) % 10_000).into()),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TunnelName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Some(c) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return Err(NameError::Character(c));
        }
        if !limits::NAME_LENGTH.contains(&text.len()) {
            return Err(NameError::Length(text.len()));
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(NameError::Hyphen);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for TunnelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Id of an exchange, unique on its link. On the wire as text: 16 lower-case hex digits; as bytes: 8, big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId(pub u64);

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ExchangeId {
    type Err = ExchangeIdError;

    fn from_str(text: &str) -> Result<Self, ExchangeIdError> {
        let hex = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let value = hex.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        value.map(Self).ok_or(ExchangeIdError)
    }
}

/// The text is not 16 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeIdError;

impl fmt::Display for ExchangeIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an exchange id is 16 lower-case hex digits")
    }
}

impl std::error::Error for ExchangeIdError {}

/// A forwarder's proof that a name is its own: 32 random bytes, as 64 hex digits on the wire. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnerSecret([u8; 32]);

impl OwnerSecret {
    /// A new secret from the operating system's random source.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The secret's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The form that goes into the handshake header.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Reads [`OwnerSecret::to_hex`]'s form; `None` when it is anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for OwnerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerSecret(..)")
    }
}

const ADJECTIVES: [&str; 64] = [
    "able", "agile", "amber", "apt", "azure", "bold", "brave", "brief", "bright", "brisk", "calm", "civil", "clear",
    "clever", "cosmic", "crisp", "deft", "eager", "early", "fair", "fancy", "fleet", "fond", "free", "fresh", "gentle",
    "glad", "golden", "grand", "happy", "hardy", "honest", "ideal", "jolly", "keen", "kind", "light", "lively",
    "loyal", "lucid", "lucky", "mellow", "merry", "mild", "modest", "neat", "nimble", "noble", "polite", "proud",
    "quick", "quiet", "rapid", "ready", "royal", "sharp", "silver", "smart", "snug", "solid", "sunny", "swift",
    "vivid", "warm",
];

const ANIMALS: [&str; 64] = [
    "badger", "bear", "beaver", "bee", "bison", "bobcat", "camel", "cat", "cobra", "condor", "coyote", "crab", "crane",
    "crow", "deer", "dingo", "dolphin", "dove", "duck", "eagle", "egret", "elk", "falcon", "ferret", "finch", "fox",
    "gecko", "goose", "hare", "hawk", "heron", "horse", "ibex", "jackal", "jaguar", "koala", "lark", "lemur", "lion",
    "llama", "lynx", "marten", "mole", "moose", "newt", "ocelot", "orca", "otter", "owl", "panda", "puffin", "puma",
    "quail", "rabbit", "raven", "robin", "salmon", "seal", "shark", "swan", "tiger", "turtle", "whale", "wolf",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_dns_label_of_3_to_40() {
        let longest = "a".repeat(40);
        for good in ["web", "a-1", "0ab", longest.as_str()] {
            assert_eq!(good.parse::<TunnelName>().map(|n| n.to_string()).as_deref(), Ok(good));
        }
        let too_long = "a".repeat(41);
        let cases = [
            ("ab", NameError::Length(2)),
            (too_long.as_str(), NameError::Length(41)),
            ("", NameError::Length(0)),
            ("Web", NameError::Character('W')),
            ("a.b.c", NameError::Character('.')),
            ("süß", NameError::Character('ü')),
            ("-web", NameError::Hyphen),
            ("web-", NameError::Hyphen),
        ];
        for (bad, why) in cases {
            assert_eq!(bad.parse::<TunnelName>(), Err(why), "{bad}");
        }
    }

    #[test]
    fn every_generated_name_is_one_that_would_be_accepted() {
        for n in 0..=255_u8 {
            for attempt in 0..20 {
                let seed = std::array::from_fn(|i| n.wrapping_mul(31).wrapping_add((i as u8).wrapping_mul(17)));
                let name = TunnelName::from_seed(&seed, attempt);
                assert_eq!(name.as_str().parse(), Ok(name.clone()));
            }
        }
    }

    #[test]
    fn an_exchange_id_survives_its_text_form_and_nothing_else_parses() {
        for n in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            assert_eq!(ExchangeId(n).to_string().parse(), Ok(ExchangeId(n)));
        }
        for bad in ["", "1", "0123456789ABCDEF", "0123456789abcdef0", "+123456789abcdef", "0123456789abcdeg"] {
            assert_eq!(bad.parse::<ExchangeId>(), Err(ExchangeIdError), "{bad}");
        }
    }

    #[test]
    fn an_owner_secret_survives_its_header_form_and_does_not_print() {
        let secret = OwnerSecret::random().expect("this machine has randomness");
        assert_eq!(OwnerSecret::from_hex(&secret.to_hex()), Some(secret.clone()));
        assert!(!format!("{secret:?}").contains(&secret.to_hex()));
        assert_eq!(OwnerSecret::from_hex("00"), None);
        assert_eq!(OwnerSecret::from_hex(&"zz".repeat(32)), None);
    }
}
