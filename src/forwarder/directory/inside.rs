//! A path is opened only when it is inside the directory, not hidden, and a file or directory.

use std::fs::Metadata;
use std::future::Future;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use tower_http::services::fs::{Backend, TokioBackend};

/// The directory that is served, with all symbolic links on the way to it resolved.
#[derive(Clone, Debug)]
pub(super) struct Inside {
    root: Arc<Path>,
}

impl Inside {
    /// Fails when there is no such directory.
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        let root = directory.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { root: root.into() })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the path really leads, and what is there. What may not be seen is not found.
    pub(super) fn resolve(&self, path: &Path) -> io::Result<(PathBuf, Metadata)> {
        let real = path.canonicalize()?;
        let visible = self.shows(path) && self.shows(&real);
        let metadata = real.metadata()?;
        // A pipe would be waited for, a device may never end.
        if visible && (metadata.is_file() || metadata.is_dir()) {
            Ok((real, metadata))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn shows(&self, path: &Path) -> bool {
        path.strip_prefix(&self.root).is_ok_and(|below| {
            below.components().all(|part| match part {
                Component::Normal(name) => !name.as_encoded_bytes().starts_with(b".") || name == ".well-known",
                _ => false,
            })
        })
    }
}

type Answer<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl Backend for Inside {
    type File = <TokioBackend as Backend>::File;
    type Metadata = Metadata;
    type OpenFuture = Answer<Self::File>;
    type MetadataFuture = Answer<Metadata>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        let resolving = self.clone();
        Box::pin(async move {
            let (real, _) = tokio::task::spawn_blocking(move || resolving.resolve(&path)).await??;
            TokioBackend.open(real).await
        })
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let resolving = self.clone();
        Box::pin(async move {
            let (_, metadata) = tokio::task::spawn_blocking(move || resolving.resolve(&path)).await??;
            Ok(metadata)
        })
    }
}
