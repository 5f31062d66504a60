//! Every form of a header, whole, cut off, and wrong.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::*;

const V4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];

/// A header of version 2.
fn binary_header(command: u8, transport: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [BINARY, &[command, transport], &length, block].concat()
}

/// The addresses of version 2 for TCP over IPv6.
fn v6(source: &str) -> Vec<u8> {
    let source: Ipv6Addr = source.parse().unwrap();
    [&source.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0, 1, 0, 2]].concat()
}

/// A field of version 2.
fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind], &u16::try_from(value.len()).unwrap().to_be_bytes()[..], value].concat()
}

fn client(text: &str) -> Announced {
    Announced::Client(text.parse().unwrap())
}

/// Good headers, and what they say.
fn good() -> Vec<(Vec<u8>, Announced)> {
    let longest = "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                   ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    assert_eq!(longest.len(), MOST_TEXT, "the worst case of the document");
    let mut good: Vec<_> = [
        ("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", client("192.0.2.7")),
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n", client("255.255.255.255")),
        ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", client("2001:db8::1")),
        ("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", client("192.0.2.7")),
        ("PROXY UNKNOWN\r\n", Announced::Itself),
        ("PROXY UNKNOWN whatever it says\r\n", Announced::Itself),
        (longest, Announced::Itself),
    ]
    .map(|(text, announced)| (text.as_bytes().to_vec(), announced))
    .into();
    let fields = [field(0x02, b"shop.example"), field(0x04, &[]), field(0xea, &[7; 300])].concat();
    let most = field(0x04, &vec![0; MOST_BINARY - 16 - V4.len() - 3]);
    good.extend([
        (binary_header(0x21, 0x11, &V4), client("192.0.2.7")),
        (binary_header(0x21, 0x11, &[&V4[..], &fields].concat()), client("192.0.2.7")),
        (binary_header(0x21, 0x11, &[&V4[..], &most].concat()), client("192.0.2.7")),
        (binary_header(0x21, 0x21, &v6("2001:db8::1")), client("2001:db8::1")),
        (binary_header(0x21, 0x21, &v6("::ffff:192.0.2.7")), client("192.0.2.7")),
        (binary_header(0x20, 0x00, &[]), Announced::Itself),
        (binary_header(0x20, 0x11, &V4), Announced::Itself),
        (binary_header(0x20, 0xff, b"whatever it says"), Announced::Itself),
    ]);
    good
}

#[test]
fn a_whole_header_is_read_and_what_follows_left() {
    for (bytes, announced) in good() {
        let header = Header { announced, bytes: bytes.len() };
        assert_eq!(parse(&bytes), Ok(Some(header)), "{bytes:?}");
        let followed = [&bytes[..], b"\x16\x03\x01"].concat();
        assert_eq!(parse(&followed), Ok(Some(header)), "{followed:?}");
    }
}

#[test]
fn every_truncation_waits_for_more() {
    for (bytes, _) in good() {
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Ok(None), "{:?}", &bytes[..end]);
        }
    }
}

#[test]
fn a_line_that_is_not_to_the_letter_is_refused() {
    for line in [
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 \r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 1\r\n",
        "PROXY TCP4  192.0.2.7 198.51.100.1 56324 443\r\n",
        "PROXY TCP4\t192.0.2.7 198.51.100.1 56324 443\r\n",
        "PROXY  TCP4 192.0.2.7 198.51.100.1 56324 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 056324 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 +1 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1 -1\r\n",
        "PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7 nobody 1 2\r\n",
        "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY TCP6 [2001:db8::1] ::1 1 2\r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP5 192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY tcp4 192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY UNKNOWN\n",
        "PROXY \r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\0\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1 \u{662}\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(Malformed::Line), "{line:?}");
    }
    assert_eq!(parse(b"PROXY UNKNOWN \xff\r\n"), Err(Malformed::Line));
}

#[test]
fn a_line_past_its_limit_is_refused_before_its_end() {
    let mut line = format!("PROXY UNKNOWN {}", "x".repeat(MOST_TEXT - 14));
    assert_eq!(line.len(), MOST_TEXT);
    assert_eq!(parse(line.as_bytes()), Err(Malformed::TooLong));
    line.truncate(MOST_TEXT - 1);
    assert_eq!(parse(line.as_bytes()), Ok(None), "a line break may come");
}

#[test]
fn whatever_else_comes_first_is_no_header() {
    for bytes in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b" PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY\tTCP4",
        b"\r\n\r\n\0\r\nQUIT\r",
        b"\r\n\r\nG",
        b"\0",
    ] {
        assert_eq!(parse(bytes), Err(Malformed::Missing), "{bytes:?}");
    }
}

#[test]
fn a_binary_header_that_cannot_be_relied_on_is_refused() {
    let long = |value: usize| [&V4[..], &field(0x04, &vec![0; value])].concat();
    for (bytes, expected) in [
        (binary_header(0x22, 0x11, &V4), Malformed::Command),
        (binary_header(0x2f, 0x11, &V4), Malformed::Command),
        (binary_header(0x11, 0x11, &V4), Malformed::Command),
        (binary_header(0x01, 0x11, &V4), Malformed::Command),
        (binary_header(0x31, 0x11, &V4), Malformed::Command),
        (binary_header(0x21, 0x00, &[]), Malformed::NoAddress),
        (binary_header(0x21, 0x01, &V4), Malformed::NoAddress),
        (binary_header(0x21, 0x10, &V4), Malformed::Transport),
        (binary_header(0x21, 0x31, &[0; 216]), Malformed::NoAddress),
        (binary_header(0x21, 0x32, &[0; 216]), Malformed::NoAddress),
        (binary_header(0x21, 0x12, &V4), Malformed::Transport),
        (binary_header(0x21, 0x22, &v6("::1")), Malformed::Transport),
        (binary_header(0x21, 0x13, &V4), Malformed::Transport),
        (binary_header(0x21, 0x41, &V4), Malformed::Transport),
        (binary_header(0x21, 0x11, &[]), Malformed::Length),
        (binary_header(0x21, 0x11, &V4[..11]), Malformed::Length),
        (binary_header(0x21, 0x21, &v6("::1")[..35]), Malformed::Length),
        (binary_header(0x21, 0x21, &V4), Malformed::Length),
        (binary_header(0x21, 0x11, &[&V4[..], &[4]].concat()), Malformed::Length),
        (binary_header(0x21, 0x11, &[&V4[..], &[4, 0]].concat()), Malformed::Length),
        (binary_header(0x21, 0x11, &[&V4[..], &[4, 0, 1]].concat()), Malformed::Length),
        (binary_header(0x21, 0x11, &long(MOST_BINARY - 16 - V4.len() - 2)), Malformed::TooLong),
        (binary_header(0x20, 0x00, &[0; MOST_BINARY - 15]), Malformed::TooLong),
    ] {
        assert_eq!(parse(&bytes), Err(expected), "{bytes:?}");
    }
    // Refused by its first 16 bytes: nobody waits for 64 KiB.
    let huge = [BINARY, &[0x21, 0x11, 0xff, 0xff]].concat();
    assert_eq!(parse(&huge), Err(Malformed::TooLong));
}

proptest! {
    #[test]
    fn a_verdict_never_changes_with_more_bytes(
        start in prop_oneof![Just(&b"PROXY "[..]), Just(BINARY), Just(&b""[..])],
        rest in proptest::collection::vec(any::<u8>(), 0..200),
        more in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let bytes = [start, &rest].concat();
        let longer = [&bytes[..], &more].concat();
        match parse(&bytes) {
            Ok(None) => {}
            verdict => prop_assert_eq!(parse(&longer), verdict),
        }
    }
}

/// A connection on which these bytes come, one write each, and then an end.
async fn sent(pieces: &[&[u8]], deadline: Instant) -> (Result<Announced, HeaderError>, Vec<u8>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (mut near, mut far) = (near.unwrap(), far.unwrap().0);
    near.set_nodelay(true).unwrap();
    let send = async {
        for piece in pieces {
            near.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        near.shutdown().await.unwrap();
    };
    let (read, ()) = tokio::join!(read(&mut far, deadline), send);
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).await.unwrap();
    (read, rest)
}

#[tokio::test]
async fn not_a_byte_is_read_beyond_the_header() {
    let deadline = Instant::now() + std::time::Duration::from_mins(1);
    for (bytes, announced) in good() {
        let followed = [&bytes[..], b"hello"].concat();
        let halves = followed.split_at(bytes.len() / 2);
        let single: Vec<&[u8]> = followed.chunks(1).take(200).collect();
        for pieces in [&[&followed[..]][..], &[halves.0, halves.1], &single] {
            if pieces.concat() != followed {
                continue;
            }
            let (read, rest) = sent(pieces, deadline).await;
            assert_eq!(read.unwrap(), announced);
            assert_eq!(rest, b"hello");
        }
        let cut = &bytes[..bytes.len() - 1];
        assert!(matches!(sent(&[cut], deadline).await.0, Err(HeaderError::Ended(_))));
    }
    let refused = sent(&[b"GET / HTTP/1.1\r\n\r\n"], deadline).await.0;
    assert!(matches!(refused, Err(HeaderError::Malformed(Malformed::Missing))));
}

#[tokio::test]
async fn a_header_is_not_waited_for_beyond_the_deadline() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (mut near, mut far) = (near.unwrap(), far.unwrap().0);
    near.write_all(b"PROXY TCP4 192.0.2.7").await.unwrap();
    let deadline = Instant::now() + std::time::Duration::from_millis(20);
    assert!(matches!(read(&mut far, deadline).await, Err(HeaderError::TooSlow)));
}
