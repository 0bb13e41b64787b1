use std::io::Write;
use std::time::Duration;

use countersign::config::{Config, ConfigError, LogFormat};

fn load(file: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut on_disk = tempfile::NamedTempFile::new().unwrap();
    on_disk.write_all(file.as_bytes()).unwrap();
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::load(Some(on_disk.path()), env)
}

fn refusal(file: &str, env: &[(&str, &str)]) -> String {
    let error = load(file, env).unwrap_err().to_string();
    assert!(!error.contains('\n'), "one line: {error}");
    error
}

#[track_caller]
fn says(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "`{word}` is missing in: {error}");
    }
}

#[test]
fn the_environment_stands_above_the_file_and_the_file_above_the_defaults() {
    let file = "[worker]\nlease = 'PT90S'\npoll = 'PT1S'\n[log]\nformat = 'json'\n";
    let config = load(
        file,
        &[
            ("COUNTERSIGN_WORKER__LEASE", "PT2M"),
            ("COUNTERSIGN_DATABASE__MAX_CONNECTIONS", "17"),
            ("COUNTERSIGN_ROLES__ADMIN", "security-admins, owners"),
            ("COUNTERSIGN_CONFIG", "elsewhere.toml"),
            ("COUNTERSIGN_PG_BIN", "/usr/bin"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(config.worker.lease, Duration::from_mins(2));
    assert_eq!(config.worker.poll, Duration::from_secs(1));
    assert_eq!(config.worker.open_attempts.get(), 8);
    assert_eq!(config.database.max_connections.get(), 17);
    assert_eq!(config.roles.admin, ["security-admins", "owners"]);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.aws.unanswered_margin, Duration::from_mins(15));
}

#[test]
fn database_url_is_honoured_below_the_key_of_our_own() {
    let theirs = ("DATABASE_URL", "postgres://theirs@h/d");
    let ours = ("COUNTERSIGN_DATABASE__URL", "postgres://ours@h/d");
    let file = "[database]\nurl = 'postgres://file@h/d'\n";
    let url = |env: &[_]| load(file, env).unwrap().database_url().unwrap().to_owned();
    assert_eq!(url(&[]), "postgres://file@h/d");
    assert_eq!(url(&[theirs]), "postgres://theirs@h/d");
    assert_eq!(url(&[theirs, ours]), "postgres://ours@h/d");
    let unset = Config::load(None, []).unwrap();
    says(
        &unset.database_url().unwrap_err().to_string(),
        &["database.url", "postgres://"],
    );
}

#[test]
fn an_unknown_key_is_an_error_that_names_it() {
    says(
        &refusal("[server]\nlisten_on = 'x'\n", &[]),
        &["unknown", "server.listen_on"],
    );
    says(
        &refusal("[sever]\nlisten = 'x'\n", &[]),
        &["unknown", "sever.listen"],
    );
    says(&refusal("listen = 'x'\n", &[]), &["unknown", "listen"]);
    says(
        &refusal("", &[("COUNTERSIGN_SERVER__LISTEN_ON", "x")]),
        &[
            "unknown",
            "server.listen_on",
            "COUNTERSIGN_SERVER__LISTEN_ON",
        ],
    );
    says(
        &refusal("", &[("COUNTERSIGN_LISTEN", "x")]),
        &["unknown", "COUNTERSIGN_LISTEN"],
    );
}

#[test]
fn a_bad_value_is_an_error_that_names_its_key_and_what_is_expected() {
    let bad = [
        (
            "COUNTERSIGN_SERVER__LISTEN",
            "8080",
            "server.listen",
            "127.0.0.1:8080",
        ),
        (
            "COUNTERSIGN_AWS__PROPAGATION_MARGIN",
            "2m",
            "aws.propagation_margin",
            "PT2M",
        ),
        (
            "COUNTERSIGN_AWS__PROPAGATION_MARGIN",
            "-PT2M",
            "aws.propagation_margin",
            "PT2M",
        ),
        (
            "COUNTERSIGN_WORKER__POLL",
            "PT0S",
            "worker.poll",
            "above zero",
        ),
        (
            "COUNTERSIGN_SESSIONS__LIFETIME",
            "PT9999999999999H",
            "sessions.lifetime",
            "at most PT8784H",
        ),
        (
            "COUNTERSIGN_REQUESTS__EXPIRE_AFTER",
            "PT8784H1S",
            "requests.expire_after",
            "at most PT8784H",
        ),
        (
            "COUNTERSIGN_WORKER__CONCURRENCY",
            "0",
            "worker.concurrency",
            "nonzero",
        ),
        (
            "COUNTERSIGN_WORKER__CONCURRENCY",
            "many",
            "worker.concurrency",
            "u32",
        ),
        ("COUNTERSIGN_LOG__FORMAT", "xml", "log.format", "json"),
        (
            "COUNTERSIGN_SERVER__PUBLIC_URL",
            "http://example.com",
            "server.public_url",
            "https",
        ),
        (
            "COUNTERSIGN_SERVER__PUBLIC_URL",
            "https://example.com/x",
            "server.public_url",
            "scheme and host",
        ),
        (
            "COUNTERSIGN_SERVER__PUBLIC_URL",
            "http://localhost.example.com",
            "server.public_url",
            "https",
        ),
    ];
    for (variable, value, key, expected) in bad {
        says(
            &refusal("", &[(variable, value)]),
            &[key, expected, variable],
        );
    }
    says(
        &refusal("[worker]\npoll = 5\n", &[]),
        &["worker.poll", "expected"],
    );
    says(&refusal("[worker]\npoll = \n", &[]), &["line 2"]);
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    let open = [("COUNTERSIGN_SERVER__LISTEN", "0.0.0.0:8080")];
    says(&refusal("", &open), &["server.public_url"]);
    let short = [("COUNTERSIGN_WORKER__LEASE", "PT19S")];
    says(
        &refusal("", &short),
        &["worker.lease", "aws.operation_timeout"],
    );
    let slow = [("COUNTERSIGN_AWS__CALLS_PER_SECOND", "9")];
    says(&refusal("", &slow), &["aws.calls_per_second", "10"]);
    for watch in ["PT9S", "PT1H1S"] {
        let watch = [("COUNTERSIGN_AWS__WATCH_INTERVAL", watch)];
        says(&refusal("", &watch), &["aws.watch_interval", "PT10S"]);
    }
}

#[test]
fn the_public_url_is_https_or_loopback() {
    for (given, meant) in [
        (
            "https://countersign.example.com/",
            "https://countersign.example.com",
        ),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ] {
        let config = load("", &[("COUNTERSIGN_SERVER__PUBLIC_URL", given)]).unwrap();
        assert_eq!(config.public_url(), meant);
    }
    assert_eq!(load("", &[]).unwrap().public_url(), "http://127.0.0.1:8080");
}

#[test]
fn no_message_and_no_output_holds_the_database_password() {
    let secret = ("COUNTERSIGN_DATABASE__URL", "postgres://u:hunter2@h/d");
    let config = load("", &[secret]).unwrap();
    assert!(
        config.to_toml().contains("url = \"***\""),
        "{}",
        config.to_toml()
    );
    assert!(!config.to_toml().contains("hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
    let other = [("DATABASE_URL", "mysql://u:hunter2@h/d")];
    let wrong = load("", &other).unwrap().database_url().unwrap_err();
    let wrong = wrong.to_string();
    says(&wrong, &["database.url", "postgres://"]);
    assert!(!wrong.contains("hunter2"), "{wrong}");
}

#[test]
fn what_config_prints_can_be_read_again() {
    let printed = load("", &[("COUNTERSIGN_AWS__REGION", "eu-central-1")])
        .unwrap()
        .to_toml();
    assert_eq!(load(&printed, &[]).unwrap().to_toml(), printed);
}

#[test]
fn no_message_holds_a_secret_of_a_url() {
    let public = [("COUNTERSIGN_SERVER__PUBLIC_URL", "https://u:hunter2@h")];
    let said = refusal("", &public);
    says(&said, &["server.public_url", "without user and password"]);
    assert!(!said.contains("hunter2"), "{said}");
    // sqlx would write these into the log and go on.
    for url in [
        "postgres://u@h/d?passwd=hunter2",
        "postgres://u@h/d?sslmode=require&hunter2",
        "postgres://u:p?hunter2@h/d",
    ] {
        let config = load("", &[("DATABASE_URL", url)]).unwrap();
        let said = config.database_url().unwrap_err().to_string();
        says(&said, &["database.url", "sslmode"]);
        assert!(!said.contains("hunter2"), "{said}");
    }
    let known = "postgres://u@h/d?sslmode=verify-full&sslrootcert=/ca.pem&options[search_path]=x";
    let config = load("", &[("DATABASE_URL", known)]).unwrap();
    assert_eq!(config.database_url().unwrap(), known);
}

#[test]
fn a_section_that_is_not_there_is_an_error_though_it_is_empty() {
    says(&refusal("[nosuch]\n", &[]), &["unknown", "nosuch"]);
    load("[server]\n", &[]).unwrap();
}

#[test]
fn trusted_proxies_are_networks_and_never_everybody() {
    let read = |config: Config| {
        let all = config.server.trusted_proxies.into_iter();
        all.map(|it| it.to_string()).collect::<Vec<_>>()
    };
    let file = "[server]\ntrusted_proxies = ['10.0.0.0/8', 'fd00::/8']\n";
    let config = load(file, &[]).unwrap();
    let printed = config.to_toml();
    assert_eq!(load(&printed, &[]).unwrap().to_toml(), printed);
    assert_eq!(read(config), ["10.0.0.0/8", "fd00::/8"]);
    for (variable, value) in [
        (
            "COUNTERSIGN_SERVER__TRUSTED_PROXIES",
            "192.0.2.7/32, fd00::/8",
        ),
        (
            "COUNTERSIGN_SERVER__TRUSTED_PROXIES",
            "['192.0.2.7/32', 'fd00::/8']",
        ),
    ] {
        let config = load(file, &[(variable, value)]).unwrap();
        assert_eq!(read(config), ["192.0.2.7/32", "fd00::/8"]);
    }
    assert!(read(load("", &[]).unwrap()).is_empty());
    for (wrong, expected) in [
        ("10.0.0.1", "10.0.0.0/8"),
        ("10.0.0.0/33", "10.0.0.0/8"),
        ("proxy.example.com", "10.0.0.0/8"),
        ("0.0.0.0/0", "not everybody"),
        ("::/0", "not everybody"),
        ("10.0.0.0/0", "not everybody"),
    ] {
        let file = format!("[server]\ntrusted_proxies = ['10.0.0.0/8', '{wrong}']\n");
        says(
            &refusal(&file, &[]),
            &["server.trusted_proxies", wrong, expected],
        );
        let variable = "COUNTERSIGN_SERVER__TRUSTED_PROXIES";
        let value = format!("10.0.0.0/8, {wrong}");
        let said = refusal("", &[(variable, &value)]);
        says(
            &said,
            &["server.trusted_proxies", variable, wrong, expected],
        );
    }
}

#[test]
fn a_region_is_not_empty() {
    let empty = [("COUNTERSIGN_AWS__REGION", "")];
    says(&refusal("", &empty), &["aws.region", "us-east-1"]);
}

#[test]
fn what_kubernetes_says_of_a_service_of_our_name_is_not_ours() {
    let theirs = [
        ("COUNTERSIGN_SERVICE_HOST", "10.0.0.1"),
        ("COUNTERSIGN_SERVICE_PORT", "80"),
        ("COUNTERSIGN_SERVICE_PORT_HTTP", "80"),
        ("COUNTERSIGN_PORT", "tcp://10.0.0.1:80"),
        ("COUNTERSIGN_PORT_80_TCP_ADDR", "10.0.0.1"),
    ];
    load("", &theirs).unwrap();
    for ours in [
        "COUNTERSIGN_PORTS",
        "COUNTERSIGN_PORT__X",
        "COUNTERSIGN_DATABASE_URL",
    ] {
        says(&refusal("", &[(ours, "x")]), &["unknown", ours]);
    }
}
