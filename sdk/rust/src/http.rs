//! HTTP requests to the destinations that the operator granted (`http` in the plugin's settings).

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::streams::StreamError;

/// A response. A status that means an error is not an [`Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Why there is no response, as text for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub String);

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::HttpRequestDenied => Self("the operator has not granted this place".to_owned()),
            other => Self(format!("{other:?}")),
        }
    }
}

/// A request under construction; nothing is sent before [`Request::send`].
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    timeout_ms: Option<u64>,
}

impl Request {
    /// A GET request for an absolute URL.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::Get, url)
    }

    /// A POST request to an absolute URL, with this body.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::new(Method::Post, url) }
    }

    fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: Vec::new(), timeout_ms: None }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// How long to wait for the head of the response, in milliseconds. The deadline of the whole
    /// call is the operator's setting.
    pub fn timeout_ms(mut self, milliseconds: u64) -> Self {
        self.timeout_ms = Some(milliseconds);
        self
    }

    /// Sends the request and waits for the whole response.
    ///
    /// # Errors
    /// If the operator has not granted the destination, the request fails, or the body is longer
    /// than `max_body` bytes.
    pub fn send(self, max_body: usize) -> Result<Response, Error> {
        let (scheme, authority, path) = parts(&self.url)?;
        let mut headers = self.headers;
        if !self.body.is_empty() {
            headers.push(("content-length".to_owned(), self.body.len().to_string().into_bytes()));
        }
        let headers =
            Fields::from_list(&headers).map_err(|error| Error(format!("a header is not valid: {error:?}")))?;
        let request = OutgoingRequest::new(headers);
        request.set_method(&self.method).map_err(|()| Error("the method is not valid".to_owned()))?;
        request.set_scheme(Some(&scheme)).map_err(|()| Error("the scheme is not valid".to_owned()))?;
        request
            .set_authority(Some(authority))
            .map_err(|()| Error(format!("\"{authority}\" is not a host and port")))?;
        request.set_path_with_query(Some(&path)).map_err(|()| Error(format!("\"{path}\" is not a path")))?;
        let body = request.body().map_err(|()| Error("the request has no body".to_owned()))?;
        let options = self.timeout_ms.map(|milliseconds| {
            let options = RequestOptions::new();
            // A host that does not know this option waits until its own deadline.
            let _ = options.set_first_byte_timeout(Some(milliseconds.saturating_mul(1_000_000)));
            options
        });
        let answer = outgoing_handler::handle(request, options)?;
        write_all(body, &self.body)?;
        answer.subscribe().block();
        let response = match answer.get() {
            Some(Ok(response)) => response?,
            _ => return Err(Error("there was no answer".to_owned())),
        };
        let (status, headers) = (response.status(), response.headers().entries());
        let body = read_all(response, max_body)?;
        Ok(Response { status, headers, body })
    }
}

/// Scheme, host with port, and path with query.
fn parts(url: &str) -> Result<(Scheme, &str, String), Error> {
    let (scheme, rest) = match url.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        _ => return Err(Error(format!("the scheme of the URL \"{url}\" is not valid"))),
    };
    let (authority, path) = match rest.find(['/', '?']) {
        Some(end) => rest.split_at(end),
        None => (rest, "/"),
    };
    let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
    Ok((scheme, authority, path))
}

fn read_all(response: IncomingResponse, max: usize) -> Result<Vec<u8>, Error> {
    let incoming = response.consume().map_err(|()| Error("the response has no body".to_owned()))?;
    let stream = incoming.stream().map_err(|()| Error("the response has no body".to_owned()))?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(chunk) => body.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(body),
            Err(StreamError::LastOperationFailed(error)) => return Err(Error(error.to_debug_string())),
        }
        if body.len() > max {
            return Err(Error(format!("the response is longer than {max} bytes")));
        }
    }
}

fn write_all(body: OutgoingBody, bytes: &[u8]) -> Result<(), Error> {
    let stream = body.write().map_err(|()| Error("the request takes no body".to_owned()))?;
    // The most that the stream takes in one call (wasi:io 0.2).
    for chunk in bytes.chunks(4096) {
        stream.blocking_write_and_flush(chunk).map_err(|error| Error(format!("the body was not taken: {error:?}")))?;
    }
    drop(stream);
    OutgoingBody::finish(body, None)?;
    Ok(())
}
