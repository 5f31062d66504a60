//! The known fields of every kind, in canonical order; `docs/fields.md` is made of them. They are
//! those of impact.com's documentation of postbacks and of the objects of its API. Other names are
//! written as [`super::path::normal`] reads them: lower case, without separators. A field's own name
//! need not be repeated.

use super::check::Check::{self, Currency, Date, Decimal, Open, Text, Time, Word};

/// A field that the canonical body knows.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) check: Check,
    pub(super) also: &'static [&'static str],
    /// It says something about a person: for `docs/fields.md`.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test writes that page"))]
    pub(super) personal: bool,
}

const fn field(name: &'static str, check: Check) -> Field {
    Field { name, check, also: &[], personal: false }
}

const fn personal(name: &'static str) -> Field {
    Field { personal: true, ..field(name, Text) }
}

impl Field {
    const fn also(self, names: &'static [&'static str]) -> Self {
        Self { also: names, ..self }
    }
}

const CAMPAIGN_ID: Field =
    field("campaign_id", Text).also(&["programid", "brandid", "advertiserid"]);
const CAMPAIGN_NAME: Field =
    field("campaign_name", Text).also(&["programname", "brandname", "advertisername"]);
const ORDER_ID: Field = field("order_id", Text).also(&["oid"]);

/// Of `action` and `clearing`.
pub(super) const ACTION: &[Field] = &[
    field("action_id", Text).also(&["id", "aid", "txid", "transactionid"]),
    CAMPAIGN_ID,
    CAMPAIGN_NAME,
    field("action_tracker_id", Text).also(&["eventtypeid"]),
    field("action_tracker_name", Text).also(&["eventtypename"]),
    field("media_partner_id", Text),
    field("media_partner_name", Text),
    field("event_code", Text),
    field("action_type", Text),
    field("referring_type", Text),
    field("status", Word(&["PENDING", "APPROVED", "REVERSED"])).also(&[
        "state",
        "actionstatus",
        "actionstate",
    ]),
    field("status_detail", Open).also(&["statedetail", "actionstatusdetail", "actionstatedetail"]),
    field("locked_status", Word(&["OPEN", "LOCKED", "CLEARED", "DEFAULTED"])),
    field("ad_id", Text),
    field("payout", Decimal).also(&["commission"]),
    field("delta_payout", Decimal),
    field("intended_payout", Decimal),
    field("amount", Decimal).also(&["saleamount", "orderamount", "transactionamount"]),
    field("delta_amount", Decimal),
    field("intended_amount", Decimal),
    field("original_amount", Decimal),
    field("currency", Currency).also(&["salecurrency", "ordercurrency", "transactioncurrency"]),
    field("original_currency", Currency).also(&["originalamountcurrency"]),
    field("event_date", Time),
    field("creation_date", Time),
    field("locking_date", Time),
    field("cleared_date", Time),
    field("referring_date", Time),
    field("referring_domain", Text),
    field("landing_page_url", Text),
    ORDER_ID,
    field("sub_id1", Text),
    field("sub_id2", Text),
    field("sub_id3", Text),
    field("shared_id", Text),
    field("ref_click_id", Text).also(&["clickid"]),
    field("promo_code", Text),
    field("note", Text),
    field("caller_id", Text),
    personal("customer_id"),
    personal("customer_status"),
    personal("customer_city"),
    personal("customer_region"),
    personal("customer_country"),
    personal("customer_post_code"),
    personal("customer_area"),
    personal("ip_address"),
    field("uri", Text),
];

/// Of one of an action's `items`. Each money value can have its own currency.
pub(super) const ITEM: &[Field] = &[
    field("sku", Text),
    field("item_name", Text).also(&["name", "productname"]),
    field("category", Text).also(&["itemcategory"]),
    field("sub_category", Text).also(&["itemsubcategory"]),
    field("quantity", Decimal).also(&["qty"]),
    field("amount", Decimal).also(&["amt", "saleamount", "subtotal"]),
    field("amount_currency", Currency).also(&["amtcurrency", "saleamountcurrency"]),
    field("payout", Decimal).also(&["commission"]),
    field("payout_currency", Currency),
    field("rebate", Decimal),
    field("rebate_currency", Currency),
    field("currency", Currency),
    field("adjustment_reason", Open),
];

/// Of `inquiry`. `comments` is last, because it can be a list.
pub(super) const INQUIRY: &[Field] = &[
    field("inquiry_id", Text).also(&["id", "actioninquiryid"]),
    field("media_partner_inquiry_id", Text),
    CAMPAIGN_ID,
    CAMPAIGN_NAME,
    field("action_id", Text),
    ORDER_ID,
    field("transaction_date", Date),
    field("transaction_amount", Decimal),
    personal("customer_id"),
    field("inquiry_date", Date),
    field("inquiry_type", Word(&["UNTRACKED", "INCORRECT", "DECLINED"])),
    field("expected_payout", Decimal),
    field("resolution_deadline_date", Date),
    field("resolution_date", Date),
    field("resolution_status", Word(&["UNRESOLVED", "VALID", "DECLINED", "INCOMPLETE"])),
    field("resolution_notes", Text),
    field("reject_reason", Text),
    field("final_payout", Decimal),
    field("auto_approval_date", Date),
    field("creation_date", Date),
    field("inquiry_notes", Text),
    field("tracking_link", Text),
    field("action_uri", Text),
    field("uri", Text),
    field("comments", Text),
];

/// Of one of an inquiry's `comments`.
pub(super) const COMMENT: &[Field] =
    &[field("user", Text), field("comment", Text).also(&["text"]), field("date", Date)];

/// Of `catalog`.
pub(super) const CATALOG: &[Field] = &[
    field("catalog_id", Text),
    field("catalog_name", Text),
    CAMPAIGN_ID,
    CAMPAIGN_NAME,
    field("catalog_item_id", Text).also(&["id"]),
    field("name", Text).also(&["productname"]),
    field("description", Text),
    field("manufacturer", Text),
    field("sku", Text),
    field("mpn", Text),
    field("gtin", Text),
    field("asin", Text),
    field("url", Text),
    field("mobile_url", Text),
    field("image_url", Text),
    field("original_price", Decimal),
    field("current_price", Decimal),
    field("discount_percentage", Decimal),
    field("currency", Currency),
    field(
        "stock_availability",
        Word(&["INSTOCK", "OUTOFSTOCK", "BACKORDER", "PREORDER", "LIMITEDAVAILABILITY"]),
    ),
    field("condition", Text),
    field("category", Text),
    field("sub_category", Text),
    field("expiration_date", Date),
    field("launch_date", Date),
    field("change_type", Text).also(&["eventtype"]),
];

/// Of `tracking`. impact.com documents little of it: what other kinds share.
pub(super) const TRACKING: &[Field] = &[
    field("tracking_id", Text).also(&["id", "trackingrequestid", "trackingvaluerequestid"]),
    CAMPAIGN_ID,
    CAMPAIGN_NAME,
    field("media_partner_id", Text),
    field("media_partner_name", Text),
    field("status", Open).also(&["state"]),
    field("creation_date", Date),
    field("uri", Text),
];

/// Of `job`. impact.com documents little of it: what other kinds share.
pub(super) const JOB: &[Field] = &[
    field("job_id", Text).also(&["id"]),
    field("job_name", Text).also(&["name"]),
    field("status", Open).also(&["state"]),
    field("status_detail", Open).also(&["statedetail"]),
    field("creation_date", Date),
    field("completion_date", Date),
    field("result_uri", Text),
    field("uri", Text),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_data_is_marked() {
        let marked: Vec<_> =
            ACTION.iter().filter(|field| field.personal).map(|field| field.name).collect();
        assert_eq!(marked.len(), 8);
        assert!(marked.contains(&"ip_address") && marked.contains(&"customer_post_code"));
    }
}
