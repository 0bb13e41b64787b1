//! What a large company asks most often: what may I ask for, and let me in. 5,000 people in fifty
//! teams, 2,000 entitlements in 300 accounts.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};

use crate::blocks::{milliseconds, p50_p99, percentile, short};
use crate::catalog::OURS;
use crate::pages::look;
use crate::process::Process;
use crate::provider::{CLIENT, Provider};
use crate::world::{FAST, World, settings};
use crate::{Outcome, Plan, catalog};

const TEAMS: usize = 50;
/// Three teams are theirs; or all of them are.
const PEOPLE: [&str; 2] = ["person-0007", "everywhere"];
const PAGES: [&str; 2] = ["/api/v1/entitlements", "/"];

/// How large the company is.
struct Size {
    people: usize,
    entitlements: usize,
    accounts: usize,
}

pub async fn run(plan: &Plan, world: &World) -> Outcome<()> {
    let size = if plan.quick {
        Size {
            people: 60,
            entitlements: 100,
            accounts: 10,
        }
    } else {
        Size {
            people: 5_000,
            entitlements: 2_000,
            accounts: 300,
        }
    };
    let provider = Provider::start().await?;
    let db = world
        .place("company", &toml(&size, &provider.issuer))
        .await?;
    let mut environment = settings(&db, &world.sandbox.url, FAST);
    for (key, value) in [
        ("OIDC__ISSUER", provider.issuer.as_str()),
        ("OIDC__CLIENT_ID", CLIENT),
    ] {
        environment.push((format!("COUNTERSIGN_{key}"), value.to_owned()));
    }
    let log = world.folder().join("serve-beside.log");
    let serve = Process::start(&["serve"], &environment, &log)?;
    let mut rows = Vec::new();
    for path in PAGES {
        for who in PEOPLE {
            let took = look(&serve.url, path, who, plan.looks).await?;
            rows.push((path, who, took));
        }
    }
    let mut signed_in = Vec::new();
    // The first one has the keys fetched.
    for nth in 0..=plan.looks {
        let took = sign_in(&serve.url, &provider, nth % size.people).await?;
        if nth > 0 {
            signed_in.push(milliseconds(took));
        }
    }
    drop(serve);
    db.admin.close().await;
    tell(&size, &rows, &signed_in);
    Ok(())
}

fn tell(size: &Size, rows: &[(&str, &str, Vec<f64>)], signed_in: &[f64]) {
    println!(
        "\n## {} people, {} entitlements in {} accounts\n",
        size.people, size.entitlements, size.accounts
    );
    println!("| what | who | p50 / p99, ms | wanted at p99 |\n|---|---|---|---|");
    for (path, who, took) in rows {
        println!("| `{path}` | {who} | {} | 50 |", p50_p99(took));
    }
    println!(
        "| a sign-in, from the provider's answer | anybody | {} | 100 (longest {}) |",
        p50_p99(signed_in),
        short(percentile(signed_in, 1.0))
    );
}

/// From the provider's answer to the session's cookie.
async fn sign_in(url: &str, provider: &Provider, nth: usize) -> Outcome<Duration> {
    let http = reqwest::Client::builder().no_proxy();
    let http = http.redirect(reqwest::redirect::Policy::none()).build()?;
    let left = http.get(format!("{url}/sign-in/start")).send().await?;
    let header = |name| left.headers().get(name)?.to_str().ok();
    let (Some(place), Some(cookie)) = (header(LOCATION), header(SET_COOKIE)) else {
        return Err(format!("nobody is sent to the provider: {}", left.status()).into());
    };
    let (_, query) = place.split_once('?').unwrap_or_default();
    let asked: HashMap<String, String> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let told = |name: &str| asked.get(name).map_or("", String::as_str);
    let code = format!("{}.{}", person(nth), told("nonce"));
    let back = form_urlencoded::Serializer::new(String::new())
        .append_pair("code", &code)
        .append_pair("state", told("state"))
        .finish();
    let cookie = cookie.split(';').next().unwrap_or_default();
    let back = http.get(format!("{url}/sign-in/callback?{back}"));
    let answer = back.header(COOKIE, cookie).send().await?;
    let done = std::time::Instant::now();
    let is_in = answer
        .headers()
        .get_all(SET_COOKIE)
        .iter()
        .any(|it| it.to_str().is_ok_and(|it| it.starts_with("countersign=")));
    let answered = provider.answered();
    match answered {
        Some(answered) if is_in => Ok(done - answered),
        _ => Err(format!("nobody was signed in: {}", answer.text().await?).into()),
    }
}

fn person(nth: usize) -> String {
    format!("person-{nth:04}")
}

fn team(nth: usize) -> String {
    format!("team-{:02}", nth % TEAMS)
}

fn account(nth: usize) -> String {
    match nth {
        0 => catalog::ACCOUNT.to_owned(),
        _ => format!("{:012}", 200_000_000_000 + nth),
    }
}

fn toml(size: &Size, issuer: &str) -> String {
    let mut text = String::new();
    for nth in 0..size.accounts {
        let id = account(nth);
        let _ = writeln!(
            text,
            "[[accounts]]\nid = \"{id}\"\nname = \"Account {nth}\""
        );
        if nth > 0 {
            let _ = writeln!(text, "manager_role = \"arn:aws:iam::{id}:role/{OURS}\"");
        }
    }
    let mut somebody = |name: &str, groups: &[String]| {
        let groups = groups.join("\", \"");
        let _ = writeln!(
            text,
            "[[people]]\nissuer = \"{issuer}\"\nsubject = \"{name}\"\nname = \"{name}\"\nemail = \"{name}@example.com\"\n\
             groups = [\"{groups}\"]\nprincipals = []"
        );
    };
    for nth in 0..size.people {
        somebody(&person(nth), &[team(nth), team(nth + 1), team(nth + 2)]);
    }
    let all: Vec<String> = (0..TEAMS).map(team).collect();
    somebody("everywhere", &all);
    for nth in 0..size.entitlements {
        let (account, team) = (account(nth % size.accounts), team(nth));
        let _ = writeln!(
            text,
            "[[entitlements]]\nname = \"role-{nth:04}\"\nrole_arn = \"arn:aws:iam::{account}:role/role-{nth:04}\"\n\
             method = \"trust_policy\"\nmin_duration = \"PT5S\"\nmax_duration = \"PT8H\"\n\
             requester_group = \"{team}\"\napprover_group = \"{team}\""
        );
    }
    text
}
