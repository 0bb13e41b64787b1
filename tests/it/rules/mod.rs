//! What entitlements ask of asking and deciding, beside who decides.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

mod asking;
mod catalog;
mod deciding;
mod held;
mod live;
mod pages;

use crate::support::app::TestApp;
use crate::support::catalog::Catalog;

/// The company, where `prod-admin` has these rules: what stands between the braces of the file.
async fn company(rules: &str) -> TestApp {
    TestApp::with(|it| ruled(it, rules)).await
}

/// Gives `prod-admin` these rules.
fn ruled(catalog: &mut Catalog, rules: &str) {
    let rules: toml::Table = toml::from_str(&format!("rules = {{ {rules} }}")).unwrap();
    let more = &mut catalog.entitlement("prod-admin").more;
    more.insert("rules".to_owned(), rules["rules"].clone());
}
