//! What the head of an answer has to say, and what it must not (RFC 9110).

use tokio::net::TcpStream;

use super::{Last, case, gateway, said};

/// What must come of one request.
struct Answer {
    /// Its first line.
    request: &'static str,
    status: &'static str,
    has: &'static [&'static str],
    lacks: &'static [&'static str],
    /// `None`: a problem in JSON, which is tested where it is made.
    body: Option<&'static str>,
}

const LENGTH: &str = "content-length";
const TYPE: &str = "content-type";
/// 15.5.6 and 9.3.7: what may be asked instead.
const ALLOW: &str = "allow: GET, POST, HEAD, OPTIONS";

const ANSWERS: [Answer; 7] = [
    Answer {
        request: "GET / HTTP/1.1",
        status: "200 OK",
        has: &["content-length: 2", "content-type: text/plain; charset=utf-8"],
        lacks: &["transfer-encoding"],
        body: Some("OK"),
    },
    // 9.3.2: the same without its body, and 8.6: no length that would be another.
    Answer {
        request: "HEAD / HTTP/1.1",
        status: "200 OK",
        has: &["content-type: text/plain; charset=utf-8"],
        lacks: &["content-length: 0"],
        body: Some(""),
    },
    // 8.6: 204 has no length.
    Answer {
        request: "OPTIONS / HTTP/1.1",
        status: "204 No Content",
        has: &[ALLOW],
        lacks: &[LENGTH, TYPE],
        body: Some(""),
    },
    Answer {
        request: "OPTIONS * HTTP/1.1",
        status: "204 No Content",
        has: &[],
        lacks: &[LENGTH, TYPE],
        body: Some(""),
    },
    Answer {
        request: "DELETE / HTTP/1.1",
        status: "405 Method Not Allowed",
        has: &[ALLOW, LENGTH, "content-type: application/problem+json"],
        lacks: &["transfer-encoding"],
        body: None,
    },
    Answer {
        request: "HEAD /nowhere HTTP/1.1",
        status: "404 Not Found",
        has: &["content-type: application/problem+json"],
        lacks: &["content-length: 0"],
        body: Some(""),
    },
    // Made where no handler of ours is.
    Answer {
        request: "GET * HTTP/1.1",
        status: "400 Bad Request",
        has: &["content-length: 0"],
        lacks: &["transfer-encoding"],
        body: Some(""),
    },
];

#[tokio::test]
async fn an_answer_says_what_it_has_to() {
    let gateway = gateway("off").await;
    for answer in ANSWERS {
        let request = answer.request;
        let bytes = format!("{request}\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(gateway.gateway.address()).await.unwrap();
        let said = said(&case(request, bytes, Last(0)), &mut stream).await;
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        assert_eq!(lines.next(), Some(&*format!("HTTP/1.1 {}", answer.status)), "{request}");
        let fields: Vec<&str> = lines.collect();
        let has = |start: &str| fields.iter().any(|field| field.starts_with(start));
        // 6.6.1, and RFC 9112, 9.6.
        for start in ["date: ", "connection: close"].iter().chain(answer.has) {
            assert!(has(start), "{request}: no {start} in {fields:?}");
        }
        for start in answer.lacks {
            assert!(!has(start), "{request}: {start} in {fields:?}");
        }
        assert!(answer.body.is_none_or(|whole| body == whole), "{request}: {body:?}");
    }
    gateway.stop().await;
}
