//! What requests say, as typed: the [`MessagePlan`] of the flags, and of the files that they name.

use std::path::Path;

use echo_net::settings::ByteSize;
use echo_proto::Service;

use super::groups::MessageArgs;
use super::{Inputs, RunArgs, RunArgsError};
use echo_bench_engine::messages::{Histogram, MessageFile, MessageFormat, Size};
use echo_bench_engine::plan::{MessagePlan, SizePlan};

/// Size of messages if none is typed.
const USUAL_SIZE: usize = 64;

impl RunArgs {
    /// What requests say; a URL names a path.
    pub(super) fn messages(
        &self,
        service: Service,
        inputs: &Inputs,
    ) -> Result<MessagePlan, RunArgsError> {
        let path = self.endpoint().and_then(|endpoint| endpoint.path.as_ref());
        match path {
            Some(path) if !self.messages.is_typed() => {
                return Ok(MessagePlan::of_texts([path.clone()]));
            }
            Some(path) if path != "/" => {
                return Err(RunArgsError::PathAndMessage(path.clone()));
            }
            _ => {}
        }
        let most = self.server.flags.value("max-message");
        let most = most.and_then(|most| most.parse::<ByteSize>().ok()).map(|most| most.0);
        if let Some(text) = &self.messages.message {
            return match most.filter(|most| text.len() > *most) {
                Some(most) => {
                    Err(RunArgsError::LargeMessage { number: 1, size: text.len(), most })
                }
                None => Ok(MessagePlan::of_texts([text.clone()])),
            };
        }
        if let (Some(path), Some(contents)) = (&self.messages.message_file, &inputs.messages) {
            return self.messages.of_file(path, contents, most);
        }
        let limit = most.unwrap_or(service.framing().default_max_message());
        let messages = self.messages.generated(limit, inputs.sizes.as_deref())?;
        match most.filter(|most| messages.largest() > *most) {
            Some(most) => {
                let (largest, most) = (ByteSize(messages.largest()), ByteSize(most));
                Err(RunArgsError::LargeSize { largest, most })
            }
            None => Ok(messages),
        }
    }
}

impl MessageArgs {
    /// Whether a message or its size was typed.
    fn is_typed(&self) -> bool {
        self.size.is_some() || self.message.is_some() || self.message_file.is_some()
    }

    /// Generated messages, of up to `limit` bytes if a distribution has no other limit; `sizes` is
    /// the text of the histogram.
    fn generated(
        &self,
        limit: usize,
        sizes: Option<&str>,
    ) -> Result<MessagePlan, RunArgsError> {
        let (min_bytes, max_bytes, sizes) = match &self.size {
            None => (USUAL_SIZE, USUAL_SIZE, None),
            Some(Size::Even { min, max }) => (*min, *max, None),
            Some(Size::Spread(spec)) => {
                let (min, max) = spec.bounds(limit).map_err(RunArgsError::Size)?;
                (min, max, Some(SizePlan::Spread { spec: *spec }))
            }
            Some(Size::File(path)) => {
                let name = path.display().to_string();
                let histogram = Histogram::read(&name, sizes.unwrap_or_default());
                let histogram = histogram
                    .map_err(|reason| RunArgsError::Histogram { path: path.clone(), reason })?;
                let (min, max) = histogram.bounds();
                (min, max, Some(SizePlan::Histogram(histogram)))
            }
        };
        Ok(MessagePlan::Generated { min_bytes, max_bytes, sizes })
    }

    /// The messages in the `contents` of a file, none of more than `most` bytes.
    fn of_file(
        &self,
        path: &Path,
        contents: &[Vec<u8>],
        most: Option<usize>,
    ) -> Result<MessagePlan, RunArgsError> {
        let format = self.message_format;
        let crlf = format == MessageFormat::Lines
            && contents.iter().any(|bytes| bytes.windows(2).any(|pair| pair == b"\r\n"));
        let texts = format.messages(contents.to_vec())?;
        let large = texts.iter().position(|text| most.is_some_and(|most| text.len() > most));
        if let (Some(place), Some(most)) = (large, most) {
            let (number, size) = (place + 1, texts[place].len());
            return Err(RunArgsError::LargeMessage { number, size, most });
        }
        let file = MessageFile::of(path.display().to_string(), format, &texts);
        Ok(MessagePlan::Given { texts, crlf, file: Some(file) })
    }
}
