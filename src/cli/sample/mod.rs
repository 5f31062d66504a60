//! Sample postbacks: realistic events of every kind, written in any format. Values follow the
//! shapes that impact.com documents; the names follow what users type into impact.com in each format.

mod values;

use std::borrow::Cow;

use form_urlencoded::byte_serialize;
use serde_json::{Map, Value as Json};

use crate::event::{Format, Kind, pascal};
pub(super) use values::{Taste, Value, Values};

/// One event, before it is written in a format.
#[derive(Debug)]
pub(super) struct Sample {
    kind: Kind,
    /// Canonical name and value.
    fields: Vec<Field>,
    /// Names that no dictionary knows; they arrive in `custom`.
    custom: Vec<Field>,
    items: Vec<Item>,
    sub_ids: SubIds,
}

type Field = (&'static str, Cow<'static, str>);

#[derive(Debug)]
struct Item {
    sku: Cow<'static, str>,
    quantity: Cow<'static, str>,
    amount: Cow<'static, str>,
}

/// How sub-ids stand in a form or a query. impact.com does not encode them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SubIds {
    Encoded,
    AsTheyAre,
}

/// A sample as it goes over the wire.
#[derive(Debug)]
pub(super) struct Encoded {
    /// `None`: a GET, with everything in the query.
    pub(super) content_type: Option<&'static str>,
    pub(super) query: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Encoded {
    /// What `format` carries.
    pub(super) fn new(format: Format, text: String) -> Self {
        let content_type = match format {
            Format::Json => "application/json",
            Format::Xml => "application/xml",
            Format::Form => "application/x-www-form-urlencoded",
            Format::Query => {
                return Self { content_type: None, query: Some(text), body: Vec::new() };
            }
        };
        Self { content_type: Some(content_type), query: None, body: text.into_bytes() }
    }

    /// How much was sent, in bytes.
    pub(super) fn size(&self) -> usize {
        self.query.as_ref().map_or(0, String::len) + self.body.len()
    }
}

impl Sample {
    /// The sample of a kind: always the same.
    pub(super) fn of(kind: Kind) -> Self {
        let (fields, custom, items) = parts(kind);
        let [fields, custom] = [fields, custom].map(constant);
        let item = |&[sku, quantity, amount]: &[&'static str; 3]| Item {
            sku: sku.into(),
            quantity: quantity.into(),
            amount: amount.into(),
        };
        let items = items.iter().map(item).collect();
        Self { kind, fields, custom, items, sub_ids: SubIds::Encoded }
    }

    /// The same names with values of their own.
    pub(super) fn with(values: &Values) -> Self {
        let (fields, custom, items) = parts(values.kind);
        let text = |name: &str, field: &str| -> Cow<'static, str> {
            match values.named(name, field) {
                Value::Text(text) => text.into(),
                Value::Macro => format!("{{{}}}", pascal(name)).into(),
            }
        };
        let varied =
            |names: Pairs| names.iter().map(|&(name, _)| (name, text(name, name))).collect();
        let (fields, custom) = match values.kind {
            // Nothing else tells such events apart.
            Kind::Custom => (vec![("number", values.number().into())], varied(custom)),
            _ => (varied(fields), constant(custom)),
        };
        let item = |number: usize| Item {
            sku: text(&format!("item_sku{number}"), "sku"),
            quantity: text(&format!("item_quantity{number}"), "quantity"),
            amount: text(&format!("item_sub_total{number}"), "amount"),
        };
        let items = (1..=items.len()).map(item).collect();
        let sub_ids = match values.taste {
            Taste::Usual => SubIds::Encoded,
            Taste::Nasty => SubIds::AsTheyAre,
        };
        Self { kind: values.kind, fields, custom, items, sub_ids }
    }

    /// The sample as `format` carries it.
    pub(super) fn encode(&self, format: Format) -> Encoded {
        let text = match format {
            Format::Json => self.json(),
            Format::Xml => self.xml(),
            Format::Form | Format::Query => self.pairs(),
        };
        Encoded::new(format, text)
    }

    fn json(&self) -> String {
        let text = |value: &str| Json::String(value.to_owned());
        let fields = self.fields.iter().map(|(name, value)| (*name, text(value)));
        let custom = self.custom.iter().map(|(name, value)| (*name, text(value)));
        let mut object: Map<String, Json> =
            fields.chain(custom).map(|(name, value)| (name.to_owned(), value)).collect();
        if !self.items.is_empty() {
            let item = |item: &Item| serde_json::json!({"sku": item.sku, "qty": item.quantity, "amt": item.amount});
            object.insert("items".to_owned(), self.items.iter().map(item).collect());
        }
        Json::Object(object).to_string()
    }

    fn xml(&self) -> String {
        let fields = self.fields.iter().map(|(name, value)| element(&pascal(name), value));
        let custom = self.custom.iter().map(|(name, value)| element(name, value));
        let items = self.items.iter().map(|Item { sku, quantity, amount }| {
            let [sku, quantity, amount] = [sku, quantity, amount].map(|text| escaped(text));
            format!("  <Item sku=\"{sku}\" qty=\"{quantity}\" amt=\"{amount}\"/>\n")
        });
        let elements: String = fields.chain(custom).chain(items).collect();
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<postback>\n{elements}</postback>\n")
    }

    fn pairs(&self) -> String {
        let mut pairs: Vec<String> = Vec::new();
        for (name, value) in &self.fields {
            let is_sub_id = name.starts_with("sub_id") || *name == "shared_id";
            if is_sub_id && self.sub_ids == SubIds::AsTheyAre {
                pairs.push(format!("{}={value}", pascal(name)));
            } else {
                pairs.push(pair(&pascal(name), value));
            }
        }
        pairs.extend(self.custom.iter().map(|(name, value)| pair(name, value)));
        for (number, item) in (1..).zip(&self.items) {
            pairs.push(pair(&format!("ItemSku{number}"), &item.sku));
            pairs.push(pair(&format!("ItemQuantity{number}"), &item.quantity));
            pairs.push(pair(&format!("ItemSubTotal{number}"), &item.amount));
        }
        pairs.join("&")
    }

    /// The kind this is a sample of.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }
}

fn pair(name: &str, value: &str) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("{}={}", encoded(name), encoded(value))
}

fn element(name: &str, value: &str) -> String {
    format!("  <{name}>{}</{name}>\n", escaped(value))
}

/// Line breaks as references, because those of an attribute would become spaces.
fn escaped(value: &str) -> String {
    quick_xml::escape::escape(value).replace('\n', "&#10;")
}

/// The fields of a kind, names beside them that no dictionary knows, and its items.
fn parts(kind: Kind) -> (Pairs, Pairs, &'static [[&'static str; 3]]) {
    match kind {
        Kind::Action => (ACTION, &[("my_flag", "yes")], ITEMS),
        Kind::Clearing => (CLEARING, &[], &[]),
        Kind::Inquiry => (INQUIRY, &[("member", "Zoë & Co <vip>")], &[]),
        Kind::Catalog => (CATALOG, &[], &[]),
        Kind::Tracking => (TRACKING, &[("purpose", "click id")], &[]),
        Kind::Job => (JOB, &[("report", "adv_action_listing")], &[]),
        Kind::Custom => (&[], &[("anything", "goes"), ("shape", "100 % \"yours\"")], &[]),
    }
}

type Pairs = &'static [(&'static str, &'static str)];

fn constant(pairs: Pairs) -> Vec<Field> {
    pairs.iter().map(|&(name, value)| (name, value.into())).collect()
}

const ACTION: Pairs = &[
    ("action_id", "1000.4636.158133"),
    ("campaign_id", "1000"),
    ("campaign_name", "Bob's \"Best\" Shoes & Socks"),
    ("action_tracker_id", "2240"),
    ("status", "REVERSED"),
    ("status_detail", ""),
    ("payout", "0.00"),
    ("delta_payout", "-27.75"),
    ("amount", "719.10"),
    ("currency", "USD"),
    ("event_date", "2024-09-10T10:42:38-07:00"),
    ("landing_page_url", "https://shop.example/p?id=7&ref=a+b#top"),
    ("order_id", "9217374917472"),
    ("sub_id1", "u-81"),
    ("note", "größer, 靴, 50 % <off>"),
];

/// Sku, quantity and amount.
const ITEMS: &[[&str; 3]] = &[["APP-0016", "1", "700.00"], ["SOCK-2", "2", "19.10"]];

const CLEARING: Pairs = &[
    ("action_id", "1000.4636.158134"),
    ("campaign_id", "1000"),
    ("status", "APPROVED"),
    ("locked_status", "CLEARED"),
    ("payout", "12.50"),
    ("currency", "EUR"),
    ("cleared_date", "2024-11-15T00:00:00+01:00"),
];

const INQUIRY: Pairs = &[
    ("inquiry_id", "88231"),
    ("campaign_id", "1000"),
    ("order_id", "A-55/2024"),
    ("transaction_date", "2024-08-30T18:01:07Z"),
    ("transaction_amount", "64.90"),
    ("inquiry_type", "UNTRACKED"),
    ("expected_payout", "3.25"),
    ("resolution_status", "VALID"),
];

const CATALOG: Pairs = &[
    ("catalog_id", "4711"),
    ("campaign_id", "1000"),
    ("catalog_item_id", "product_4711_APP-0016"),
    ("name", "Running shoe \"Ἑρμῆς\""),
    ("original_price", "129.00"),
    ("current_price", "99.90"),
    ("currency", "USD"),
    ("stock_availability", "OutOfStock"),
];

const TRACKING: Pairs = &[("tracking_id", "tv-7"), ("campaign_id", "1000")];

const JOB: Pairs = &[("job_id", "1f0c-22"), ("status", "COMPLETED")];
