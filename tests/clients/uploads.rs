//! Uploads with curl: what the client asks first, what the service refuses early, and what it says in between.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use tempfile::{TempDir, tempdir};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::http::{Answer, curl};
use crate::noise::Noise;
use crate::service::{Body, Service, whole};
use crate::tunnel::Tunnel;

/// No client waits that long: an answer that depends on it is a failed one.
const ALWAYS_ASK: [&str; 4] = ["--header", "Expect: 100-continue", "--expect100-timeout", "3600"];
const NEVER_ASK: [&str; 2] = ["--header", "Expect:"];

/// Uploads a file through the tunnel.
async fn upload(service: &Service, options: &[&str], file: &Path) -> Result<Answer> {
    let tunnel = Tunnel::to(service.address).await?;
    let file = file.to_str().context("test files have plain names")?;
    let options = [options, &["--upload-file", file]].concat();
    curl(&options, &format!("{}/upload", tunnel.url)).await
}

fn file_of(length: usize) -> Result<(TempDir, PathBuf)> {
    let folder = tempdir()?;
    let file = folder.path().join("file");
    fs::write(&file, Noise::bytes(length))?;
    Ok((folder, file))
}

/// Says whether the upload was the expected noise, and how it was announced.
async fn examine(request: Request<Incoming>) -> Response<Body> {
    let announced = |name| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
    let (length, expectation) = (announced("content-length"), announced("expect"));
    let mut noise = Noise::start();
    let verdict = match request.into_body().collect().await {
        Ok(body) => noise.expect(&body.to_bytes()).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    Response::new(whole(format!(
        "{verdict:?}, {} bytes, announced {length:?}, expectation {expectation:?}",
        noise.position()
    )))
}

#[tokio::test]
async fn a_client_that_asks_before_it_uploads_is_told_to_continue() -> Result<()> {
    let service = Service::start(examine).await?;
    let (_folder, file) = file_of(300_000)?;
    let answer = upload(&service, &ALWAYS_ASK, &file).await?;
    assert_eq!((answer.status, &answer.interim), (200, &vec![100]));
    assert!(answer.text().starts_with("Ok(()), 300000 bytes, announced Some(\"300000\")"), "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn a_client_that_asks_before_it_uploads_may_be_refused() -> Result<()> {
    let refuse = |_| async {
        let mut answer = Response::new(whole("not today"));
        *answer.status_mut() = StatusCode::FORBIDDEN;
        answer
    };
    let service = Service::start(refuse).await?;
    let (_folder, file) = file_of(300_000)?;
    let answer = upload(&service, &ALWAYS_ASK, &file).await?;
    assert_eq!((answer.status, answer.text().as_str()), (403, "not today"));
    Ok(())
}

#[tokio::test]
async fn an_empty_upload_is_an_upload() -> Result<()> {
    let service = Service::start(examine).await?;
    let (_folder, file) = file_of(0)?;
    let answer = upload(&service, &[], &file).await?;
    assert_eq!(answer.text(), "Ok(()), 0 bytes, announced Some(\"0\"), expectation None");
    Ok(())
}

#[tokio::test]
async fn http2_uploads_arrive_whole() -> Result<()> {
    let service = Service::start(examine).await?;
    let (_folder, file) = file_of(5_000_000)?;
    let options = ["--http2-prior-knowledge"];
    let answer = upload(&service, &options, &file).await?;
    assert!(answer.text().starts_with("Ok(()), 5000000 bytes"), "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn a_service_that_refuses_a_large_upload_early_is_heard() -> Result<()> {
    const REFUSAL: &[u8] =
        b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 17\r\n\r\n10 MB at the most";
    let service = Service::of_connections(|stream| async {
        let mut stream = after_head(stream).await?;
        stream.write_all(REFUSAL).await?;
        stream.shutdown().await?;
        // It reads nothing more: whoever insists on sending all of the upload waits for ever.
        std::future::pending().await
    })
    .await?;
    let folder = tempdir()?;
    let file = folder.path().join("zeros");
    File::create(&file)?.set_len(200_000_000)?;
    let answer = upload(&service, &NEVER_ASK, &file).await?;
    assert_eq!((answer.status, answer.text().as_str()), (413, "10 MB at the most"));
    Ok(())
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_upload_does_not_disturb_the_upload() -> Result<()> {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\nI have enough";
    let service = Service::of_connections(|stream| async {
        let mut stream = after_head(stream).await?;
        stream.write_all(ANSWER).await?;
        // As RFC 9112 (9.6) wants it: reading goes on, so that the client is not cut off before it has read the answer.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
        Ok(())
    })
    .await?;
    let folder = tempdir()?;
    let file = folder.path().join("zeros");
    File::create(&file)?.set_len(20_000_000)?;
    let answer = upload(&service, &NEVER_ASK, &file).await?;
    assert_eq!((answer.status, answer.text().as_str()), (200, "I have enough"));
    Ok(())
}

#[tokio::test]
async fn early_hints_do_not_take_the_place_of_the_answer() -> Result<()> {
    const ANSWER: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Part: last\r\n\r\npage";
    let service = Service::of_connections(|stream| async {
        let mut stream = after_head(stream).await?;
        stream.write_all(ANSWER).await?;
        stream.shutdown().await?;
        Ok(())
    })
    .await?;
    let tunnel = Tunnel::to(service.address).await?;
    let answer = curl(&[], &tunnel.url).await?;
    assert_eq!((answer.status, answer.text().as_str()), (200, "page"));
    assert_eq!(answer.header("x-part"), Some("last"));
    // Handed on or dropped, both are right; to make them part of the answer is not.
    assert!(answer.interim.iter().all(|&status| status == 103), "{answer:?}");
    assert_eq!(answer.header("link"), None);
    Ok(())
}

/// Reads the head of a request and nothing of its body that it need not.
async fn after_head(stream: TcpStream) -> Result<BufReader<TcpStream>> {
    let mut stream = BufReader::with_capacity(1, stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 2 {
        line.clear();
    }
    Ok(stream)
}
