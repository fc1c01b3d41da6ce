//! The relay always has a whole certificate: a new one replaces it at once, a broken one never does.

use crate::limits;
use anyhow::{Context, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// Where certificate and key are, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those between it and the root.
    pub cert: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
}

/// TLS whose certificate follows its files.
pub struct Reloading {
    files: TlsFiles,
    seen: Stamp,
    served: Arc<Served>,
    acceptor: TlsAcceptor,
}

/// Reads `files` and makes TLS of them, for HTTP/2 and HTTP/1.1.
///
/// # Errors
/// A file cannot be read or has no certificate or key, or the key belongs to another certificate.
pub fn acceptor(files: &TlsFiles) -> anyhow::Result<Reloading> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    // Before reading, so that a change while reading is seen as one.
    let seen = Stamp::of(files);
    let served = Arc::new(Served { key: RwLock::new(Arc::new(read(files, &provider)?)), provider: provider.clone() });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("the TLS versions of this build do not fit its cryptography")?
        .with_no_client_auth()
        .with_cert_resolver(served.clone());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Reloading { files: files.clone(), seen, served, acceptor: TlsAcceptor::from(Arc::new(config)) })
}

impl Reloading {
    /// Accepts connections with the certificate of the moment, also once [`Reloading::watch`] has begun.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Takes up changed files until `shutdown`.
    pub async fn watch(self, shutdown: impl Future<Output = ()>) {
        self.watch_every(limits::CERTIFICATE_CHECK, shutdown).await;
    }

    async fn watch_every(mut self, interval: Duration, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = &mut shutdown => return,
            }
            // Files are read where they block nobody; this fails only when the runtime itself is going down.
            let Ok(watcher) = tokio::task::spawn_blocking(move || self.look()).await else { return };
            self = watcher;
        }
    }

    /// Reads the files if they have changed since the last look, whether that was in vain or not: a broken certificate
    /// is reported once.
    fn look(mut self) -> Self {
        let now = Stamp::of(&self.files);
        if now == self.seen {
            return self;
        }
        self.seen = now;
        match read(&self.files, &self.served.provider) {
            Ok(key) => {
                self.served.replace(key);
                tracing::info!(cert = %self.files.cert.display(), "new TLS certificate in use");
            }
            Err(error) => tracing::error!("new TLS certificate not usable, the old one stays in use: {error:#}"),
        }
        self
    }
}

fn read(files: &TlsFiles, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let (cert, key) = (files.cert.display(), files.key.display());
    let pem = fs::read(&files.cert).with_context(|| format!("cannot read the certificate {cert}"))?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.with_context(|| format!("{cert} is not a PEM file"))?;
    if chain.is_empty() {
        bail!("there is no certificate in {cert}");
    }
    let pem = fs::read(&files.key).with_context(|| format!("cannot read the private key {key}"))?;
    let private = PrivateKeyDer::from_pem_slice(&pem).with_context(|| format!("there is no private key in {key}"))?;
    CertifiedKey::from_der(chain, private, provider)
        .with_context(|| format!("the certificate in {cert} and the private key in {key} do not go together"))
}

/// The certificate of the moment. The lock is held for a copy of a pointer, never while reading a file.
#[derive(Debug)]
struct Served {
    key: RwLock<Arc<CertifiedKey>>,
    provider: Arc<CryptoProvider>,
}

impl Served {
    fn replace(&self, key: CertifiedKey) {
        *self.key.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(key);
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone())
    }
}

/// What tells one state of the files from the next: size and time of change of both.
#[derive(PartialEq, Eq)]
struct Stamp([Option<(u64, SystemTime)>; 2]);

impl Stamp {
    fn of(files: &TlsFiles) -> Self {
        let stamp = |path: &Path| fs::metadata(path).and_then(|file| Ok((file.len(), file.modified()?))).ok();
        Self([stamp(&files.cert), stamp(&files.key)])
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
