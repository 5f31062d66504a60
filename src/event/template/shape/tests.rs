use super::super::super::Kind;
use super::super::text;
use super::*;

fn pieces(source: &str) -> (Pieces, Format) {
    let format = text::format(source);
    (text::scan(source, text::sent(source, format), format, Kind::Action), format)
}

fn does_fit(template: &str, input: &str) -> bool {
    let (pieces, format) = pieces(template);
    let wanted = members(&pieces, format).unwrap();
    fits(&wanted, &parse(input, format).unwrap(), &pieces.slots)
}

#[test]
fn slots_stand_in_the_leaves() {
    let (pieces, format) = pieces(r#"{"a":{"b":"x-{Oid}"},"c":[{Payout},"73190000"]}"#);
    let b = Shape::Value(vec![Part::Text("x-".to_owned()), Part::Slot(0)]);
    let list = vec![
        Shape::Value(vec![Part::Slot(1)]),
        Shape::Value(vec![Part::Text("73190000".to_owned())]),
    ];
    assert_eq!(
        members(&pieces, format).unwrap(),
        [
            ("a".to_owned(), Shape::Object(vec![("b".to_owned(), b)])),
            ("c".to_owned(), Shape::List(list))
        ]
    );
}

#[test]
fn a_fault_has_its_place_in_the_template() {
    let (pieces, format) = pieces("{\"a\":\"{Payout}\",\n\"b\", \"c\":\"{Oid}\"}");
    let at = members(&pieces, format).unwrap_err().at.unwrap();
    assert_eq!((at.line, at.column), (2, 4));
}

#[test]
fn what_the_template_makes_fits_and_nothing_else() {
    let json = r#"{"a":"{Oid}","n":{Payout},"c":"k"}"#;
    assert!(does_fit(json, r#"{"a":"","n":1,"c":"k"}"#));
    for other in [
        r#"{"a":"","n":1,"c":"l"}"#,
        r#"{"a":"","n":1}"#,
        r#"{"a":"","n":1,"c":"k","d":1}"#,
        r#"{"n":1,"a":"","c":"k"}"#,
        r#"{"a":{},"n":1,"c":"k"}"#,
        r#"{"a":["x"],"n":1,"c":"k"}"#,
    ] {
        assert!(!does_fit(json, other), "{other}");
    }
    assert!(does_fit(r#"{"items":{Items}}"#, r#"{"items":[{"sku":"A"}]}"#));
    assert!(does_fit("<a><b c='{Oid}'>{Note}</b></a>", "<a><b c='1'></b></a>"));
    assert!(!does_fit("<a><b>{Note}</b></a>", "<a><b><i>x</i></b></a>"));
    assert!(does_fit("a={Oid}&b={Note}", "a=&b=1"));
    assert!(!does_fit("a={Oid}&b={Note}", "a=1&x=2&b=1"));
}

#[test]
fn the_literals_beside_a_macro_stand_there_in_order() {
    let json = r#"{"a":"p-{Oid}-{Note}.{AdId}-s"}"#;
    for (value, fits) in [
        ("p-1-2.3-s", true),
        ("p--.-s", true),
        ("p-1.2-s", false),
        ("p-1-2.3", false),
        ("1-2.3-s", false),
        ("p-.-s", false),
        ("", false),
    ] {
        assert_eq!(does_fit(json, &format!("{{\"a\":\"{value}\"}}")), fits, "{value}");
    }
    assert!(!does_fit(json, r#"{"a":null}"#));
    assert!(does_fit("<a><b>{Oid}{Note}</b></a>", "<a><b/></a>"));
    assert!(!does_fit("<a><b>{Oid}-{Note}</b></a>", "<a><b/></a>"));
    assert!(does_fit("a=x{Oid}", "a=x"));
}

#[test]
fn a_value_is_cut_behind_its_beginning() {
    let is_cut = |template: &str, value: &str| {
        let (pieces, format) = pieces(template);
        let wanted = members(&pieces, format).unwrap();
        super::is_cut(&wanted[0].1, &Node::Text(Cow::Borrowed(value)))
    };
    assert!(is_cut("a={Oid}-end", "1"));
    assert!(is_cut("a=x{Oid}-{Note}", "x1"));
    assert!(!is_cut("a={Oid}-end", "1-end"));
    assert!(!is_cut("a=x{Oid}-end", "1"));
    assert!(!is_cut("a={Oid}", "1"));
    assert!(!is_cut("a=end&b={Oid}", "e"));
}

#[test]
fn a_newer_template_has_more_keys_and_the_old_ones_once() {
    let does_extend = |template: &str, input: &str| {
        let (pieces, format) = pieces(template);
        let wanted = members(&pieces, format).unwrap();
        extends(&wanted, &parse(input, format).unwrap(), &pieces.slots)
    };
    assert!(does_extend("a={Oid}&b={Note}", "a=1&x=2&b=1&y="));
    assert!(does_extend(r#"{"o":{"a":"{Oid}"}}"#, r#"{"o":{"z":0,"a":"1"}}"#));
    assert!(!does_extend("a={Oid}&b={Note}", "a=1&b=2&b=1"));
    assert!(!does_extend("a={Oid}&b={Note}", "a=1&x=1"));
    assert!(!does_extend("<r><a>{Oid}</a></r>", "<r><a><i>x</i></a></r>"));
}

#[test]
fn filling_says_what_had_no_place() {
    let (pieces, format) = pieces(r#"{"{SubId1}":"x","a":"<{Oid}>"}"#);
    let wanted = members(&pieces, format).unwrap();
    let values = ["k", "o"].map(|text| Node::Text(Cow::Borrowed(text)));
    let (members, used) = fill(&wanted, &values);
    assert_eq!(members[1], ("a".into(), Node::Text("<o>".into())));
    assert_eq!(used, [false, true]);
}
