//! Every page is rendered from samples (STYLE: one struct per page, and every page has samples).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use countersign::web::assets;

use super::gallery::{all, types};
use super::hostile;

/// Everything between `open` and the next `close`.
fn between<'a>(text: &'a str, open: &str, close: char) -> Vec<&'a str> {
    text.split(open)
        .skip(1)
        .filter_map(|rest| rest.split(close).next())
        .collect()
}

/// The types that render a page of `templates/pages`, by its file.
fn page_types() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    for folder in ["web", "demo"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let module = path.file_stem().and_then(|it| it.to_str()).expect("UTF-8");
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for rest in text.split("path = \"pages/").skip(1) {
                let (file, rest) = rest.split_once('"').expect("a closed string");
                let name = between(rest, "pub struct ", ' ')[0];
                let of = format!("countersign::{folder}::{module}::{name}");
                assert_eq!(found.insert(file.to_owned(), of), None, "{file}");
            }
        }
    }
    found
}

#[test]
fn each_page_has_a_sample() {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/pages");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.expect("an entry").file_name();
        name.into_string().expect("UTF-8")
    };
    let files = std::fs::read_dir(templates).expect("the pages");
    let (files, pages) = (files.map(name).collect::<BTreeSet<_>>(), page_types());
    assert_eq!(pages.keys().cloned().collect::<BTreeSet<_>>(), files);
    let shown = types();
    for (file, of) in pages {
        assert!(shown.contains(of.as_str()), "{file}: no sample of {of}");
    }
}

#[test]
fn each_page_has_one_heading_a_title_and_no_doubled_id() {
    for (name, page) in all() {
        assert_eq!(page.matches("<h1>").count(), 1, "{name}: headings");
        let title = &between(&page, "<title>", '<')[0];
        assert!(
            title.ends_with(" · Countersign") && title.len() > 18,
            "{name}: title {title}"
        );
        let ids = between(&page, " id=\"", '"');
        let distinct: BTreeSet<_> = ids.iter().collect();
        assert_eq!(ids.len(), distinct.len(), "{name}: doubled id in {ids:?}");
    }
}

#[test]
fn each_label_and_description_points_at_something_on_the_page() {
    for (name, page) in all() {
        let ids: BTreeSet<_> = between(&page, " id=\"", '"').into_iter().collect();
        let referred = [
            "for=\"",
            "aria-labelledby=\"",
            "aria-describedby=\"",
            "href=\"#",
        ];
        for id in referred
            .iter()
            .flat_map(|attribute| between(&page, attribute, '"'))
            .flat_map(str::split_whitespace)
        {
            assert!(ids.contains(id), "{name}: nothing has the id {id}");
        }
    }
}

#[test]
fn no_page_needs_what_its_content_security_policy_forbids() {
    for (name, page) in all() {
        for forbidden in [
            " style=",
            "<style",
            " onclick=",
            " onload=",
            "javascript:",
            "http-equiv",
        ] {
            assert!(!page.contains(forbidden), "{name}: {forbidden}");
        }
        assert_eq!(page.matches("<script").count(), 1, "{name}: scripts");
        assert!(
            page.contains(&format!(
                r#"<script src="{}" defer></script>"#,
                assets::script()
            )),
            "{name}"
        );
        for place in between(&page, " src=\"", '"') {
            assert!(place.starts_with("/assets/"), "{name}: loads {place}");
        }
    }
}

#[test]
fn what_people_typed_is_shown_as_text() {
    for (name, page) in hostile::all() {
        // The arguments of a command and the parts of an ARN are cut; no piece of the markup may
        // survive in any of them.
        for piece in ["<script>alert", "<img", "onerror=alert(1)>"] {
            assert!(!page.contains(piece), "{name}: {piece}");
        }
        assert!(
            page.contains("&#60;script&#62;alert(1)"),
            "{name} does not show it"
        );
    }
}

#[test]
fn each_state_is_told_by_a_word_and_by_the_title() {
    let states = [
        ("request-pending", "Pending"),
        ("request-denied", "Denied"),
        ("request-withdrawn", "Withdrawn"),
        ("request-expired", "Expired"),
        ("grant-scheduled", "Scheduled"),
        ("grant-opening", "Opening"),
        ("grant-active", "Active"),
        ("grant-closing", "Closing"),
        ("grant-ended", "Ended"),
        ("grant-failed", "Failed"),
    ];
    let pages = all();
    for (name, word) in states {
        let page = &pages
            .iter()
            .find(|(sample, _)| *sample == name)
            .expect("a sample")
            .1;
        assert!(
            page.contains(&format!("<title>{word}: prod-admin for Alice Archer")),
            "{name}"
        );
        assert!(
            page.contains(&format!("</svg>{word}</span>")),
            "{name}: icon and word"
        );
    }
}

#[test]
fn rendering_twice_gives_the_same_and_leaves_the_pages_to_be_looked_at() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    // What an earlier run left may be a page that is no more.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("assets")).expect("a folder");
    for ((name, page), (_, again)) in all().into_iter().zip(all()) {
        assert_eq!(page, again, "{name}");
        std::fs::write(folder.join(name).with_extension("html"), page).expect("a file");
    }
    let files = [
        (assets::css(), include_str!("../../../assets/portal.css")),
        (assets::script(), include_str!("../../../assets/portal.js")),
        (assets::icon(), include_str!("../../../assets/icon.svg")),
    ];
    for (path, text) in files {
        std::fs::write(folder.join(&path[1..]), text).expect("a file");
    }
}
