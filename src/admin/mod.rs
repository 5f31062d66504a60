//! The operator's listener, on a thread and runtime of its own. In: requests for `/livez`, `/readyz`, `/metrics`.
//! Out: answers, even when the data path is full. Never: a postback.
