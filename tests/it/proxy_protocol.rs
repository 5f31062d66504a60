//! The client behind a load balancer that forwards bytes, told by the PROXY protocol.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::client::{Client, ask, metric};
use crate::support::config::Folder;
use crate::support::gateway::TestGateway;
use crate::support::upstream::Upstream;
use crate::support::within;

const BODY: &str = r#"{"action_id":"1.2.3"}"#;
/// Loopback is the balancer, and may not send anything itself.
const BALANCER: &str = "ranges = [\"192.0.2.0/24\"]\ntrusted_proxies = [\"127.0.0.1/32\"]";

/// A gateway with the PROXY protocol on, whose `[allowlist]` is `allowlist`; `more` goes in front.
async fn gateway(upstream: &Upstream, allowlist: &str, more: &str) -> TestGateway {
    let folder = Folder::with_route(upstream.address);
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let text = text.replace("[listen]\n", "[listen]\nproxy_protocol = true\n");
    let text = text.replace("ranges = [\"127.0.0.1/32\"]", allowlist);
    folder.write(&format!("{more}\n{text}"));
    TestGateway::start(folder).await
}

/// Version 2, for an IPv4 client.
fn binary(command: u8, client: [u8; 4], fields: &[u8]) -> Vec<u8> {
    let length = u16::try_from(12 + fields.len()).unwrap().to_be_bytes();
    let head = [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[command, 0x11], &length].concat();
    [&head[..], &client, &[127, 0, 0, 1, 0, 80, 1, 187], fields].concat()
}

fn text(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 127.0.0.1 56324 443\r\n").into_bytes()
}

async fn connect(gateway: &TestGateway, header: &[u8]) -> io::Result<Client> {
    let mut stream = TcpStream::connect(gateway.gateway.address()).await?;
    stream.write_all(header).await?;
    Client::try_connect_on(stream, &gateway.folder.certificate).await
}

#[tokio::test]
async fn the_client_of_a_header_is_asked_for_in_the_list_before_tls() {
    let upstream = Upstream::away().await;
    let gateway = gateway(&upstream, BALANCER, "").await;
    let checksum = [3, 0, 4, 1, 2, 3, 4];
    for header in [
        text("192.0.2.7"),
        binary(0x21, [192, 0, 2, 7], &[]),
        binary(0x21, [192, 0, 2, 7], &checksum),
    ] {
        let mut client = connect(&gateway, &header).await.unwrap();
        assert_eq!(client.post_json(BODY).await.status(), 200, "{header:?}");
    }
    for header in [
        text("203.0.113.9"),
        binary(0x21, [203, 0, 113, 9], &[]),
        // The balancer itself, which is not in the list.
        binary(0x20, [192, 0, 2, 7], &[]),
        b"PROXY UNKNOWN\r\n".to_vec(),
        text("192.0.2.7")[..20].to_vec(),
        text("nobody"),
        Vec::new(),
    ] {
        assert!(connect(&gateway, &header).await.is_err(), "{header:?}");
    }
    metric(gateway.admin(), "postgate_connections_refused_total{reason=\"proxy_header\"} 3").await;
    metric(gateway.admin(), "postgate_connections_refused_total{reason=\"address\"} 4").await;
    let (_, counted) = ask(gateway.admin(), "/metrics").await;
    assert!(!counted.contains("postgate_handshake_failures_total{"), "{counted}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_header_of_anybody_else_is_no_way_in() {
    let upstream = Upstream::away().await;
    let proxy = "trusted_proxies = [\"192.0.2.1\"]";
    let direct = gateway(&upstream, &format!("ranges = [\"127.0.0.1\"]\n{proxy}"), "").await;
    let mut plain = connect(&direct, b"").await.unwrap();
    assert_eq!(plain.post_json(BODY).await.status(), 200, "none is asked for");
    assert!(connect(&direct, &text("127.0.0.1")).await.is_err(), "it is no TLS");
    direct.stop().await;

    let closed = gateway(&upstream, &format!("ranges = [\"192.0.2.7\"]\n{proxy}"), "").await;
    assert!(connect(&closed, &text("192.0.2.7")).await.is_err());
    closed.stop().await;

    // Without TLS the header is no request either.
    let list = format!("ranges = [\"127.0.0.1\"]\n{proxy}");
    let plain = gateway(&upstream, &list, "tls.mode = \"off\"").await;
    for header in [text("127.0.0.1"), binary(0x21, [127, 0, 0, 1], &[])] {
        let mut stream = TcpStream::connect(plain.gateway.address()).await.unwrap();
        let request = "POST /postback/actions HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(&[&header, request.as_bytes()].concat()).await.unwrap();
        let mut answer = Vec::new();
        drop(within("the end", stream.read_to_end(&mut answer)).await);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    }
    plain.stop().await;
}

#[tokio::test]
async fn places_are_counted_for_the_client_and_not_for_the_balancer() {
    let upstream = Upstream::away().await;
    let one = "limits.connections_per_address = 1";
    let gateway = gateway(&upstream, BALANCER, one).await;
    let first = connect(&gateway, &text("192.0.2.7")).await.unwrap();
    let _other = connect(&gateway, &text("192.0.2.8")).await.expect("another client");
    assert!(connect(&gateway, &text("192.0.2.7")).await.is_err(), "one past the limit");
    drop(first);
    within("a place", async { while connect(&gateway, &text("192.0.2.7")).await.is_err() {} })
        .await;
    gateway.stop().await;
}

/// HAProxy, until dropped.
struct Balancer(Child);

impl Drop for Balancer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// HAProxy in front of the gateway, speaking this version. Its socket is ours, given to it as its
/// stdin, so that the kernel chooses the port. `None` where it is not installed.
fn haproxy(gateway: SocketAddr, folder: &Folder, option: &str) -> Option<(Balancer, SocketAddr)> {
    let config = format!(
        "defaults\n mode tcp\n timeout connect 1m\n timeout client 1m\n timeout server 1m\n\
         listen front\n bind fd@0\n server gateway {gateway} {option}\n"
    );
    std::fs::write(folder.path("haproxy.cfg"), config).unwrap();
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(folder.path("haproxy.cfg"));
    command.env("PATH", "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin");
    match command.stdin(Stdio::from(OwnedFd::from(socket))).stderr(Stdio::null()).spawn() {
        Ok(child) => Some((Balancer(child), address)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn haproxy_is_understood_in_both_versions() {
    let upstream = Upstream::away().await;
    let list = "ranges = [\"127.0.0.2/32\"]\ntrusted_proxies = [\"127.0.0.1/32\"]";
    let gateway = gateway(&upstream, list, "").await;
    for option in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"]
    {
        let Some((_balancer, front)) = haproxy(gateway.gateway.address(), &gateway.folder, option)
        else {
            eprintln!("HAProxy is not installed: not tested");
            break;
        };
        // All of 127.0.0.0/8 is this machine: two senders, of which one is in the list.
        for (from, allowed) in [("127.0.0.2:0", true), ("127.0.0.3:0", false)] {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(from.parse().unwrap()).unwrap();
            let stream = within("HAProxy", socket.connect(front)).await.unwrap();
            let client = Client::try_connect_on(stream, &gateway.folder.certificate).await;
            assert_eq!(client.is_ok(), allowed, "{option} {from}: {:?}", client.err());
            if let Ok(mut client) = client {
                assert_eq!(client.post_json(BODY).await.status(), 200);
            }
        }
    }
    gateway.stop().await;
}
