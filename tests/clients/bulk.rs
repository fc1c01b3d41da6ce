//! One gibibyte down and up with curl, every byte checked, nothing kept.

use std::process::Stdio;

use anyhow::{Context, Result};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::noise::Noise;
use crate::process::command;
use crate::service::{Body, Service, streamed, whole};
use crate::tunnel::Tunnel;

const GIBIBYTE: u64 = 1 << 30;
const QUIET: [&str; 5] = ["--silent", "--show-error", "--fail", "--max-time", "300"];

#[tokio::test(flavor = "multi_thread")]
async fn a_download_of_one_gibibyte_arrives_whole() -> Result<()> {
    let service = Service::start(download).await?;
    let tunnel = Tunnel::to(service.address).await?;
    let mut curl = command("curl").args(QUIET).arg(&tunnel.url).stdout(Stdio::piped()).spawn()?;
    let mut body = curl.stdout.take().context("piped above")?;
    let (mut noise, mut buffer) = (Noise::start(), vec![0; 256 * 1024]);
    loop {
        match body.read(&mut buffer).await? {
            0 => break,
            read => noise.expect(&buffer[..read])?,
        }
    }
    assert_eq!(noise.position(), GIBIBYTE);
    assert!(curl.wait().await?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_one_gibibyte_and_unknown_length_arrives_whole() -> Result<()> {
    let service = Service::start(upload).await?;
    let tunnel = Tunnel::to(service.address).await?;
    let mut curl = command("curl")
        .args(QUIET)
        .args(["--upload-file", "-", &tunnel.url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut body = curl.stdin.take().context("piped above")?;
    let mut noise = Noise::start();
    while noise.position() < GIBIBYTE {
        body.write_all(noise.next(usize::MAX)).await?;
    }
    drop(body);
    let answer = curl.wait_with_output().await?;
    assert!(answer.status.success());
    assert_eq!(String::from_utf8(answer.stdout)?, format!("{GIBIBYTE} bytes, all right"));
    Ok(())
}

async fn download(_: Request<Incoming>) -> Response<Body> {
    let (mut sender, body) = streamed();
    tokio::spawn(async move {
        let mut noise = Noise::start();
        while noise.position() < GIBIBYTE {
            let piece = Bytes::copy_from_slice(noise.next(usize::MAX));
            if sender.send_data(piece).await.is_err() {
                eprintln!("service: the reader left after {} bytes", noise.position());
                return;
            }
        }
    });
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_LENGTH, GIBIBYTE.into());
    response
}

async fn upload(request: Request<Incoming>) -> Response<Body> {
    let verdict = match check(request.into_body()).await {
        Ok(length) => format!("{length} bytes, all right"),
        Err(error) => format!("{error:#}"),
    };
    Response::new(whole(verdict))
}

async fn check(mut body: Incoming) -> Result<u64> {
    let mut noise = Noise::start();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            noise.expect(&data)?;
        }
    }
    Ok(noise.position())
}
