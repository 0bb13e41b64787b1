//! A migration that is added or taken away is noticed: the macro that embeds them looks only when
//! it is compiled.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
