//! `forwarder FOLDER`: the files of a folder, and nothing outside it.

use std::fs;

use anyhow::{Context, Result};
use tempfile::{TempDir, tempdir};

use crate::http::{Answer, curl};
use crate::noise::Noise;
use crate::tunnel::Tunnel;

const SECRET: &str = "not for visitors";

/// A folder on the public URL, beside a file that is not part of it.
struct Folder {
    tunnel: Tunnel,
    _around: TempDir,
}

impl Folder {
    async fn share() -> Result<Self> {
        let around = tempdir()?;
        fs::write(around.path().join("secret.txt"), SECRET)?;
        let folder = around.path().join("site");
        fs::create_dir_all(folder.join("guide"))?;
        fs::write(folder.join("index.html"), "<h1>Start</h1>")?;
        fs::write(folder.join("guide/index.html"), "<h1>Guide</h1>")?;
        fs::write(folder.join("größe & mehr.txt"), "odd name")?;
        fs::write(folder.join("noise.bin"), Noise::bytes(3_000_000))?;
        for file in ["a.css", "a.js", "a.json", "a.png", "a.svg", "a.wasm"] {
            fs::write(folder.join(file), "content")?;
        }
        let tunnel = Tunnel::to_folder(&folder).await?;
        Ok(Self { tunnel, _around: around })
    }

    async fn call(&self, options: &[&str], path: &str) -> Result<Answer> {
        let options = [&["--path-as-is"], options].concat();
        curl(&options, &format!("{}{path}", self.tunnel.url)).await
    }
}

#[tokio::test]
async fn a_folder_is_answered_with_its_index_page() -> Result<()> {
    let folder = Folder::share().await?;
    let start = folder.call(&[], "/").await?;
    assert_eq!((start.status, start.text().as_str()), (200, "<h1>Start</h1>"));
    let guide = folder.call(&[], "/guide/").await?;
    assert_eq!((guide.status, guide.text().as_str()), (200, "<h1>Guide</h1>"));
    let without_slash = folder.call(&["--location"], "/guide").await?;
    assert!((300..400).contains(&without_slash.status), "relative links in the page need the slash: {without_slash:?}");
    let location = without_slash.header("location").context("a redirect says where to")?;
    assert!(location.ends_with("/guide/"), "{location}");
    Ok(())
}

#[tokio::test]
async fn a_file_is_sent_with_its_length_and_type() -> Result<()> {
    let folder = Folder::share().await?;
    let types = [
        ("/", "text/html"),
        ("/a.css", "text/css"),
        ("/a.js", "text/javascript"),
        ("/a.json", "application/json"),
        ("/a.png", "image/png"),
        ("/a.svg", "image/svg+xml"),
        ("/a.wasm", "application/wasm"),
        ("/noise.bin", "application/octet-stream"),
        ("/gr%C3%B6%C3%9Fe%20%26%20mehr.txt?v=1", "text/plain"),
    ];
    for (path, expected) in types {
        let file = folder.call(&[], path).await?;
        let kind = file.header("content-type").unwrap_or_default();
        assert_eq!((file.status, kind.split(';').next()), (200, Some(expected)), "{path}");
        let length = file.header("content-length").context("a file has a length")?;
        assert_eq!(length.parse(), Ok(file.body.len()), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_part_of_a_file_is_sent_to_who_asks_for_a_range() -> Result<()> {
    let (folder, noise) = (Folder::share().await?, Noise::bytes(3_000_000));
    let all = folder.call(&[], "/noise.bin").await?;
    assert!(all.body == noise, "not the file");
    let part = folder.call(&["--range", "1000000-1999999"], "/noise.bin").await?;
    assert_eq!(part.status, 206);
    assert_eq!(part.header("content-range"), Some("bytes 1000000-1999999/3000000"));
    assert!(part.body == noise[1_000_000..2_000_000], "not the part asked for");
    let end = folder.call(&["--range", "2999000-"], "/noise.bin").await?;
    assert_eq!((end.status, end.body.as_slice()), (206, &noise[2_999_000..]));
    let beyond = folder.call(&["--range", "3000000-"], "/noise.bin").await?;
    assert_eq!(beyond.status, 416);
    Ok(())
}

#[tokio::test]
async fn a_file_that_has_not_changed_is_not_sent_again() -> Result<()> {
    let folder = Folder::share().await?;
    let head = folder.call(&["--head"], "/noise.bin").await?;
    assert_eq!((head.status, head.header("content-length")), (200, Some("3000000")));
    let modified = head.header("last-modified").context("a file has a date")?;
    let condition = format!("If-Modified-Since: {modified}");
    let again = folder.call(&["--header", &condition], "/noise.bin").await?;
    assert_eq!((again.status, again.body.len()), (304, 0));
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_there_is_not_changed() -> Result<()> {
    let folder = Folder::share().await?;
    assert_eq!(folder.call(&[], "/missing.html").await?.status, 404);
    assert_eq!(folder.call(&[], "/guide/missing/").await?.status, 404);
    for method in ["PUT", "DELETE", "PATCH"] {
        let refused = folder.call(&["--request", method, "--data", "new"], "/index.html").await?;
        assert!(matches!(refused.status, 405 | 501), "{method}: {refused:?}");
    }
    assert_eq!(folder.call(&[], "/").await?.text(), "<h1>Start</h1>");
    Ok(())
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder() -> Result<()> {
    let folder = Folder::share().await?;
    let ways = [
        "/../secret.txt",
        "/guide/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/guide/..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "/%252e%252e/secret.txt",
        "//../secret.txt",
        "/./../secret.txt",
        "/..%00/secret.txt",
        "/guide/%2e%2e/%2e%2e/secret.txt",
    ];
    for way in ways {
        let answer = folder.call(&[], way).await?;
        assert!((300..500).contains(&answer.status), "{way}: {answer:?}");
        assert!(!answer.text().contains(SECRET), "{way}: {answer:?}");
    }
    Ok(())
}
