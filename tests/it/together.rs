//! Keys that make sense only together: a reload takes all of them, or none.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::certs::Authority;
use crate::support::client::{Client, ask, handshake, metric, post};
use crate::support::config::Folder;
use crate::support::process::Process;
use crate::support::upstream::Upstream;
use crate::support::within;

const BODY: &str = r#"{"action_id":"1.2.3"}"#;
const LOOPBACK: &str = "ranges = [\"127.0.0.1/32\"]";
const BALANCER: &str = "ranges = [\"192.0.2.0/24\"]\ntrusted_proxies = [\"127.0.0.1/32\"]";
const LISTEN: &str = "[listen]\n";
const SPOKEN: &str = "[listen]\nproxy_protocol = true\n";

/// The status of a request that says who its client is.
async fn forged(client: &mut Client) -> u16 {
    let mut request = post("/postback/actions", "application/json", BODY);
    request.headers_mut().insert("x-forwarded-for", "192.0.2.7".parse().unwrap());
    client.send(request).await.status().as_u16()
}

/// A connection that its balancer announces.
async fn announced(address: SocketAddr, folder: &Folder) -> Client {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"PROXY TCP4 192.0.2.7 127.0.0.1 56324 443\r\n").await.unwrap();
    Client::try_connect_on(stream, &folder.certificate).await.unwrap()
}

#[tokio::test]
async fn a_balancer_is_believed_by_what_it_says_from_now_on_and_by_nothing_else() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let write = |listen: &str, list: &str| {
        folder.write(&text.replace(LISTEN, listen).replace(LOOPBACK, list));
    };
    let gateway = Process::run(&folder.config());
    let address = gateway.address;
    let mut open = Client::connect(address, &folder.certificate).await;
    assert_eq!(forged(&mut open).await, 200, "its own address is on the list");

    // In one step a peer becomes a balancer, and balancers speak the PROXY protocol.
    write(SPOKEN, BALANCER);
    gateway.signal("HUP");
    assert_eq!(gateway.logged("listen.proxy_protocol was switched")["now"], "on");
    metric(gateway.admin, "postgate_reloads_total{outcome=\"done\"} 1").await;
    assert_eq!(forged(&mut open).await, 403, "a header that came past the balancer");
    assert!(open.try_send(post("/postback/actions", "application/json", BODY)).await.is_err());
    assert!(handshake(address, &folder.certificate, b"http/1.1").await.is_err());
    let mut spoken = announced(address, &folder).await;
    assert_eq!(spoken.post_json(BODY).await.status(), 200);

    write(LISTEN, BALANCER);
    gateway.signal("HUP");
    assert_eq!(gateway.logged("listen.proxy_protocol was switched")["now"], "off");
    metric(gateway.admin, "postgate_reloads_total{outcome=\"done\"} 2").await;
    assert_eq!(spoken.post_json(BODY).await.status(), 403, "its header counts no longer");
    assert_eq!(forged(&mut Client::connect(address, &folder.certificate).await).await, 200);
}

/// Whether somebody without a certificate is answered, in clear text.
async fn is_answered(address: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "HEAD /postback/actions HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    drop(stream.write_all(request.as_bytes()).await);
    let mut answer = Vec::new();
    drop(within("the end of the connection", stream.read_to_end(&mut answer)).await);
    !answer.is_empty()
}

#[tokio::test]
async fn a_list_for_whoever_shows_a_certificate_waits_until_they_can_be_asked() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let text = text.replace(LOOPBACK, "ranges = [\"192.0.2.0/24\"]");
    let off = format!("tls.mode = \"off\"\n{text}");
    let open = text.replace("[allowlist]\n", "[allowlist]\nallow_any = true\n");
    let asks = format!("tls.client_ca = \"clients.pem\"\n{open}");
    std::fs::write(folder.path("clients.pem"), Authority::new().pem()).unwrap();
    folder.write(&off);
    let gateway = Process::run(&folder.config());
    assert!(!is_answered(gateway.address).await);

    let public = open.replace("127.0.0.1:0", "127.0.0.2:0");
    let public = format!("tls.mode = \"off\"\n{public}");
    for (key, both) in [("tls.mode", &asks), ("listen.address", &public)] {
        folder.write(both);
        gateway.signal("HUP");
        let refused = gateway.logged("configuration not reloaded");
        let problem = refused["problem"].as_str().unwrap();
        assert!(problem.starts_with(key) && problem.contains("restart postgate"), "{problem}");
        assert_eq!(refused["level"], "ERROR");
        metric(gateway.admin, "postgate_reload_failed 1").await;
        assert_eq!(ask(gateway.admin, "/readyz").await.0, 200);
        assert!(!is_answered(gateway.address).await, "{key}");

        // Without the key the rest is taken.
        folder.write(&off.replace("192.0.2.0/24", "127.0.0.0/8"));
        gateway.signal("HUP");
        metric(gateway.admin, "postgate_reload_failed 0").await;
        assert!(is_answered(gateway.address).await);
        folder.write(&off);
        gateway.signal("HUP");
        gateway.logged("allowlist changed");
        within("the list of before", async { while is_answered(gateway.address).await {} }).await;
    }

    folder.write(&asks);
    gateway.kill();
    let gateway = Process::run(&folder.config());
    // TLS 1.3 tells a client what it lacks after its handshake.
    let client = Client::try_connect(gateway.address, &folder.certificate).await;
    if let Ok(mut client) = client {
        assert!(
            client.try_send(post("/postback/actions", "application/json", BODY)).await.is_err()
        );
    }
}
