//! `postgate spool`, by the real binary: with a running gateway and on the file of one that was
//! killed.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use serde_json::Value;

use crate::support::client::{Client, id_in, post};
use crate::support::config::{Folder, ROUTE};
use crate::support::process::{Process, output, postgate};
use crate::support::upstream::{Answer, Upstream};

/// A folder whose gateway can be asked: the admin port is known before.
pub(crate) fn folder(upstream: &Upstream, route: &str) -> Folder {
    let folder = Folder::new(upstream.address, route);
    // Loopback is wide: at an address of its own nobody takes the port before the gateway does, or
    // while it is being started again.
    let own = Ipv4Addr::new(127, fastrand::u8(1..), fastrand::u8(..), fastrand::u8(1..255));
    let free = TcpListener::bind((own, 0)).unwrap().local_addr().unwrap();
    let file = std::fs::read_to_string(folder.config()).unwrap();
    let admin = format!("[admin]\naddress = \"{free}\"");
    folder.write(&file.replace("[admin]\naddress = \"127.0.0.1:0\"", &admin));
    folder
}

/// What the command prints, and whether it ends well.
pub(crate) fn spool(folder: &Folder, arguments: &[&str]) -> (String, bool) {
    let config = folder.config();
    let mut all = vec!["spool", "--config", config.to_str().unwrap()];
    all.extend(arguments);
    let output = output(&all, b"");
    let text = String::from_utf8(output.stdout).unwrap();
    println!("{arguments:?}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    (text, output.status.success())
}

pub(crate) fn field(line: &str, name: &str) -> String {
    let object: Value = serde_json::from_str(line).unwrap();
    object[name].as_str().unwrap_or_default().to_owned()
}

/// One dead letter, one request in quarantine; their ids.
async fn trouble(gateway: &Process, folder: &Folder, upstream: &Upstream) -> (String, String) {
    upstream.then(http::Response::builder().status(410));
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    let dead = id_in(&client.post_json(r#"{"ActionId":"1.2.3","Payout":"0.10"}"#).await);
    upstream.received(1).await;
    let refused = client.post_json("{broken").await;
    assert_eq!(refused.status(), 422);
    loop {
        let (lines, _) = spool(folder, &["list", "--dead", "--quarantined", "--json"]);
        let ids: Vec<_> = lines.lines().map(|line| field(line, "id")).collect();
        // The outcome is written a moment after the upstream has answered.
        if let [first, second] = &ids[..] {
            assert_eq!(*first, dead);
            return (dead, second.clone());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_upstream_said_to_each_attempt_is_shown_and_plays_no_tricks() {
    let upstream = Upstream::start().await;
    let said = "<p>\u{1b}[31mno such campaign\nask \u{7}support";
    for status in [500, 410] {
        upstream.then_answer(Answer::Text(http::Response::builder().status(status), said));
    }
    let folder = folder(&upstream, ROUTE);
    let gateway = Process::run(&folder.config());
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    let id = id_in(&client.post_json(r#"{"ActionId":"1.2.3","Payout":"0.10"}"#).await);
    gateway.logged("dead letter");
    gateway.signal("TERM");
    assert!(gateway.wait().success());

    let (text, _) = spool(&folder, &["show", &id]);
    let shown = "    <p>[31mno such campaign\n    ask support\n";
    assert_eq!(text.matches(shown).count(), 2, "{text}");
    assert!(text.contains("answered 500") && text.contains("answered 410"));
    for question in [&["show", &id, "--json"][..], &["export", "--dead"]] {
        let (json, _) = spool(&folder, question);
        let story: Value = serde_json::from_str(&json).unwrap();
        let history = story["history"].as_array().unwrap();
        let statuses: Vec<_> = history.iter().map(|attempt| &attempt["status"]).collect();
        assert_eq!(statuses, [500, 410]);
        assert!(history.iter().all(|attempt| attempt["answer"] == said));
    }
}

#[tokio::test]
async fn the_file_and_the_gateway_tell_the_same() {
    let upstream = Upstream::start().await;
    let folder = folder(&upstream, ROUTE);
    let gateway = Process::run(&folder.config());
    let (dead, quarantined) = trouble(&gateway, &folder, &upstream).await;
    let questions: [&[&str]; 11] = [
        &["list"],
        &["list", "--json"],
        &["list", "--key", "1.2.3", "--since", "1h", "--route", "actions"],
        &["list", "--delivered"],
        &["show", &dead],
        &["show", &quarantined],
        &["show", &dead, "--json"],
        &["replay", "--dead", "--dry-run"],
        &["export"],
        &["replay", "--dead", "--dry-run", "--json"],
        &["show", "018bcfe5-6800-7000-8000-00000000000b"],
    ];
    let ask = || questions.map(|question| spool(&folder, question));
    let online = ask();
    gateway.kill();
    assert_eq!(ask(), online);

    let [table, lines, by_key, none, shown, raw, object, _, exported, meant, gone] = online;
    assert_eq!(meant, (format!("{{\"id\":\"{dead}\"}}\n"), true));
    assert_eq!(gone, (String::new(), false));
    assert!(table.0.contains("answered 410 Gone") && table.0.contains("2 listed"));
    assert_eq!(lines.0.lines().count(), 2);
    assert_eq!(exported.0.lines().next(), object.0.lines().next());
    assert_eq!(exported.0.lines().count(), 2);
    assert!(by_key.0.contains(&dead) && by_key.0.contains("1 listed"));
    assert_eq!(none.0, "0 listed\n");
    let body = r#"{"event":"action","action_id":"1.2.3","payout":"0.10"}"#;
    assert!(shown.0.contains("attempt 1 at ") && shown.0.ends_with(&format!("\n\n{body}\n")));
    let sent = r#"{"ActionId":"1.2.3","Payout":"0.10"}"#;
    assert!(shown.0.contains("\nreceived\nclient    127.0.0.1\nmethod    POST\n"));
    assert!(shown.0.contains(&format!("format    json\n\n{sent}\n\ncanonical\n")));
    let object: Value = serde_json::from_str(&object.0).unwrap();
    assert_eq!(object["received"]["body"], sent);
    assert!(raw.0.contains("content_type application/json") && raw.0.ends_with("\n\n{broken\n"));
    assert_eq!(spool(&folder, &["verify", "--json"]).0.matches(r#""ok":true"#).count(), 1);
}

#[tokio::test]
async fn a_dead_letter_is_replayed_under_its_id() {
    let upstream = Upstream::start().await;
    let folder = folder(&upstream, ROUTE);
    let gateway = Process::run(&folder.config());
    let (dead, _) = trouble(&gateway, &folder, &upstream).await;
    assert_eq!(spool(&folder, &["replay", "--dead"]), ("1 of 1 replayed\n".to_owned(), true));
    let received = upstream.received(2).await;
    for one in &received {
        assert_eq!((one.header("webhook-id"), one.header("postgate-attempt")), (&*dead, "1"));
    }
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(spool(&folder, &["replay", "--dead"]).0, "0 of 0 replayed\n");
    gateway.signal("TERM");
    assert!(gateway.wait().success());

    // Without a gateway it waits for the next start.
    assert!(spool(&folder, &["replay", &dead]).1);
    let again = spool(&folder, &["replay", &dead]);
    assert!(!again.1 && again.0.contains("undelivered"));
    let _gateway = Process::run(&folder.config());
    assert_eq!(upstream.received(3).await[2].header("webhook-id"), dead);
}

#[tokio::test]
async fn quarantine_is_converted_with_the_configuration_of_now() {
    let upstream = Upstream::start().await;
    // A route for XML alone takes JSON for broken.
    let strict = format!("{ROUTE}format = \"xml\"\n");
    let folder = folder(&upstream, &strict);
    let gateway = Process::run(&folder.config());
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    assert_eq!(client.post_json(r#"{"ActionId":"7"}"#).await.status(), 422);
    let still = spool(&folder, &["replay", "--quarantined"]);
    assert!(!still.1 && still.0.contains("not understood") && still.0.contains("0 of 1"));
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let file = std::fs::read_to_string(folder.config()).unwrap();
    folder.write(&file.replace("format = \"xml\"", "format = \"auto\""));
    let gateway = Process::run(&folder.config());
    assert!(spool(&folder, &["replay", "--quarantined"]).1);
    let received = upstream.received(1).await;
    assert_eq!(&received[0].body[..], br#"{"event":"action","action_id":"7"}"#);
    assert_eq!(spool(&folder, &["list", "--quarantined"]).0, "0 listed\n");
    drop(gateway);
}

#[tokio::test]
async fn a_form_whose_secret_was_cut_out_is_counted_and_converted_again() {
    let upstream = Upstream::start().await;
    let by_query = "[[routes]]\nname = \"actions\"\npath = \"/postback/actions\"\nkind = \"action\"\n\
                    secret = { query = \"token\", value = \"s3cret\" }\nformat = \"xml\"\n";
    let folder = folder(&upstream, by_query);
    let gateway = Process::run(&folder.config());
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    for secret in ["token=s3cret&", "", "t%6Fken=s3cret&"] {
        let form = format!("{secret}ActionId=7&Note=%C3%A9");
        let path = "/postback/actions?a=b&token=s3cret";
        let refused = client.send(post(path, "application/x-www-form-urlencoded", form)).await;
        assert_eq!(refused.status(), 422);
    }
    let (listed, _) = spool(&folder, &["list", "--quarantined", "--json"]);
    assert_eq!(listed.lines().count(), 1, "the same request, however its secret came");
    assert!(listed.contains(r#""repeats":2"#));
    let file = std::fs::read_to_string(folder.config()).unwrap();
    folder.write(&file.replace("format = \"xml\"", "format = \"auto\""));
    gateway.signal("HUP");
    gateway.logged("configuration reloaded");
    let (replayed, good) = spool(&folder, &["replay", "--quarantined"]);
    assert!(good && replayed.contains("1 of 1 replayed"));
    let body = "{\"event\":\"action\",\"action_id\":\"7\",\"note\":\"é\",\"custom\":{\"a\":\"b\"}}";
    assert_eq!(String::from_utf8_lossy(&upstream.received(1).await[0].body), body);
}

/// A secret that another shell has, a certificate that is gone, a line that is being typed.
#[tokio::test]
async fn the_spool_is_reached_whatever_else_is_wrong_with_the_configuration() {
    let upstream = Upstream::start().await;
    let folder = folder(&upstream, ROUTE);
    let gateway = Process::run(&folder.config());
    let (dead, quarantined) = trouble(&gateway, &folder, &upstream).await;
    let file = std::fs::read_to_string(folder.config()).unwrap();
    let secret = "[upstream]\nheaders = { Authorization = \"env:NOT_SET_HERE\" }\n";
    folder.write(&file.replace("[upstream]\n", secret).replace("[log]\n", "[log]\nlevel = \n"));
    std::fs::remove_file(folder.path("tls.crt")).unwrap();

    for question in [&["list"][..], &["show", &dead], &["export"], &["verify"], &["compact"]] {
        assert!(spool(&folder, question).1, "{question:?}");
    }
    assert_eq!(spool(&folder, &["replay", &dead]).0, "1 of 1 replayed\n");
    upstream.received(2).await;
    gateway.kill();
    for question in [&["list"][..], &["show", &dead], &["export"], &["verify"], &["compact"]] {
        assert!(spool(&folder, question).1, "{question:?}");
    }
    // The rules of its route are what is in need of the rest: nothing is replayed, not even by half.
    let config = folder.config();
    let config = config.to_str().unwrap();
    let untouched = spool(&folder, &["list", "--json"]);
    for which in [&["--quarantined"][..], &["--route", "actions"], &[&*dead, &*quarantined]] {
        let all = [&["spool", "replay", "--config", config], which].concat();
        let refused = output(&all, b"");
        assert_eq!((refused.status.code(), &*refused.stdout), (Some(78), &b""[..]), "{which:?}");
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(told.starts_with("nothing was replayed") && told.contains("NOT_SET_HERE"));
    }
    assert_eq!(spool(&folder, &["list", "--json"]), untouched);
    assert!(spool(&folder, &["replay", "--quarantined", "--dry-run"]).1);
    assert_eq!(spool(&folder, &["replay", "--dead"]).0, "0 of 0 replayed\n");
    assert!(spool(&folder, &["drop", "--quarantined", "--yes"]).1);

    folder.write(&file.replace("[spool]\n", "[spool]\nmax_bytes = 1\n"));
    let refused = postgate(&["spool", "list", "--config", config]).output();
    assert_eq!(refused.unwrap().status.code(), Some(78));
}

#[tokio::test]
async fn dropping_asks_and_deletes() {
    let upstream = Upstream::start().await;
    let folder = folder(&upstream, ROUTE);
    let gateway = Process::run(&folder.config());
    let (dead, _) = trouble(&gateway, &folder, &upstream).await;
    let config = folder.config();
    let config = config.to_str().unwrap();
    let ask = |answer: &[u8]| output(&["spool", "drop", "--dead", "--config", config], answer);
    for answer in [&b""[..], b"n\n", b"yep"] {
        let refused = ask(answer);
        assert_eq!(refused.status.code(), Some(1));
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(told.starts_with("Drop 1 event for good? [y/N] "), "{told}");
        assert!(answer.ends_with(b"\n") || told.contains("\npostgate: nothing was dropped"));
    }
    assert!(!spool(&folder, &["drop"]).1, "neither ids nor a filter");
    assert!(!spool(&folder, &["drop", &dead, "--dead"]).1, "both");
    assert!(spool(&folder, &["show", &dead]).1);
    let twice = [&*dead, &dead];
    let meant = spool(&folder, &[&["drop", "--dry-run"][..], &twice].concat());
    assert_eq!(meant, (format!("{dead}\n"), true));
    let dropped = spool(&folder, &[&["drop", "--yes"][..], &twice].concat());
    assert_eq!(dropped, ("1 of 1 dropped\n".to_owned(), true));
    assert!(!spool(&folder, &["show", &dead]).1);
    gateway.kill();
    assert_eq!(spool(&folder, &["drop", "--quarantined", "--yes"]).0, "1 of 1 dropped\n");
    assert_eq!(spool(&folder, &["list"]).0, "0 listed\n");
}

#[tokio::test]
async fn damage_is_told_with_its_mend() {
    let upstream = Upstream::away().await;
    let folder = folder(&upstream, ROUTE);
    let config = folder.config();
    let none = output(&["spool", "verify", "--config", config.to_str().unwrap()], b"");
    assert!(!none.status.success() && !folder.path("spool.db").exists(), "looking makes no file");
    let told = String::from_utf8(none.stderr).unwrap();
    assert!(told.contains("there is no spool at") && told.contains("config.toml"), "{told}");
    let gateway = Process::run(&folder.config());
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    client.post_json(r#"{"ActionId":"7"}"#).await;
    let whole = spool(&folder, &["verify"]);
    assert!(whole.1 && whole.0.contains("pending     1\n"));
    gateway.kill();
    let connection = rusqlite::Connection::open(folder.path("spool.db")).unwrap();
    connection.execute("DELETE FROM bodies", []).unwrap();
    drop(connection);
    let (text, good) = spool(&folder, &["verify"]);
    assert!(!good && text.contains("problem: events without a body: 1"));
    assert!(text.contains("To mend it"));
}

#[tokio::test]
async fn a_gateway_with_a_token_is_asked_with_it() {
    let upstream = Upstream::away().await;
    let folder = folder(&upstream, ROUTE);
    let file = std::fs::read_to_string(folder.config()).unwrap();
    folder.write(&file.replace("[admin]\n", "[admin]\ntoken = \"s3cret\"\n"));
    let gateway = Process::run(&folder.config());
    assert!(spool(&folder, &["list"]).1);
    folder.write(&file.replace("[admin]\n", "[admin]\ntoken = \"other\"\n"));
    let config = folder.config();
    let arguments = ["spool", "list", "--config", config.to_str().unwrap()];
    let refused = postgate(&arguments).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("401"));

    // The variable is that of the service. Without a gateway nobody asks for it.
    folder.write(&file.replace("[admin]\n", "[admin]\ntoken = \"env:NOT_SET_HERE\"\n"));
    let refused = postgate(&arguments).output().unwrap();
    assert_eq!(refused.status.code(), Some(78));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.starts_with("a gateway has the spool"), "{told}");
    assert!(told.contains("admin.token: the environment variable NOT_SET_HERE is not set"));
    gateway.kill();
    assert_eq!(spool(&folder, &["list"]), ("0 listed\n".to_owned(), true));
}

#[tokio::test]
async fn a_web_page_cannot_reach_the_spool_through_a_browser() {
    let upstream = Upstream::away().await;
    let folder = folder(&upstream, ROUTE);
    let gateway = Process::run(&folder.config());
    let ask = |head: &str| {
        let mut stream = TcpStream::connect(gateway.admin).unwrap();
        write!(stream, "{head}\r\ncontent-length: 0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_whitespace().nth(1).map(str::to_owned)
    };
    let post = "POST /spool/drop HTTP/1.1\r\nhost: 127.0.0.1";
    assert_eq!(ask(post).as_deref(), Some("200"));
    let foreign = format!("{post}\r\norigin: https://evil.example");
    assert_eq!(ask(&foreign).as_deref(), Some("403"));
    let rebound = "GET /spool/events HTTP/1.1\r\nhost: evil.example";
    assert_eq!(ask(rebound).as_deref(), Some("403"));
}

#[tokio::test]
async fn nobody_else_is_taken_for_the_gateway() {
    let upstream = Upstream::away().await;
    let folder = folder(&upstream, ROUTE);
    let gateway = Process::run(&folder.config());
    let file = std::fs::read_to_string(folder.config()).unwrap();
    let config = folder.config();
    let config = config.to_str().unwrap();
    let ask = |other: SocketAddr, question: &str| {
        folder.write(&file.replace(&gateway.admin.to_string(), &other.to_string()));
        let refused = output(&["spool", question, "--config", config], b"");
        assert_eq!((refused.status.code(), &*refused.stdout), (Some(1), &b""[..]), "{question}");
        String::from_utf8(refused.stderr).unwrap()
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = listener.local_addr().unwrap();
    let questions = ["list", "export", "verify", "compact"];
    let served = std::thread::spawn(move || {
        for _ in questions {
            let (mut stream, _) = listener.accept().unwrap();
            assert_ne!(stream.read(&mut [0; 4096]).unwrap(), 0);
            let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi";
            stream.write_all(page.as_bytes()).unwrap();
        }
    });
    for question in questions {
        let told = ask(other, question);
        assert!(told.starts_with(&format!("postgate: http://{other} answered 200")), "{told}");
    }
    served.join().unwrap();
    let told = ask(other, "list");
    assert!(told.contains(&format!("http://{other} does not answer for it")), "{told}");
    // The kernel takes the connection, and nobody ever reads from it.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = silent.local_addr().unwrap();
    let told = ask(other, "list");
    let why = format!("postgate: http://{other} takes the question and does not answer within 5s");
    assert!(told.starts_with(&why), "{told}");
}

#[tokio::test]
async fn a_replay_of_several_kinds_goes_by_who_came_first() {
    let upstream = Upstream::start().await;
    let folder = folder(&upstream, ROUTE);
    let gateway = Process::run(&folder.config());
    let mut client = Client::connect(gateway.address, &folder.certificate).await;
    let mut came = Vec::new();
    for number in 0..3 {
        assert_eq!(client.post_json(format!("{{broken {number}")).await.status(), 422);
        upstream.then(http::Response::builder().status(410));
        came.push(id_in(&client.post_json(format!(r#"{{"ActionId":"{number}"}}"#)).await));
        upstream.received(number + 1).await;
    }
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let meant = |kinds: &[&str]| {
        let (ids, _) = spool(&folder, &[&["replay", "--dry-run"][..], kinds].concat());
        ids.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let quarantined = meant(&["--quarantined"]);
    let expected: Vec<_> =
        quarantined.iter().zip(&came).flat_map(|(raw, dead)| [raw.clone(), dead.clone()]).collect();
    assert_eq!(meant(&["--dead", "--quarantined"]), expected);

    // One that was replayed and refused again lies behind what came after it.
    assert!(spool(&folder, &["replay", &came[0]]).1);
    upstream.then(http::Response::builder().status(410));
    let gateway = Process::run(&folder.config());
    upstream.received(4).await;
    gateway.logged("dead letter");
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let listed = spool(&folder, &["list", "--dead", "--json"]).0;
    assert_eq!(field(listed.lines().last().unwrap(), "id"), came[0]);
    assert_eq!(meant(&["--dead", "--quarantined"]), expected);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_was_done_is_told_where_stdout_is_gone() {
    let upstream = Upstream::start().await;
    let folder = folder(&upstream, ROUTE);
    let gateway = Process::run(&folder.config());
    let (dead, _) = trouble(&gateway, &folder, &upstream).await;
    let (exported, _) = spool(&folder, &["export"]);
    let file = folder.path("export.ndjson");
    std::fs::write(&file, exported).unwrap();
    let config = folder.config();
    let tell = |arguments: &[&str]| {
        let mut command = postgate(arguments);
        command.arg("--config").arg(&config);
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let why = "cannot write to stdout: No space left on device (os error 28)\n";
    for question in [&["spool", "list"][..], &["spool", "export"], &["spool", "show", &dead]] {
        assert_eq!(tell(question), format!("postgate: {why}"));
    }
    let import = ["spool", "import", file.to_str().unwrap()];
    let counts = "0 imported, 2 were there already, 0 unreadable";
    assert_eq!(tell(&import), format!("postgate: {counts}, then: {why}"));
    let told = format!("postgate: 1 of 1 dropped, then: {why}");
    assert_eq!(tell(&["spool", "drop", "--yes", "--dead"]), told);
}
