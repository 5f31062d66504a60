use super::super::super::{Input, Kind, Rules, convert};
use super::super::Template;

/// The canonical body of what a route with this template receives.
fn converted(template: &str, body: &str) -> String {
    let template = Template::parse(template, Kind::Action, None).unwrap();
    let rules = Rules { template: Some(template.into()), ..Rules::of(Kind::Action) };
    let input = Input { body: body.as_bytes(), ..Input::default() };
    String::from_utf8(convert(&input, &rules).unwrap().to_canonical()).unwrap()
}

#[test]
fn items_are_known_in_a_list_of_any_name() {
    let template = r#"{"nr":"{ActionId}","artikel":[
        {"art":"{ItemSku1}","x":{"menge":"{ItemQuantity1}"},"farbe":"{ItemColor1}"},
        {"art":"{ItemSku2}","x":{"menge":"{ItemQuantity2}"},"farbe":"{ItemColor2}"}]}"#;
    let body = r#"{"nr":"7","artikel":[
        {"art":"A-1","x":{"menge":"2"},"farbe":"red"},
        {"art":"","x":{"menge":""},"farbe":""}]}"#;
    assert_eq!(
        converted(template, body),
        r#"{"event":"action","action_id":"7","items":[{"sku":"A-1","quantity":"2","custom":{"farbe":"red"}}]}"#
    );
    // Recovered, the same.
    let broken = body.replace("A-1", "A\"1");
    assert!(converted(template, &broken).contains(r#""items":[{"sku":"A\"1","quantity":"2""#));
    // As little as can be.
    assert_eq!(
        converted(
            r#"{"nr":"{ActionId}","a":[{"b":"{ItemSku1}"}]}"#,
            r#"{"nr":"7","a":[{"b":"A"}]}"#
        ),
        r#"{"event":"action","action_id":"7","items":[{"sku":"A"}]}"#
    );
}

#[test]
fn lists_of_values_have_a_place_for_each_macro() {
    let template = r#"{"nr":"{ActionId}","art":["{ItemSku1}","{ItemSku2}"],
        "menge":["{ItemQuantity1}","{ItemQuantity2}"],"ids":["{SubId1}","x","{SubId2}"]}"#;
    let body = r#"{"nr":"7","art":["A","B"],"menge":["1","2"],"ids":["u","x","v"]}"#;
    assert_eq!(
        converted(template, body),
        r#"{"event":"action","action_id":"7","sub_id1":"u","sub_id2":"v","items":[{"sku":"A","quantity":"1"},{"sku":"B","quantity":"2"}],"custom":{"ids":["x"]}}"#
    );
}

#[test]
fn other_macros_are_known_in_lists_too_and_what_means_nothing_stays() {
    let template = r#"{"daten":[{"k":"nr","v":"{ActionId}"},{"k":"wie","v":"{Status}"}]}"#;
    assert_eq!(
        converted(template, r#"{"daten":[{"k":"nr","v":"7"},{"k":"wie","v":"Pending"}]}"#),
        r#"{"event":"action","action_id":"7","status":"PENDING","custom":{"daten":[{"k":"nr"},{"k":"wie"}]}}"#
    );
    let nothing = r#"{"nr":"{ActionId}","a":[],"b":["x"],"c":[["{Oid}"]]}"#;
    assert_eq!(
        converted(nothing, r#"{"nr":"7","a":[],"b":["x"],"c":[["o"]]}"#),
        r#"{"event":"action","action_id":"7","order_id":"o","custom":{"a":null,"b":["x"]}}"#
    );
}

#[test]
fn repeated_elements_are_a_list() {
    let template = "<r><nr>{ActionId}</nr><p n='1'><art>{ItemSku1}</art></p>\
                    <p n='2'><art>{ItemSku2}</art></p></r>";
    let body = "<r><nr>7</nr><p n='1'><art>A</art></p><p n='2'><art>B</art></p></r>";
    assert_eq!(
        converted(template, body),
        r#"{"event":"action","action_id":"7","items":[{"sku":"A","custom":{"n":"1"}},{"sku":"B","custom":{"n":"2"}}]}"#
    );
    let plain = "<r><nr>{ActionId}</nr><s>{SubId1}</s><s>{SubId2}</s></r>";
    assert_eq!(
        converted(plain, "<r><nr>7</nr><s>u</s><s></s></r>"),
        r#"{"event":"action","action_id":"7","sub_id1":"u","sub_id2":null}"#
    );
}

#[test]
fn a_broken_macro_is_one_wherever_it_was_not_substituted() {
    let template = "{\"nr\":\"{ActionId}\",\"l\":\"{Landing PageUrl}\",\"s\":[\"{Sub\\n Id1}\"]}";
    let body = template.replace("{ActionId}", "7");
    let template = template.replace("\\n", "\n");
    for body in [body.clone(), body.replace("\\n", "\n")] {
        let canonical = converted(&template, &body);
        assert!(
            canonical.starts_with(
                r#"{"event":"action","action_id":"7","landing_page_url":null,"sub_id1":null"#
            ),
            "{canonical}"
        );
    }
    assert!(converted(&template, r#"{"nr":"7","l":"h","s":["u"]}"#).contains(r#""sub_id1":"u""#));
}
