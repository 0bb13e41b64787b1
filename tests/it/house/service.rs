//! The service as a whole, in this process.

use std::time::Duration;

use countersign::app::App;
use countersign::aws::Clouds;
use countersign::clock::Clock;
use countersign::config::Config;
use countersign::serve::{Broken, Service, router};
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::support::stage::Stage;
use crate::support::{TestDb, wait};

async fn service(app: &App, worker_pool: PgPool, config: &Config) -> Service {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let router = router(app, config, None, None);
    Service::start(listener, app, worker_pool, config, router).unwrap()
}

#[tokio::test]
async fn a_part_that_breaks_down_is_noticed() {
    let db = TestDb::new().await;
    let mut config = Config::default();
    // The next look lies after the end of time: the loop breaks down.
    config.worker.poll = Duration::MAX;
    let aws = Clouds::with("http://127.0.0.1:9", "AKIAX", "x", Duration::from_secs(1)).await;
    let app = App::new(db.pool.clone(), Clock::Database, aws, &config);
    let mut service = service(&app, db.pool.clone(), &config).await;
    let broken = tokio::time::timeout(Duration::from_secs(60), service.broken());
    let broken = broken.await.expect("noticed");
    assert!(matches!(broken, Broken::Panicked(_)), "{broken}");
    service.stop().await;
}

#[tokio::test]
async fn pages_that_take_every_connection_do_not_keep_the_worker_waiting() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 60).await;
    let options = (*stage.rows.pool.connect_options()).clone();
    let pages = sqlx::pool::PoolOptions::new().max_connections(1);
    let pages = pages.connect_with(options.clone()).await.unwrap();
    let workers = sqlx::pool::PoolOptions::new().max_connections(2);
    let workers = workers.connect_with(options).await.unwrap();
    let endpoint = stage.cloud.endpoint();
    let aws = Clouds::with(&endpoint, "AKIACOUNTERSIGN", "secret", stage.timeout).await;
    let config = Config::default();
    let app = App::new(pages.clone(), stage.clock.clone(), aws, &config);
    let _taken = pages.acquire().await.unwrap();
    let service = service(&app, workers, &config).await;
    wait::until_async("the grant is open", async || {
        stage.state(grant).await == "active"
    })
    .await;
    service.stop().await;
}
