//! The objects of runs in the store of the server: plans, lists of parts, reports.

use std::io::Cursor;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::object_store::{Config, GetErrorKind, ObjectStore};
use tokio::io::AsyncReadExt as _;

use super::{Bus, BusError};
use crate::RunId;
use crate::message::{SERVER, Work, printable};

const BUCKET: &str = "echobench";

/// How long the objects of a run stay.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// The bucket of objects, which is made if it is missing.
pub(super) async fn make(context: &jetstream::Context) -> Result<ObjectStore, BusError> {
    // A bucket that is there already may have been given other limits, which is no fault.
    if let Ok(there) = context.get_object_store(BUCKET).await {
        return Ok(there);
    }
    let config = Config {
        bucket: BUCKET.into(),
        description: Some("plans and reports of echo-bench".into()),
        max_age: KEPT,
        num_replicas: 1,
        ..Config::default()
    };
    let made = context.create_object_store(config).await;
    made.map_err(|error| BusError::NoStore(printable(&error.to_string())))
}

/// The name of the plan of a run, for this work.
pub(super) fn plan(run: &RunId, work: Work) -> String {
    match work {
        Work::Part { .. } => format!("{run}.plan"),
        Work::Server {} => format!("{run}.server-plan"),
    }
}

/// The name of the list of its parts.
pub(super) fn roster(run: &RunId) -> String {
    format!("{run}.parts")
}

/// The name of the report of a part, or of what was seen of the server.
pub(super) fn report(run: &RunId, part: u32) -> String {
    match part {
        SERVER => format!("{run}.server"),
        part => format!("{run}.part-{part}"),
    }
}

impl Bus {
    /// Stores an object.
    pub(super) async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BusError> {
        let put = self.objects.put(name, &mut Cursor::new(bytes)).await;
        put.map(drop).map_err(|error| failed(name, &error))
    }

    /// An object of at most so many bytes; none if it is not there.
    pub(super) async fn get(
        &self,
        name: &str,
        most: usize,
    ) -> Result<Option<Vec<u8>>, BusError> {
        let object = match self.objects.get(name).await {
            Ok(object) => object,
            Err(error) if error.kind() == GetErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(name, &error)),
        };
        if object.info().size > most {
            let reason = format!("{} bytes are more than {most}", object.info().size);
            return Err(BusError::Object { name: name.into(), reason });
        }
        let mut bytes = Vec::new();
        // Its size is what whoever put it there says.
        let read = object.take(most as u64 + 1).read_to_end(&mut bytes).await;
        read.map_err(|error| failed(name, &error))?;
        if bytes.len() > most {
            let reason = format!("more than {most} bytes");
            return Err(BusError::Object { name: name.into(), reason });
        }
        Ok(Some(bytes))
    }
}

fn failed(name: &str, error: &dyn std::fmt::Display) -> BusError {
    BusError::Object { name: name.into(), reason: printable(&error.to_string()) }
}
