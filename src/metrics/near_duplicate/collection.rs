use super::NearDuplicateError;

/// How many there are of how many that there should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// There are so many.
    pub found: usize,
    /// There should be so many; ids that a list repeats count once.
    pub expected: usize,
}

/// What an evaluation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Queries.
    pub queries: Found,
    /// Videos of the database.
    pub database: Found,
}

/// Which videos of a data set are there: `all_db` of the published programs, the queries and the videos of the database that have features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    there: Vec<bool>,
    counts: Counts,
}

impl Collection {
    /// One of `videos` numbers of which none is there yet.
    pub fn new(videos: usize) -> Self {
        Self { there: vec![false; videos], counts: Counts::default() }
    }

    /// With those of the queries of the data set that `is_found`.
    ///
    /// # Errors
    /// [`NearDuplicateError::UnknownVideo`] of a query beyond the numbers.
    pub fn with_queries(mut self, queries: &[u32], is_found: impl Fn(u32) -> bool) -> Result<Self, NearDuplicateError> {
        self.counts.queries = self.add(queries, is_found)?;
        Ok(self)
    }

    /// With those of the videos of the database that `is_found`.
    ///
    /// # Errors
    /// [`NearDuplicateError::UnknownVideo`] of a video beyond the numbers.
    pub fn with_database(
        mut self,
        database: &[u32],
        is_found: impl Fn(u32) -> bool,
    ) -> Result<Self, NearDuplicateError> {
        self.counts.database = self.add(database, is_found)?;
        Ok(self)
    }

    fn add(&mut self, listed: &[u32], is_found: impl Fn(u32) -> bool) -> Result<Found, NearDuplicateError> {
        let videos = self.there.len();
        let (mut seen, mut counted) = (vec![false; videos], Found::default());
        for &video in listed {
            let seen = seen.get_mut(video as usize).ok_or(NearDuplicateError::UnknownVideo { video, videos })?;
            if std::mem::replace(seen, true) {
                continue;
            }
            counted.expected += 1;
            if is_found(video) {
                counted.found += 1;
                self.there[video as usize] = true;
            }
        }
        Ok(counted)
    }

    /// The number of ids, there or not.
    pub fn videos(&self) -> usize {
        self.there.len()
    }

    /// The number of videos that are there, as query or in the database.
    pub fn found(&self) -> usize {
        self.there.iter().filter(|there| **there).count()
    }

    /// Whether a video is there.
    pub fn contains(&self, video: u32) -> bool {
        self.there.get(video as usize).copied().unwrap_or(false)
    }

    /// Queries and videos of the database that are there, and that should be.
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_ids_count_once() {
        let collection = Collection::new(5).with_queries(&[4, 4, 0], |video| video == 4).unwrap();
        let collection = collection.with_database(&[0, 1, 1, 2, 0], |video| video > 0).unwrap();
        let found = |found, expected| Found { found, expected };
        assert_eq!(collection.counts(), Counts { queries: found(1, 2), database: found(2, 3) });
        assert_eq!([0, 1, 2, 3, 4, 5].map(|video| collection.contains(video)), [false, true, true, false, true, false]);
        assert_eq!((collection.found(), collection.videos()), (3, 5));
        let error = collection.with_database(&[5], |_| true).unwrap_err();
        assert_eq!(error, NearDuplicateError::UnknownVideo { video: 5, videos: 5 });
    }
}
