use std::collections::HashMap;
use std::sync::Arc;

use super::fields::Result;
use crate::data::FileProblem;

/// Ids of videos and the numbers that stand for them elsewhere, from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VideoIds {
    ids: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
    /// Videos that are known to exist, but not by which id.
    nameless: usize,
}

impl VideoIds {
    /// The number of an id.
    pub fn number(&self, id: &str) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// The id of a number; `None` where there is no such number, or where CC_WEB_VIDEO has a label for a video and no id.
    pub fn id(&self, number: u32) -> Option<&str> {
        self.ids.get(number as usize).map(|id| &**id)
    }

    /// How many numbers there are, those without an id included.
    pub fn len(&self) -> usize {
        self.ids.len() + self.nameless
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of an id that may be new.
    ///
    /// # Errors
    /// [`FileProblem`] for more ids than there are numbers.
    pub fn insert(&mut self, id: &str) -> Result<u32> {
        if let Some(number) = self.number(id) {
            return Ok(number);
        }
        let (number, id) = (self.next()?, Arc::from(id));
        self.ids.push(Arc::clone(&id));
        self.numbers.insert(id, number);
        Ok(number)
    }

    /// A number without an id. No id may be inserted after it.
    pub(super) fn insert_nameless(&mut self) -> Result<u32> {
        let number = self.next()?;
        self.nameless += 1;
        Ok(number)
    }

    fn next(&self) -> Result<u32> {
        u32::try_from(self.len()).map_err(|_| FileProblem::Content("more than 2^32 videos".into()))
    }
}
