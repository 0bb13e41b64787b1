//! A browser that opens a link to the console.

use reqwest::{Client, StatusCode, Url};
use serde_json::Value;

use super::cloud::{Cloud, Keys};

/// A browser that is signed in to the stand-in's console.
pub struct Console<'a> {
    cloud: &'a Cloud,
    http: Client,
}

impl<'a> Console<'a> {
    /// What the link signs in to; `None` where AWS refuses it.
    pub async fn open(cloud: &'a Cloud, link: &str) -> Option<Self> {
        let http = Client::builder().cookie_store(true);
        // The console's page is asked for by those who want to see it.
        let http = http.redirect(reqwest::redirect::Policy::none());
        let http = http.build().unwrap();
        assert!(link.starts_with(&cloud.endpoint()), "{link}");
        let answer = http.get(link).send().await.unwrap();
        (answer.status() == StatusCode::SEE_OTHER).then_some(Self { cloud, http })
    }

    /// The keys that the console works with at this moment; `None` once nobody is signed in.
    pub async fn keys(&self) -> Option<Keys> {
        let url = format!("{}/console/keys", self.cloud.endpoint());
        let answer = self.http.get(url).send().await.unwrap();
        if answer.status() == StatusCode::UNAUTHORIZED {
            return None;
        }
        let keys: Value = answer.json().await.unwrap();
        let text = |name: &str| keys[name].as_str().unwrap();
        let [id, secret, token] = ["AccessKeyId", "SecretAccessKey", "SessionToken"].map(text);
        Some(Keys::handed(self.cloud, id, secret, token))
    }

    /// Whether an ordinary call works with keys that the console has made just now.
    pub async fn works(&self) -> bool {
        match self.keys().await {
            Some(keys) => keys.work().await,
            None => false,
        }
    }
}

/// A parameter of a link.
pub fn parameter(link: &str, name: &str) -> String {
    let link = Url::parse(link).unwrap();
    let mut all = link.query_pairs();
    let found = all.find(|(key, _)| key == name);
    found.unwrap().1.into_owned()
}
