//! Downloads within the program, by `ureq`.

use ureq::Agent;

use super::transport::{Failure, Reply, SILENCE, Transport, USER_AGENT};

/// Downloads by a client of HTTP.
pub(super) struct Client(Agent);

impl Default for Client {
    fn default() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(USER_AGENT);
        Self(config.build().into())
    }
}

impl Client {
    /// The environment of a test may name a proxy, which does not see this machine's loopback.
    #[cfg(test)]
    pub(super) fn direct() -> Self {
        Self(Agent::config_builder().http_status_as_error(false).proxy(None).build().into())
    }
}

impl Transport for Client {
    fn get(&self, address: &str, from: u64) -> Result<Reply, Failure> {
        let mut request = self.0.get(address);
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let response = request.call().map_err(|error| Failure::Reason(error.to_string()))?;
        let content_range = response.headers().get("Content-Range").and_then(|value| value.to_str().ok());
        Ok(Reply {
            status: response.status().as_u16(),
            content_range: content_range.map(str::to_owned),
            body: Box::new(response.into_body().into_reader()),
        })
    }
}
