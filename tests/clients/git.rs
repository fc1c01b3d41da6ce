//! `git clone` and `git push` over smart HTTP: afterwards both repositories hold the same objects.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::{TempDir, tempdir};

use crate::lighttpd::Lighttpd;
use crate::noise::Noise;
use crate::process::{command, run};
use crate::tunnel::Tunnel;

/// A repository with some megabytes of history on a server.
struct Hosted {
    repository: PathBuf,
    server: Lighttpd,
    folder: TempDir,
}

impl Hosted {
    async fn start() -> Result<Self> {
        let folder = tempdir()?;
        let repository = folder.path().join("project.git");
        git(folder.path(), &["init", "--quiet", "--bare", "project.git"]).await?;
        git(&repository, &["config", "http.receivepack", "true"]).await?;
        let work = folder.path().join("work");
        git(folder.path(), &["clone", "--quiet", "project.git", "work"]).await?;
        for number in 1..=4 {
            commit(&work, number).await?;
        }
        git(&work, &["tag", "--annotate", "--message=first", "v1"]).await?;
        git(&work, &["push", "--quiet", "origin", "main", "main:other", "v1"]).await?;
        let server = Lighttpd::start(folder.path()).await?;
        Ok(Self { repository, server, folder })
    }

    /// Clones from a server; returns the clone.
    async fn clone(&self, url: &str, name: &str) -> Result<PathBuf> {
        let url = format!("{url}/git/project.git");
        git(self.folder.path(), &["clone", "--quiet", &url, name]).await?;
        let clone = self.folder.path().join(name);
        git(&clone, &["fsck", "--full", "--strict"]).await?;
        Ok(clone)
    }
}

/// Adds a file that does not compress and a few small ones.
async fn commit(work: &Path, number: usize) -> Result<()> {
    let large = Noise::bytes(number * 1_000_000);
    fs::write(work.join("large.bin"), &large[large.len() - 1_000_000..])?;
    for small in 0..20 {
        fs::write(work.join(format!("small-{small}")), format!("{small} in {number}\n"))?;
    }
    git(work, &["add", "."]).await?;
    git(work, &["commit", "--quiet", &format!("--message=no. {number}")]).await?;
    Ok(())
}

/// Git with nobody's settings but ours.
async fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let mut git = command("git");
    git.args(["-c", "init.defaultBranch=main", "-c", "user.name=Ana", "-c", "user.email=ana@example.com"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0");
    Ok(String::from_utf8(run(&mut git).await?)?)
}

/// Every object of a repository: its name, which is the hash of its content, its kind and its size.
async fn objects(repository: &Path) -> Result<Vec<String>> {
    let list = ["cat-file", "--batch-all-objects", "--batch-check"];
    let mut objects: Vec<_> = git(repository, &list).await?.lines().map(str::to_owned).collect();
    objects.sort();
    Ok(objects)
}

#[tokio::test]
async fn a_clone_through_the_tunnel_holds_the_objects_of_a_direct_one() -> Result<()> {
    let hosted = Hosted::start().await?;
    let tunnel = Tunnel::to(hosted.server.address).await?;
    let direct = hosted.clone(&format!("http://{}", hosted.server.address), "direct").await?;
    let through = hosted.clone(&tunnel.url, "through").await?;
    let expected = objects(&hosted.repository).await?;
    assert!(expected.len() > 90, "{} objects", expected.len());
    assert_eq!(objects(&through).await?, expected);
    assert_eq!(objects(&direct).await?, expected);
    Ok(())
}

#[tokio::test]
async fn a_push_through_the_tunnel_stores_every_object() -> Result<()> {
    let hosted = Hosted::start().await?;
    let tunnel = Tunnel::to(hosted.server.address).await?;
    let clone = hosted.clone(&tunnel.url, "clone").await?;
    // Over a mebibyte git sends the pack in chunks, without a length.
    for number in 5..=7 {
        commit(&clone, number).await?;
    }
    git(&clone, &["push", "--quiet", "origin", "main", "main:new"]).await?;
    git(&clone, &["push", "--quiet", "origin", "--delete", "other"]).await?;
    git(&hosted.repository, &["fsck", "--full", "--strict"]).await?;
    assert_eq!(objects(&hosted.repository).await?, objects(&clone).await?);
    let branches = git(&hosted.repository, &["branch", "--format=%(refname:short)"]).await?;
    assert_eq!(branches, "main\nnew\n");

    commit(&clone, 8).await?;
    git(&clone, &["push", "--quiet"]).await?;
    let fetched = hosted.clone(&tunnel.url, "second").await?;
    assert_eq!(objects(&fetched).await?, objects(&clone).await?);
    Ok(())
}
