//! A JWT is believed when a key of ours, chosen by the token's algorithm and never by its wish alone, has signed it.
//!
//! Each key is bound to one algorithm when it is read, so that no token can have a public key taken for a secret.

use super::{AccessConfig, AccessError, Denied, Grant, NamePattern, hash, short};
use crate::limits;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::{SystemTime, UNIX_EPOCH};

type Claims = Map<String, Value>;

/// The keys by which JWTs are verified, and what else they must say.
pub(super) struct Keys {
    keys: Vec<Key>,
    audience: Option<String>,
    issuer: Option<String>,
}

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    verifies: DecodingKey,
}

impl Keys {
    pub(super) fn new(config: &AccessConfig) -> Result<Self, AccessError> {
        let mut keys = match &config.jwks {
            Some(json) => read_set(json).map_err(AccessError::Jwks)?,
            None => Vec::new(),
        };
        if let Some(secret) = &config.jwt_secret {
            let secret = secret.expose().as_bytes();
            if secret.len() < limits::JWT_SECRET {
                return Err(AccessError::JwtSecret(secret.len()));
            }
            keys.push(Key { id: None, algorithm: Algorithm::HS256, verifies: DecodingKey::from_secret(secret) });
        }
        Ok(Self { keys, audience: config.audience.clone(), issuer: config.issuer.clone() })
    }

    pub(super) fn verify(&self, token: &str, now: SystemTime) -> Result<Grant, Denied> {
        if self.keys.is_empty() || token.split('.').count() != 3 {
            return Err(Denied::Wrong("it is none of those that this gate knows"));
        }
        let header = decode_header(token)
            .map_err(|_| Denied::Wrong("its header cannot be read or names an algorithm that is not accepted"))?;
        if header.crit.is_some() {
            return Err(Denied::Wrong("its header demands extensions (`crit`) that this gate does not have"));
        }
        let mut refused = Denied::Wrong("this gate has no key for its algorithm and key id (`kid`)");
        for key in self.keys.iter().filter(|key| key.may_have_signed(&header)) {
            match decode::<Claims>(token, &key.verifies, &self.validation(key.algorithm)) {
                Ok(verified) => return grant(token, &verified.claims, now),
                Err(error) => refused = denied(error.kind()),
            }
        }
        Err(refused)
    }

    /// Signature, audience and issuer; the times are checked in [`grant`], by the caller's clock. A token with an
    /// audience is refused where none is configured (RFC 7519 §4.1.3): it was made for somebody else.
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        let required = [self.audience.as_ref().map(|_| "aud"), self.issuer.as_ref().map(|_| "iss")];
        validation.set_required_spec_claims(&required.into_iter().flatten().collect::<Vec<_>>());
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
        }
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
        }
        validation
    }
}

impl Key {
    /// A key without an id is for every key id, a token without one for every key of its algorithm.
    fn may_have_signed(&self, header: &Header) -> bool {
        let same_id = self.id.is_none() || header.kid.is_none() || self.id == header.kid;
        self.algorithm == header.alg && same_id
    }
}

fn denied(kind: &ErrorKind) -> Denied {
    Denied::Wrong(match kind {
        ErrorKind::InvalidSignature => "its signature is not by a key of this gate",
        ErrorKind::InvalidAudience => "it is meant for another audience (`aud`)",
        ErrorKind::InvalidIssuer => "it comes from another issuer (`iss`)",
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "aud" => "it has no audience (`aud`)",
            _ => "it has no issuer (`iss`)",
        },
        _ => "it is malformed",
    })
}

fn grant(token: &str, claims: &Claims, now: SystemTime) -> Result<Grant, Denied> {
    let now = now.duration_since(UNIX_EPOCH).map_err(|_| Denied::Wrong("this gate's clock is wrong"))?.as_secs_f64();
    let skew = limits::CLOCK_SKEW.as_secs_f64();
    if now >= number(claims, "exp")?.ok_or(Denied::Wrong("it has no expiry (`exp`)"))? + skew {
        return Err(Denied::Expired);
    }
    if number(claims, "nbf")?.is_some_and(|begin| now + skew < begin) {
        return Err(Denied::Wrong("it is not valid yet (`nbf`)"));
    }
    Ok(Grant { subject: subject(token, claims), names: names(claims)? })
}

fn number(claims: &Claims, name: &str) -> Result<Option<f64>, Denied> {
    let number = |value: &Value| value.as_f64().ok_or(Denied::Wrong("its `exp` or `nbf` is not a number"));
    claims.get(name).map(number).transpose()
}

/// A subject goes into logs and tables, so one that is long or odd is replaced by its hash.
fn subject(token: &str, claims: &Claims) -> String {
    match claims.get("sub").and_then(Value::as_str) {
        Some(sub) if sub.len() <= 64 && sub.bytes().all(|b| b.is_ascii_graphic()) => format!("sub:{sub}"),
        Some(sub) => format!("sub-hash:{}", short(&hash(sub))),
        None => format!("jwt:{}", short(&hash(token))),
    }
}

/// The names that the token is limited to. A limit that cannot be read is no licence: the token is refused.
fn names(claims: &Claims) -> Result<Option<Vec<NamePattern>>, Denied> {
    let Some(claim) = claims.get("names") else { return Ok(None) };
    let patterns = claim.as_array().and_then(|list| {
        let pattern = |item: &Value| NamePattern::parse(item.as_str()?);
        list.iter().map(pattern).collect::<Option<Vec<_>>>()
    });
    let patterns =
        patterns.ok_or(Denied::Wrong("its `names` is not a list such as [\"web\", \"ana-*\", \"*-dev\"]"))?;
    Ok(if patterns.iter().any(NamePattern::is_any) { None } else { Some(patterns) })
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

/// The members of a JSON Web Key that matter here (RFC 7517 §4, RFC 7518 §6).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Keys of kinds that are not accepted are passed over, as RFC 7517 §5 wants; a broken key of an accepted kind is an
/// error, since its owner believes it to work.
fn read_set(json: &str) -> Result<Vec<Key>, String> {
    let set: JwkSet = serde_json::from_str(json).map_err(|e| format!("not a JSON object with a list `keys`: {e}"))?;
    let mut keys = Vec::new();
    for (i, jwk) in set.keys.into_iter().enumerate() {
        let id = jwk.kid.as_ref().map(|id| format!(" ({id:?})")).unwrap_or_default();
        keys.extend(jwk.read().map_err(|what| format!("key {}{id}: {what}", i + 1))?);
    }
    if keys.is_empty() {
        return Err("it holds no public key for RS256, ES256 (P-256) or EdDSA (Ed25519)".to_owned());
    }
    Ok(keys)
}

impl Jwk {
    fn read(self) -> Result<Option<Key>, &'static str> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Ok(None);
        }
        let (algorithm, verifies) = match (self.kty.as_str(), self.crv.as_deref(), self.alg.as_deref()) {
            ("RSA", _, None | Some("RS256")) => (Algorithm::RS256, self.rsa()?),
            ("EC", Some("P-256"), None | Some("ES256")) => (Algorithm::ES256, self.p256()?),
            ("OKP", Some("Ed25519"), None | Some("EdDSA" | "Ed25519")) => (Algorithm::EdDSA, self.ed25519()?),
            ("oct", ..) => return Err("a secret does not belong among public keys, give it as the JWT secret"),
            _ => return Ok(None),
        };
        Ok(Some(Key { id: self.kid, algorithm, verifies }))
    }

    fn rsa(&self) -> Result<DecodingKey, &'static str> {
        let (n, e) =
            (member(&self.n, "`n` is missing or not base64url")?, member(&self.e, "`e` is missing or not base64url")?);
        // Some issuers write the sign byte of their big integers along.
        let n: Vec<u8> = n.into_iter().skip_while(|byte| *byte == 0).collect();
        if n.len() < limits::RSA_MODULUS {
            return Err("an RSA key needs 2048 bits or more");
        }
        let parts = RsaPublicKeyComponents { n: &n, e: &e };
        parts.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).map_err(|_| "`n` and `e` are no RSA key")?;
        Ok(DecodingKey::from_rsa_raw_components(&n, &e))
    }

    fn p256(&self) -> Result<DecodingKey, &'static str> {
        let (x, y) =
            (member(&self.x, "`x` is missing or not base64url")?, member(&self.y, "`y` is missing or not base64url")?);
        // An uncompressed point, as SEC 1 §2.3.3 writes it.
        let point = [&[4], &x[..], &y[..]].concat();
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).map_err(|_| "`x` and `y` are no point on P-256")?;
        Ok(DecodingKey::from_ec_der(&point))
    }

    fn ed25519(&self) -> Result<DecodingKey, &'static str> {
        let x = member(&self.x, "`x` is missing or not base64url")?;
        ParsedPublicKey::new(&ED25519, &x).map_err(|_| "`x` is no Ed25519 key")?;
        Ok(DecodingKey::from_ed_der(&x))
    }
}

fn member(text: &Option<String>, otherwise: &'static str) -> Result<Vec<u8>, &'static str> {
    text.as_ref().and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()).ok_or(otherwise)
}
