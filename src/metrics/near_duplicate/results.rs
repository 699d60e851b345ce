use super::NearDuplicateError;

/// What one query was compared with: videos, in the order in which they were, and how similar they are.
///
/// As in the dict of the published programs, a video that comes again keeps its first place and takes its last similarity. Videos are numbers
/// below that of [`Results::new`]; one value serves all queries of a data set, one after the other.
#[derive(Debug, Clone, Default)]
pub struct Results {
    videos: Vec<u32>,
    similarities: Vec<f64>,
    /// Where a video stands among the results, counted from 1; 0 where it does not.
    places: Vec<u32>,
}

impl Results {
    /// No results yet; `videos`: the number of ids (those beyond 2³² − 1 have no number).
    pub fn new(videos: usize) -> Self {
        Self { places: vec![0; videos.min(u32::MAX as usize)], ..Self::default() }
    }

    /// Forgets all results, for the next query.
    pub fn clear(&mut self) {
        self.videos.drain(..).for_each(|video| self.places[video as usize] = 0);
        self.similarities.clear();
    }

    /// Adds a video.
    ///
    /// # Errors
    /// [`NearDuplicateError::UnknownVideo`].
    pub fn insert(&mut self, video: u32, similarity: f64) -> Result<(), NearDuplicateError> {
        let videos = self.places.len();
        let place = self.places.get_mut(video as usize).ok_or(NearDuplicateError::UnknownVideo { video, videos })?;
        if let Some(first) = place.checked_sub(1) {
            self.similarities[first as usize] = similarity;
        } else {
            self.videos.push(video);
            self.similarities.push(similarity);
            // There are no more places than videos, whose number is one of 32 bits.
            *place = self.videos.len() as u32;
        }
        Ok(())
    }

    /// Adds videos in order.
    ///
    /// # Errors
    /// As [`Results::insert`].
    pub fn extend(&mut self, results: impl IntoIterator<Item = (u32, f64)>) -> Result<(), NearDuplicateError> {
        results.into_iter().try_for_each(|(video, similarity)| self.insert(video, similarity))
    }

    /// Videos and similarities in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, f64)> + '_ {
        self.videos.iter().copied().zip(self.similarities.iter().copied())
    }

    /// The number of videos.
    pub fn len(&self) -> usize {
        self.videos.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.videos.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_video_keeps_its_first_place_and_its_last_similarity() {
        let mut results = Results::new(4);
        results.extend([(2, 0.5), (0, 0.1), (2, 0.25)]).unwrap();
        assert_eq!(results.iter().collect::<Vec<_>>(), [(2, 0.25), (0, 0.1)]);
        assert_eq!(results.insert(4, 0.0), Err(NearDuplicateError::UnknownVideo { video: 4, videos: 4 }));
        results.clear();
        assert!(results.is_empty());
        results.extend([(0, 1.0), (2, 0.0)]).unwrap();
        assert_eq!(results.iter().collect::<Vec<_>>(), [(0, 1.0), (2, 0.0)]);
    }
}
