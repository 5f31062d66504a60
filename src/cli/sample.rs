//! Sample postbacks: one realistic event of every kind, written in any format. Values follow the
//! shapes that IMPACT.md records; the names follow what users type into impact.com in each format.

use serde_json::{Map, Value};

use crate::event::{Format, Kind};

/// One event, before it is written in a format.
#[derive(Debug)]
pub(super) struct Sample {
    kind: Kind,
    /// Canonical name and value.
    fields: &'static [(&'static str, &'static str)],
    /// Names that no dictionary knows; they arrive in `custom`.
    custom: &'static [(&'static str, &'static str)],
    items: &'static [Item],
}

#[derive(Debug)]
struct Item {
    sku: &'static str,
    quantity: &'static str,
    amount: &'static str,
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
    /// How much was sent, in bytes.
    pub(super) fn size(&self) -> usize {
        self.query.as_ref().map_or(0, String::len) + self.body.len()
    }
}

impl Sample {
    /// The sample of a kind.
    pub(super) fn of(kind: Kind) -> Self {
        let (fields, custom, items): (_, &[(&str, &str)], &'static [Item]) = match kind {
            Kind::Action => (ACTION, &[("my_flag", "yes")], ITEMS),
            Kind::Clearing => (CLEARING, &[], &[]),
            Kind::Inquiry => (INQUIRY, &[("member", "Zoë & Co <vip>")], &[]),
            Kind::Catalog => (CATALOG, &[], &[]),
            Kind::Tracking => (TRACKING, &[("purpose", "click id")], &[]),
            Kind::Job => (JOB, &[("report", "adv_action_listing")], &[]),
            Kind::Custom => (&[], &[("anything", "goes"), ("shape", "100 % \"yours\"")], &[]),
        };
        Self { kind, fields, custom, items }
    }

    /// The sample as `format` carries it.
    pub(super) fn encode(&self, format: Format) -> Encoded {
        match format {
            Format::Json => {
                Encoded { content_type: Some("application/json"), query: None, body: self.json() }
            }
            Format::Xml => Encoded {
                content_type: Some("application/xml"),
                query: None,
                body: self.xml().into_bytes(),
            },
            Format::Form => Encoded {
                content_type: Some("application/x-www-form-urlencoded"),
                query: None,
                body: self.pairs().into_bytes(),
            },
            Format::Query => {
                Encoded { content_type: None, query: Some(self.pairs()), body: Vec::new() }
            }
        }
    }

    fn json(&self) -> Vec<u8> {
        let text = |value: &str| Value::String(value.to_owned());
        let mut object: Map<String, Value> = self
            .fields
            .iter()
            .chain(self.custom)
            .map(|&(name, value)| (name.to_owned(), text(value)))
            .collect();
        if !self.items.is_empty() {
            let item = |item: &Item| serde_json::json!({"sku": item.sku, "qty": item.quantity, "amt": item.amount});
            object.insert("items".to_owned(), self.items.iter().map(item).collect());
        }
        Value::Object(object).to_string().into_bytes()
    }

    fn xml(&self) -> String {
        let fields = self.fields.iter().map(|&(name, value)| element(&pascal(name), value));
        let custom = self.custom.iter().map(|&(name, value)| element(name, value));
        let items = self.items.iter().map(|Item { sku, quantity, amount }| {
            format!("  <Item sku=\"{sku}\" qty=\"{quantity}\" amt=\"{amount}\"/>\n")
        });
        let elements: String = fields.chain(custom).chain(items).collect();
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<postback>\n{elements}</postback>\n")
    }

    fn pairs(&self) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        for &(name, value) in self.fields {
            pairs.append_pair(&pascal(name), value);
        }
        pairs.extend_pairs(self.custom);
        for (number, item) in (1..).zip(self.items) {
            pairs.append_pair(&format!("ItemSku{number}"), item.sku);
            pairs.append_pair(&format!("ItemQuantity{number}"), item.quantity);
            pairs.append_pair(&format!("ItemSubTotal{number}"), item.amount);
        }
        pairs.finish()
    }

    /// The kind this is a sample of.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }
}

fn element(name: &str, value: &str) -> String {
    format!("  <{name}>{}</{name}>\n", quick_xml::escape::escape(value))
}

/// `sub_id1` as its macro is written: `SubId1`.
fn pascal(name: &str) -> String {
    let capitalised = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect::<String>()
        })
    };
    name.split('_').map(capitalised).collect()
}

const ACTION: &[(&str, &str)] = &[
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

const ITEMS: &[Item] = &[
    Item { sku: "APP-0016", quantity: "1", amount: "700.00" },
    Item { sku: "SOCK-2", quantity: "2", amount: "19.10" },
];

const CLEARING: &[(&str, &str)] = &[
    ("action_id", "1000.4636.158134"),
    ("campaign_id", "1000"),
    ("status", "APPROVED"),
    ("locked_status", "CLEARED"),
    ("payout", "12.50"),
    ("currency", "EUR"),
    ("cleared_date", "2024-11-15T00:00:00+01:00"),
];

const INQUIRY: &[(&str, &str)] = &[
    ("inquiry_id", "88231"),
    ("campaign_id", "1000"),
    ("order_id", "A-55/2024"),
    ("transaction_date", "2024-08-30T18:01:07Z"),
    ("transaction_amount", "64.90"),
    ("inquiry_type", "UNTRACKED"),
    ("expected_payout", "3.25"),
    ("resolution_status", "VALID"),
];

const CATALOG: &[(&str, &str)] = &[
    ("catalog_id", "4711"),
    ("campaign_id", "1000"),
    ("catalog_item_id", "product_4711_APP-0016"),
    ("name", "Running shoe \"Ἑρμῆς\""),
    ("original_price", "129.00"),
    ("current_price", "99.90"),
    ("currency", "USD"),
    ("stock_availability", "OutOfStock"),
];

const TRACKING: &[(&str, &str)] = &[("tracking_id", "tv-7"), ("campaign_id", "1000")];

const JOB: &[(&str, &str)] = &[("job_id", "1f0c-22"), ("status", "COMPLETED")];
