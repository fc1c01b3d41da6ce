//! curl reads the same answers through the tunnel as from the service itself, which is lighttpd for the most part.

use std::fs;

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::{Request, Response};
use tempfile::{TempDir, tempdir};

use crate::http::{Answer, curl};
use crate::lighttpd::Lighttpd;
use crate::noise::Noise;
use crate::service::{Service, whole};
use crate::tunnel::Tunnel;

const PAGE: &str = "A page that is worth compressing, line after line.\n";

/// A server of files and the tunnel to it.
struct Files {
    server: Lighttpd,
    tunnel: Tunnel,
    _folder: TempDir,
}

impl Files {
    async fn start() -> Result<Self> {
        let folder = tempdir()?;
        fs::write(folder.path().join("page.txt"), PAGE.repeat(400))?;
        fs::write(folder.path().join("noise.bin"), Noise::bytes(3_000_000))?;
        let server = Lighttpd::start(folder.path()).await?;
        let tunnel = Tunnel::to(server.address).await?;
        Ok(Self { server, tunnel, _folder: folder })
    }

    /// The answer through the tunnel, which is the same as the server's own.
    async fn same(&self, options: &[&str], path: &str) -> Result<Answer> {
        let through = curl(options, &format!("{}{path}", self.tunnel.url)).await?;
        let direct = curl(options, &format!("http://{}{path}", self.server.address)).await?;
        assert_eq!(through, direct, "{options:?} {path}");
        Ok(through)
    }
}

#[tokio::test]
async fn a_head_request_learns_the_length_and_gets_no_body() -> Result<()> {
    let answer = Files::start().await?.same(&["--head"], "/noise.bin").await?;
    assert_eq!(answer.header("content-length"), Some("3000000"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(answer.body, b"");
    Ok(())
}

#[tokio::test]
async fn ranges_are_answered_with_exactly_their_bytes() -> Result<()> {
    let (files, noise) = (Files::start().await?, Noise::bytes(3_000_000));
    let middle = files.same(&["--range", "70000-1234567"], "/noise.bin").await?;
    assert_eq!((middle.status, middle.body.as_slice()), (206, &noise[70_000..=1_234_567]));
    let range = middle.header("content-range");
    assert_eq!(range, Some("bytes 70000-1234567/3000000"));
    let end = files.same(&["--range", "-50"], "/noise.bin").await?;
    assert_eq!((end.status, end.body.as_slice()), (206, &noise[noise.len() - 50..]));
    let two = files.same(&["--range", "0-9,100-109"], "/noise.bin").await?;
    assert!(two.header("content-type").is_some_and(|kind| kind.starts_with("multipart/byteranges")));
    let beyond = files.same(&["--range", "3000000-"], "/noise.bin").await?;
    assert_eq!(beyond.status, 416);
    Ok(())
}

#[tokio::test]
async fn a_page_that_has_not_changed_is_not_sent_again() -> Result<()> {
    let files = Files::start().await?;
    let first = files.same(&[], "/page.txt").await?;
    let tag = first.header("etag").context("lighttpd sends an ETag")?;
    let condition = format!("If-None-Match: {tag}");
    let second = files.same(&["--header", &condition], "/page.txt").await?;
    assert_eq!((second.status, second.body.as_slice()), (304, &b""[..]));
    Ok(())
}

#[tokio::test]
async fn a_compressed_answer_stays_compressed_until_the_client_unpacks_it() -> Result<()> {
    let files = Files::start().await?;
    let packed = files.same(&["--header", "Accept-Encoding: gzip"], "/page.txt").await?;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.body[..2], [0x1f, 0x8b], "gzip's own mark");
    let unpacked = files.same(&["--compressed"], "/page.txt").await?;
    assert_eq!(unpacked.text(), PAGE.repeat(400));
    let plain = files.same(&[], "/page.txt").await?;
    assert_eq!(plain.header("content-encoding"), None);
    Ok(())
}

#[tokio::test]
async fn a_client_that_speaks_http2_from_the_start_is_understood() -> Result<()> {
    let files = Files::start().await?;
    let over_http2 = files.same(&["--http2-prior-knowledge"], "/noise.bin").await?;
    assert_eq!(over_http2.body, Noise::bytes(3_000_000));
    let plain = files.same(&[], "/noise.bin").await?;
    assert_eq!(over_http2, plain);
    Ok(())
}

#[tokio::test]
async fn the_services_own_errors_arrive_as_it_wrote_them() -> Result<()> {
    let files = Files::start().await?;
    let missing = files.same(&[], "/no/such/page?x=%2F&y").await?;
    assert_eq!(missing.status, 404);
    let refused = files.same(&["--request", "DELETE"], "/page.txt").await?;
    assert_eq!(refused.status, 501);
    Ok(())
}

#[tokio::test]
async fn a_head_with_many_cookies_goes_both_ways() -> Result<()> {
    // Applications that keep their state in cookies send back what they get, up to 32 KB of it.
    let service = Service::start(async |request: Request<Incoming>| {
        let mut response = Response::new(whole("thanks"));
        for cookie in request.headers().get_all("cookie") {
            response.headers_mut().append("set-cookie", cookie.clone());
        }
        response
    })
    .await?;
    let tunnel = Tunnel::to(service.address).await?;
    let cookies: Vec<_> = (0..8).map(|number| format!("c{number}={}", "x".repeat(4000))).collect();
    let lines = cookies.iter().map(|cookie| format!("Cookie: {cookie}"));
    let options: Vec<_> = lines.flat_map(|line| ["--header".to_owned(), line]).collect();
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let answer = curl(&options, &tunnel.url).await?;
    let back = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    let back: Vec<_> = back.map(|(_, value)| value.as_str()).collect();
    assert_eq!(back, cookies, "{} {}", answer.status, answer.text());
    Ok(())
}
