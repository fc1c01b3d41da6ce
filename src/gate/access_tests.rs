use super::*;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use aws_lc_rs::{encoding::AsDer, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::{Duration, UNIX_EPOCH};

const NOW: u64 = 1_800_000_000;
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn jwt(header: Value, claims: Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", b64(signature))
}

fn hs256_by(key: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    move |message| hmac::sign(&key, message).as_ref().to_vec()
}

fn hs256(claims: Value) -> String {
    jwt(json!({"alg": "HS256", "typ": "JWT"}), claims, hs256_by(SECRET.as_bytes()))
}

fn in_an_hour() -> Value {
    json!({"sub": "ana", "exp": NOW + 3600})
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn by_secret() -> AccessConfig {
    AccessConfig { jwt_secret: Some(Secret::new(SECRET)), ..AccessConfig::default() }
}

fn by_set(keys: Value) -> AccessConfig {
    AccessConfig { jwks: Some(json!({"keys": keys}).to_string()), ..AccessConfig::default() }
}

fn by_tokens(tokens: &[&str]) -> AccessConfig {
    AccessConfig { tokens: tokens.iter().map(|t| Secret::new(t)).collect(), ..AccessConfig::default() }
}

fn access(config: AccessConfig) -> Access {
    Access::new(config).unwrap_or_else(|e| panic!("{e}"))
}

fn admit_at(access: &Access, token: &str, name: Option<&str>, now: u64) -> Result<Grant, Denied> {
    let header = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    let name = name.map(|name| name.parse().unwrap());
    access.admit(Some(&header), name.as_ref(), UNIX_EPOCH + Duration::from_secs(now))
}

fn admit(access: &Access, token: &str) -> Result<Grant, Denied> {
    admit_at(access, token, Some("web"), NOW)
}

fn admit_header(access: &Access, header: &str) -> Result<Grant, Denied> {
    access.admit(Some(&HeaderValue::from_str(header).unwrap()), None, UNIX_EPOCH)
}

fn is_wrong(result: &Result<Grant, Denied>) -> bool {
    matches!(result, Err(Denied::Wrong(_)))
}

type Sign = dyn Fn(&[u8]) -> Vec<u8>;

/// A key pair of each accepted public algorithm, with its JWK.
struct Issuer {
    algorithm: &'static str,
    jwk: Value,
    sign: Box<Sign>,
}

impl Issuer {
    fn rs256(id: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let parts = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let jwk = json!({"kty": "RSA", "kid": id, "use": "sig", "alg": "RS256", "n": b64(parts.n), "e": b64(parts.e)});
        let sign = move |message: &[u8]| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
            signature
        };
        Self { algorithm: "RS256", jwk, sign: Box::new(sign) }
    }

    fn es256(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        let jwk = json!({"kty": "EC", "crv": "P-256", "kid": id, "x": b64(&point[1..33]), "y": b64(&point[33..])});
        let sign = move |message: &[u8]| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        Self { algorithm: "ES256", jwk, sign: Box::new(sign) }
    }

    fn eddsa(id: &str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": b64(pair.public_key())});
        Self { algorithm: "EdDSA", jwk, sign: Box::new(move |message| pair.sign(message).as_ref().to_vec()) }
    }

    fn token(&self, claims: Value) -> String {
        jwt(json!({"alg": self.algorithm, "kid": self.jwk["kid"]}), claims, &self.sign)
    }
}

#[test]
fn a_shared_token_admits_to_any_name_and_another_one_does_not() {
    let access = access(by_tokens(&["first", "second"]));
    let first = admit(&access, "first").unwrap();
    assert!(first.allows(&"any-name".parse().unwrap()));
    assert_eq!(admit_at(&access, "first", None, NOW).unwrap(), first);
    assert_ne!(admit(&access, "second").unwrap().subject, first.subject);
    for wrong in ["firs", "first1", "FIRST", "third", "a.b.c"] {
        assert!(is_wrong(&admit(&access, wrong)), "{wrong}");
    }
}

#[test]
fn only_a_bearer_header_is_looked_at() {
    let access = access(by_tokens(&["first"]));
    assert!(admit_header(&access, "bearer  first ").is_ok());
    for header in ["first", "Basic first", "Bearer", "Bearer ", "Bearerfirst"] {
        assert!(is_wrong(&admit_header(&access, header)), "{header}");
    }
    assert_eq!(access.admit(None, None, UNIX_EPOCH), Err(Denied::Missing));
    let odd = HeaderValue::from_bytes(b"Bearer \xff").unwrap();
    assert!(is_wrong(&access.admit(Some(&odd), None, UNIX_EPOCH)));
}

#[test]
fn open_admits_anyone_and_any_header() {
    let access = access(AccessConfig { open: true, ..AccessConfig::default() });
    assert!(access.admit(None, None, UNIX_EPOCH).is_ok());
    assert!(admit_header(&access, "Basic whatever").is_ok());
}

#[test]
fn a_configuration_that_is_empty_contradictory_or_broken_admits_nobody_and_says_why() {
    let set = |json: &str| AccessConfig { jwks: Some(json.into()), ..AccessConfig::default() };
    let short = AccessConfig { jwt_secret: Some(Secret::new("short")), ..AccessConfig::default() };
    let off_curve = by_set(json!([{"kty": "EC", "crv": "P-256", "kid": "k1", "x": b64([1; 32]), "y": b64([1; 32])}]));
    let small = by_set(json!([{"kty": "RSA", "n": b64([0x81; 128]), "e": "AQAB"}]));
    let cases = [
        (AccessConfig::default(), "no token"),
        (AccessConfig { open: true, ..by_tokens(&["t"]) }, "both open"),
        (by_tokens(&["good", ""]), "token 2"),
        (by_tokens(&["two words"]), "token 1"),
        (short, "5 bytes"),
        (set(""), "JWK set is broken: not a JSON"),
        (set("[]"), "list `keys`"),
        (set(r#"{"keys": []}"#), "no public key"),
        (off_curve, r#"key 1 ("k1"): `x` and `y` are no point"#),
        (small, "2048 bits"),
        (by_set(json!([{"kty": "RSA", "n": "!", "e": "AQAB"}])), "key 1: `n`"),
        (by_set(json!([{"kty": "OKP", "crv": "Ed25519"}])), "`x` is missing"),
        (by_set(json!([{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}])), "no Ed25519 key"),
        (by_set(json!([{"kty": "oct", "k": b64(SECRET)}])), "does not belong among public keys"),
        (by_set(json!([{"kty": "EC", "crv": "P-521", "x": "", "y": ""}])), "no public key"),
    ];
    for (config, says) in cases {
        let error = Access::new(config).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains(says), "{says}: {error}");
    }
}

#[test]
fn a_jwt_by_the_secret_admits_and_its_sub_is_the_subject() {
    let access = access(by_secret());
    let grant = admit(&access, &hs256(in_an_hour())).unwrap();
    assert_eq!(grant, Grant { subject: "sub:ana".into(), names: None });
    let renewed = admit(&access, &hs256(with(in_an_hour(), "exp", json!(NOW + 7200)))).unwrap();
    assert_eq!(renewed.subject, grant.subject);
    let odd = admit(&access, &hs256(with(in_an_hour(), "sub", json!("a\nb")))).unwrap();
    assert!(odd.subject.starts_with("sub-hash:"));
}

#[test]
fn jwts_of_every_public_algorithm_are_verified_by_the_key_set() {
    let issuers = [Issuer::rs256("a"), Issuer::es256("b"), Issuer::eddsa("c")];
    let access = access(by_set(issuers.iter().map(|i| i.jwk.clone()).collect()));
    for issuer in &issuers {
        assert!(admit(&access, &issuer.token(in_an_hour())).is_ok(), "{}", issuer.algorithm);
        let unnamed = jwt(json!({"alg": issuer.algorithm}), in_an_hour(), &issuer.sign);
        assert!(admit(&access, &unnamed).is_ok(), "{} without kid", issuer.algorithm);
        let elsewhere = jwt(json!({"alg": issuer.algorithm, "kid": "z"}), in_an_hour(), &issuer.sign);
        assert!(is_wrong(&admit(&access, &elsewhere)), "{} with another kid", issuer.algorithm);
    }
    for stranger in [Issuer::rs256("a"), Issuer::es256("b"), Issuer::eddsa("c")] {
        assert!(is_wrong(&admit(&access, &stranger.token(in_an_hour()))), "a stranger's {}", stranger.algorithm);
    }
}

#[test]
fn a_key_set_is_used_with_what_can_be_used_of_it() {
    let issuer = Issuer::es256("new");
    let for_encryption = json!({"kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB"});
    let unknown = json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AQAB"});
    let access = access(by_set(json!([for_encryption, unknown, Issuer::es256("old").jwk, issuer.jwk])));
    assert!(admit(&access, &issuer.token(in_an_hour())).is_ok());
    let unnamed = jwt(json!({"alg": "ES256"}), in_an_hour(), &issuer.sign);
    assert!(admit(&access, &unnamed).is_ok(), "each key of the algorithm is tried");
}

#[test]
fn an_unsigned_jwt_is_refused_however_it_says_so() {
    let access = access(by_secret());
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let bare = jwt(json!({"alg": alg}), in_an_hour(), |_| Vec::new());
        assert!(is_wrong(&admit(&access, &bare)), "{alg}");
        let signed = jwt(json!({"alg": alg}), in_an_hour(), hs256_by(SECRET.as_bytes()));
        assert!(is_wrong(&admit(&access, &signed)), "{alg}, signed");
    }
    let stripped = jwt(json!({"alg": "HS256"}), in_an_hour(), |_| Vec::new());
    assert!(is_wrong(&admit(&access, &stripped)));
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let parts = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    let jwk = json!({"kty": "RSA", "kid": "a", "n": b64(&parts.n), "e": b64(&parts.e)});
    let der = parts.as_der().unwrap().as_ref().to_vec();
    let body: Vec<_> = base64::engine::general_purpose::STANDARD.encode(&der).into_bytes();
    let lines: Vec<_> = body.chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
    let known =
        [parts.n.clone(), der, pem.clone().into_bytes(), pem.trim().as_bytes().to_vec(), jwk.to_string().into_bytes()];
    for config in [by_set(json!([jwk])), AccessConfig { jwt_secret: Some(Secret::new(SECRET)), ..by_set(json!([jwk])) }]
    {
        let access = access(config);
        for secret in &known {
            let forged = jwt(json!({"alg": "HS256", "kid": "a"}), in_an_hour(), hs256_by(secret));
            assert!(is_wrong(&admit(&access, &forged)));
        }
    }
}

#[test]
fn a_token_cannot_bring_its_own_key_or_demand_extensions() {
    let trusted = Issuer::es256("a");
    let stranger = Issuer::es256("a");
    let access = access(by_set(json!([trusted.jwk])));
    let header = json!({"alg": "ES256", "kid": "a", "jwk": stranger.jwk});
    assert!(is_wrong(&admit(&access, &jwt(header, in_an_hour(), &stranger.sign))));
    let critical = json!({"alg": "ES256", "kid": "a", "crit": ["b64"], "b64": false});
    assert!(is_wrong(&admit(&access, &jwt(critical, in_an_hour(), &trusted.sign))));
}

#[test]
fn a_changed_byte_anywhere_is_refused() {
    let access = access(by_secret());
    let token = hs256(in_an_hour());
    // The last character carries two bits that base64 does not use.
    for at in 0..token.len() - 1 {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(admit(&access, std::str::from_utf8(&bytes).unwrap()).is_err(), "at {at}");
    }
}

#[test]
fn times_are_honoured_with_a_minute_for_clocks_that_differ() {
    let access = access(by_secret());
    let until = |exp: Value| admit(&access, &hs256(json!({"exp": exp})));
    assert!(until(json!(NOW - 59)).is_ok());
    assert_eq!(until(json!(NOW - 60)), Err(Denied::Expired));
    assert_eq!(until(json!(-1)), Err(Denied::Expired));
    assert!(until(json!(NOW as f64 + 0.5)).is_ok());
    for odd in [json!("1900000000"), json!(null), json!([NOW + 60])] {
        assert!(is_wrong(&until(odd.clone())), "{odd}");
    }
    assert!(is_wrong(&admit(&access, &hs256(json!({"sub": "ana"})))), "without exp");
    let from = |nbf: Value| admit(&access, &hs256(with(in_an_hour(), "nbf", nbf)));
    assert!(from(json!(NOW + 60)).is_ok());
    assert!(is_wrong(&from(json!(NOW + 61))));
    assert!(is_wrong(&from(json!("now"))));
}

#[test]
fn audience_and_issuer_are_wanted_where_they_are_configured() {
    let config = AccessConfig { audience: Some("tunnels".into()), issuer: Some("idp".into()), ..by_secret() };
    let access_limited = access(config);
    let claims = with(with(in_an_hour(), "aud", json!(["x", "tunnels"])), "iss", json!("idp"));
    assert!(admit(&access_limited, &hs256(claims.clone())).is_ok());
    assert!(is_wrong(&admit(&access_limited, &hs256(with(claims.clone(), "aud", json!("others"))))));
    assert!(is_wrong(&admit(&access_limited, &hs256(with(claims, "iss", json!("other"))))));
    assert!(is_wrong(&admit(&access_limited, &hs256(in_an_hour()))));
    let elsewhere = with(in_an_hour(), "aud", json!("some-other-api"));
    assert!(is_wrong(&admit(&access(by_secret()), &hs256(elsewhere))), "a token for somebody else");
}

#[test]
fn a_jwt_may_be_limited_to_names() {
    let access = access(by_secret());
    let token = hs256(with(in_an_hour(), "names", json!(["web", "ana-*", "*-dev"])));
    for good in ["web", "ana-1", "my-dev"] {
        assert!(admit_at(&access, &token, Some(good), NOW).is_ok(), "{good}");
    }
    for bad in ["web2", "ana", "bana-1", "my-dev2"] {
        let denied = admit_at(&access, &token, Some(bad), NOW).unwrap_err();
        assert_eq!(denied.status(), StatusCode::FORBIDDEN);
        let says = format!("the token is not for the name {bad}: choose with --name one of web, ana-*, *-dev");
        assert_eq!(denied.to_string(), says);
    }
    let denied = admit_at(&access, &token, None, NOW).unwrap_err();
    assert_eq!(denied.to_string(), "the token is for certain names only: choose with --name one of web, ana-*, *-dev");
}

#[test]
fn a_star_alone_is_any_name_and_an_empty_list_none() {
    let access = access(by_secret());
    let limited = |names: Value| hs256(with(in_an_hour(), "names", names));
    assert!(admit_at(&access, &limited(json!(["web", "*"])), None, NOW).is_ok());
    let denied = admit(&access, &limited(json!([]))).unwrap_err();
    assert!(matches!(denied, Denied::NotForName { .. }), "{denied}");
    assert!(admit_at(&access, &limited(json!([])), None, NOW).is_err());
}

#[test]
fn a_limit_on_names_that_cannot_be_read_is_no_licence() {
    let access = access(by_secret());
    for names in
        [json!(null), json!("web"), json!({"web": true}), json!([1]), json!(["w*b"]), json!(["**"]), json!([""])]
    {
        let result = admit(&access, &hs256(with(in_an_hour(), "names", names.clone())));
        assert!(is_wrong(&result), "{names}: {result:?}");
    }
}

#[test]
fn a_refusal_says_what_to_do_and_never_quotes_the_token() {
    let access = access(AccessConfig { tokens: vec![Secret::new("known")], ..by_secret() });
    let expired = hs256(json!({"exp": 1}));
    for token in ["hunter2", expired.as_str(), "eyJhbGciOiJub25lIn0.e30.", "a.b.c"] {
        let denied = admit(&access, token).unwrap_err();
        assert_eq!(denied.status(), StatusCode::UNAUTHORIZED);
        let text = format!("{denied} {denied:?}");
        assert!(token.split('.').filter(|p| p.len() > 1).all(|part| !text.contains(part)), "{text}");
        assert!(text.contains("--token") || text.contains("operator"), "{text}");
    }
    let many = Denied::NotForName { asked: None, allowed: vec![NamePattern::parse("x-*").unwrap(); 20] };
    assert!(many.to_string().ends_with("x-* and 12 more"));
}
