//! Collecting the hops of a call from everybody's logs: from where the logs ended before the call, until all are there.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::hop::Hop;
use super::tree::Trace;
use crate::core::failure::Result;
use crate::machine::state::RunDir;
use crate::mesh::jobs::Jobs;
use crate::mesh::logs::{Logs, Stream, Writer};
use crate::mesh::vm::Component;

/// The pause between two looks. An Envoy writes its lines out four times a second.
const PAUSE: Duration = Duration::from_millis(25);

/// The ends of all logs before a call.
#[derive(Debug)]
pub struct Watch {
    logs: Logs,
    streams: Vec<Stream>,
}

impl Watch {
    /// Marks where the logs of the load balancer and of all tasks end now.
    pub async fn begin(run: &RunDir) -> Result<Self> {
        // Says better than `Logs` what is missing: tasks are wanted here.
        Jobs::of(run)?;
        let logs = Logs::of(run)?;
        let door = Writer::Component(Component::Lb.name().to_owned());
        let mut streams = vec![Stream::output(door)];
        streams.extend(logs.tasks().await?.into_iter().map(Stream::output));
        let listing = logs.list(&streams).await?;
        for stream in &mut streams {
            stream.go_to_end(&logs, &listing, 0);
        }
        Ok(Self { logs, streams })
    }

    /// Reads on until `empty`, the trace of a call without any hop, is complete, or `patience` is over: then what is
    /// missing is in the trace.
    pub async fn collect(mut self, empty: Trace, patience: Duration) -> Result<Trace> {
        let deadline = Instant::now() + patience;
        let mut hops = Vec::new();
        loop {
            let late = Instant::now() >= deadline;
            match self.look(&empty.request_id, &mut hops).await {
                Err(failure) if late => return Err(failure),
                // Nomad may be busy; what was read stays read.
                Err(_) => {}
                Ok(()) => {
                    let trace = empty.with(hops.clone());
                    if late || trace.missing.is_empty() {
                        return Ok(trace);
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look(&mut self, request_id: &str, hops: &mut Vec<Hop>) -> Result<()> {
        let listing = self.logs.list(&self.streams).await?;
        let logs = &self.logs;
        let read = self.streams.iter_mut().map(async |stream| {
            let lines = stream.read_on(logs, &listing).await;
            (stream.writer().clone(), lines)
        });
        for (writer, lines) in join_all(read).await {
            let job = match &writer {
                Writer::Task { job, .. } => Some(job.as_str()),
                Writer::Component(_) => None,
            };
            let own = lines?.into_iter().filter(|line| line.contains(request_id));
            let own = own.filter_map(|line| Hop::parse(writer.name(), job, &line));
            hops.extend(own.filter(|hop| hop.request_id == request_id));
        }
        Ok(())
    }
}
