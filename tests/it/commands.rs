//! The commands, by the real binary.

use crate::support::config::{Folder, ROUTE};
use crate::support::process::{Process, output};
use crate::support::upstream::Upstream;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_demo_shows_that_everything_arrives() {
    let demo = output(&["demo"], b"");
    let out = text(&demo.stdout);
    assert!(demo.status.success(), "{out}\n{}", text(&demo.stderr));
    assert!(out.contains("28 of 28 postbacks arrived."), "{out}");
    assert!(out.contains("7 of 7 kinds gave the same bytes in all four formats."), "{out}");
    assert!(out.contains(r#"{"event":"action","action_id":"1000.4636.158133""#), "{out}");
    assert!(!out.contains('\u{1b}'), "colours are for terminals only");
}

/// README, "Templates": in this order, and with nothing else.
#[test]
fn a_postback_is_set_up_with_a_template() {
    let folder = Folder::new(
        "127.0.0.1:1".parse().unwrap(),
        &format!("{ROUTE}template_file = \"action.template\"\n"),
    );
    let only = "ActionId,Status,Payout,Currency,EventDate,SubId1";
    let new = output(&["template", "new", "action", "--format", "json", "--only", only], b"");
    assert!(new.status.success());
    let own = text(&new.stdout).replace("\"payout\"", "\"was wir bekommen\"");
    let file = folder.path("action.template");
    std::fs::write(&file, &own).unwrap();
    let lint = output(&["template", "lint", file.to_str().unwrap()], b"");
    assert!(lint.status.success(), "{}", text(&lint.stdout));
    let config = folder.config();
    let config = ["--config", config.to_str().unwrap()];
    let check = output(&[&["check"], &config[..]].concat(), b"");
    assert!(check.status.success(), "{}", text(&check.stdout));
    let sent = own.replace("{Payout}", "-0.10").replace("{SubId1}", "Bob's \"Best\"");
    let converted =
        output(&[&["convert", "--route", "actions"], &config[..]].concat(), sent.as_bytes());
    let canonical = text(&converted.stdout);
    for part in [r#""payout":"-0.10""#, r#""sub_id1":"Bob's \"Best\"""#, r#""status":null"#] {
        assert!(canonical.contains(part), "{part} in {canonical}");
    }
    let wrong = output(&["template", "lint"], b"{\"a\":\"{actionid}\",\"p\":{Payout}}");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stdout).contains("write {ActionId}"));
    assert!(text(&wrong.stdout).contains("has no quotes"));
    let wrong = output(&["template", "lint", "--json"], b"{\"a\":\"{actionid}\"}");
    let found: serde_json::Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!((&found["file"], &found["ok"]), (&"stdin".into(), &false.into()));
    let first = &found["findings"][0];
    assert_eq!((&first["weight"], &first["column"]), (&"fault".into(), &7.into()));
}

/// What is asked for in a way that cannot be meant is answered with the way that can.
#[test]
fn a_wrong_argument_is_answered_with_the_right_one() {
    for (arguments, answer) in [
        (&["template", "lint", "--key", "oid"][..], "did you mean `order_id`?"),
        (&["template", "lint", "--key", "OrderId"], "did you mean `order_id`?"),
        (&["template", "lint", "--key", "foo"], "`foo` is no canonical field of kind `action`"),
        (&["template", "lint", "--kind", "custom", "--key", "items"], "`items` itself"),
        (&["template", "new", "action", "--format", "json", "--only", "ItemSku1"], "--items"),
        (&["convert", r#"{"action_id":"7"}"#], "from a file or from stdin"),
        (&["convert", "<r><a>7</a></r>"], "from a file or from stdin"),
    ] {
        let output = output(arguments, b"{\"a\":\"{Oid}\"}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let told = text(&output.stderr);
        assert!(told.contains(answer), "{answer} in {told}");
    }
    let by_order = output(&["template", "lint", "--key", "order_id"], b"{\"a\":\"{Oid}\"}");
    assert!(by_order.status.success(), "{}", text(&by_order.stdout));
}

#[test]
fn convert_reads_stdin_or_a_file_and_explains_what_it_cannot_read() {
    let good = output(&["convert"], b"<a><Payout>0.10</Payout></a>");
    assert_eq!(text(&good.stdout), "{\"event\":\"action\",\"payout\":\"0.10\"}\n");
    assert!(good.status.success());

    let query = output(&["convert", "--format", "query"], b"ActionId=1.2&SubId4={SubId4}\n");
    assert!(text(&query.stdout).starts_with(r#"{"event":"action","action_id":"1.2""#));
    assert!(text(&query.stderr).contains("warning"), "{}", text(&query.stderr));

    // What `echo` puts behind it was never sent.
    for (echoed, line) in [(&["convert"][..], "\n"), (&["convert", "--format", "form"], "\r\n")] {
        let form = output(echoed, format!("ActionId=1&Payout=2.00{line}").as_bytes());
        let wanted = "{\"event\":\"action\",\"action_id\":\"1\",\"payout\":\"2.00\"}\n";
        assert_eq!((text(&form.stdout), text(&form.stderr)), (wanted, ""));
    }

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.json");
    std::fs::write(&file, "{\n\"payout\": ,}").unwrap();
    let bad = output(&["convert", file.to_str().unwrap()], b"");
    assert_eq!(bad.status.code(), Some(1));
    assert!(text(&bad.stderr).contains("line 2"), "{}", text(&bad.stderr));
    assert!(bad.stdout.is_empty());

    let missing = output(&["convert", "/nowhere/at/all"], b"");
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("/nowhere/at/all"));
}

#[test]
fn convert_reads_a_query_that_is_typed() {
    let wanted = "{\"event\":\"action\",\"action_id\":\"7\",\"payout\":\"0.10\"}\n";
    for typed in [
        "ActionId=7&Payout=0.10",
        "?ActionId=7&Payout=0.10",
        "https://gateway.example/postback/actions?ActionId=7&Payout=0.10#top",
    ] {
        let done = output(&["convert", typed], b"");
        assert_eq!(text(&done.stdout), wanted, "{typed}");
    }
    let address = output(&["convert", "Note=https://a.example/?b=c#d"], b"");
    assert!(text(&address.stdout).contains(r#""note":"https://a.example/?b=c#d""#));
    // A file is a file, whatever it is called.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a=b");
    std::fs::write(&file, r#"{"ActionId":7,"Payout":0.10}"#).unwrap();
    assert_eq!(text(&output(&["convert", file.to_str().unwrap()], b"").stdout), wanted);
    let json = output(&["convert", "--format", "json", "a=1"], b"");
    assert!(text(&json.stderr).contains("cannot read a=1"), "{}", text(&json.stderr));
}

#[test]
fn convert_explains_every_value() {
    let input =
        br#"{"txid":"7","visit":{"payout":1},"note":"a\nb","items":[{"qty":"1"}],"x":"{Y}"}"#;
    let shown = output(&["convert", "--explain"], input);
    let out = text(&shown.stdout);
    for row in [
        ["action_id", "7", "txid", "a known name"],
        ["payout", "1", "visit.payout", "the end of its path is a known name"],
        ["note", "a b", "note", "a known name"],
        ["items[0].quantity", "1", "items[0].qty", "an entry of a list"],
        ["custom.x", "-", "x", "not known"],
    ] {
        let is_row = |line: &str| {
            let mut rest = Some(line);
            for cell in row {
                rest = rest.and_then(|rest| rest.trim_start().strip_prefix(cell));
            }
            rest.is_some()
        };
        assert!(out.lines().any(is_row), "{row:?} in\n{out}");
    }
    assert!(text(&shown.stderr).contains("`x` holds a macro"), "{}", text(&shown.stderr));

    let lines = output(&["convert", "--explain", "--json"], br#"{"txid":"7","x":null}"#);
    assert_eq!(
        text(&lines.stdout),
        "{\"by\":\"dictionary\",\"field\":\"action_id\",\"input\":\"txid\",\"value\":\"7\"}\n\
         {\"by\":\"nothing\",\"field\":\"custom.x\",\"input\":\"x\",\"value\":null}\n"
    );
    let refused = output(&["convert", "--explain"], b"{");
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    assert_eq!(output(&["convert", "--json"], b"{}").status.code(), Some(2));
}

#[test]
fn convert_follows_a_route() {
    let more = r#"
[[routes]]
name = "mine"
path = "/mine"
kind = "inquiry"
fields = { ticket = "inquiry_id" }
"#;
    let folder = Folder::new("127.0.0.1:9".parse().unwrap(), more);
    let config = folder.config();
    let config = config.to_str().unwrap();
    let done = output(&["convert", "--config", config, "--route", "mine"], br#"{"ticket":7}"#);
    assert_eq!(text(&done.stdout), "{\"event\":\"inquiry\",\"inquiry_id\":\"7\"}\n");
    let unknown = output(&["convert", "--config", config, "--route", "yours"], b"{}");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("mine"), "{}", text(&unknown.stderr));
}

#[test]
fn check_lists_ten_mistakes_at_once() {
    let folder = Folder::with_route("127.0.0.1:9".parse().unwrap());
    folder.write(
        r#"
[listen]
address = "somewhere"
prot = 1
[tls]
mode = "file"
[allowlist]
ranges = ["10.0.0.0/33"]
[upstream]
url = "ftp://127.0.0.1/"
timeout = "soon"
[retry]
factor = 0.5
[limits]
depth = 0
[[routes]]
name = "actions"
path = "postback"
kind = "actoin"
"#,
    );
    let check = output(&["check", "--config", folder.config().to_str().unwrap()], b"");
    assert_eq!(check.status.code(), Some(78));
    let out = format!("{}{}", text(&check.stdout), text(&check.stderr));
    for key in [
        "listen.address",
        "listen.prot",
        "tls.mode",
        "allowlist.ranges",
        "upstream.url",
        "upstream.timeout",
        "retry.factor",
        "limits.depth",
        "routes[0].path",
        "routes[0].kind",
    ] {
        assert!(out.contains(key), "{key} is not in\n{out}");
    }
    let run = output(&["run", "--config", folder.config().to_str().unwrap()], b"");
    assert_eq!(run.status.code(), Some(78), "run refuses the same file");
}

#[test]
fn check_sums_up_a_good_configuration() {
    let folder = Folder::with_route("127.0.0.1:9".parse().unwrap());
    let check = output(&["check", "--config", folder.config().to_str().unwrap()], b"");
    let out = text(&check.stdout);
    assert!(check.status.success(), "{out}{}", text(&check.stderr));
    for word in ["/postback/actions", "127.0.0.1/32", "spool.db"] {
        assert!(out.contains(word), "{word} is not in\n{out}");
    }
}

#[tokio::test]
async fn healthcheck_tells_a_running_gateway_from_none() {
    let upstream = Upstream::away().await;
    let folder = Folder::with_route(upstream.address);
    let gateway = Process::run(&folder.config());
    // The port was chosen by the kernel; the command reads it from the configuration.
    let admin = format!("[admin]\naddress = \"{}\"", gateway.admin);
    let file = std::fs::read_to_string(folder.config()).unwrap();
    folder.write(&file.replace("[admin]\naddress = \"127.0.0.1:0\"", &admin));
    let config = folder.config();
    let arguments = ["healthcheck", "--config", config.to_str().unwrap()];
    assert_eq!(output(&arguments, b"").status.code(), Some(0));
    gateway.kill();
    let dead = output(&arguments, b"");
    assert_eq!(dead.status.code(), Some(1));
    assert!(!dead.stderr.is_empty());
}

#[test]
fn wrong_usage_is_told_apart_from_a_wrong_configuration() {
    assert_eq!(output(&["run", "--no-such-flag"], b"").status.code(), Some(2));
    let missing = output(&["run", "--config", "/nowhere/config.toml"], b"");
    assert_eq!(missing.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nowhere/config.toml"));
}
