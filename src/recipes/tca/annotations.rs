use std::path::Path;

use super::TcaError;
use crate::data::near_duplicate::{Dataset, RetrievalSet, VideoIds, activity_net, cc_web, evve, fivr, vcdb};
use crate::data::{FileError, Loaded};
use crate::formats::Limits;
use crate::metrics::near_duplicate::{
    CcWebEvaluation, Collection, Evaluation, EvveEvaluation, FivrEvaluation, Options, Results,
};
use crate::relevance::near_duplicate::{CcWebTruth, FivrTask, FivrTruth};

/// What a data set says of its videos.
#[derive(Debug, Clone, PartialEq)]
pub enum Annotations {
    /// CC_WEB_VIDEO.
    CcWeb(RetrievalSet<CcWebTruth>),
    /// VCDB.
    Vcdb(vcdb::Vcdb),
    /// FIVR, of one version.
    Fivr(RetrievalSet<FivrTruth>),
    /// EVVE.
    Evve(evve::Evve),
    /// ActivityNet, or videos of one's own: for each query the relevant ones.
    Relevant(RetrievalSet<Vec<u32>>),
}

/// The results of a query, by its place among the queries of the data set; `None` for a query that is not there.
pub type OfQuery<'r> = dyn Fn(usize) -> Result<Option<Results>, TcaError> + 'r;

impl Annotations {
    /// Reads the file of a data set in a folder; of FIVR, where there is no `fivr.pickle`, `annotation.json` and `youtube_ids.txt`.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn load(dataset: &Dataset, folder: &Path, limits: &Limits) -> Result<Loaded<Self>, FileError> {
        let file = || dataset.file(folder);
        Ok(match dataset {
            Dataset::CcWeb => cc_web::load(&file()?, limits)?.map(Self::CcWeb),
            Dataset::Vcdb => vcdb::load(&file()?, limits)?.map(Self::Vcdb),
            Dataset::Evve => evve::load(&file()?, limits)?.map(Self::Evve),
            Dataset::ActivityNet => activity_net::load(&file()?, limits)?.map(Self::Relevant),
            Dataset::Fivr { version } => {
                let files = match (file(), folder.join("annotation.json")) {
                    (Err(_), annotation) if annotation.is_file() => {
                        let versions = vec![(version.clone(), folder.join(format!("fivr_{version}.json")))];
                        let versions = versions.into_iter().filter(|(_, path)| path.is_file()).collect();
                        fivr::FivrFiles::Lists { annotation, ids: folder.join("youtube_ids.txt"), versions }
                    }
                    (pickle, _) => fivr::FivrFiles::Pickle(pickle?),
                };
                fivr::load(&files, version, limits)?.map(Self::Fivr)
            }
        })
    }

    /// Ids, queries and database.
    pub fn lists(&self) -> (&VideoIds, &[u32], &[u32]) {
        fn of<T>(set: &RetrievalSet<T>) -> (&VideoIds, &[u32], &[u32]) {
            (&set.ids, &set.queries, &set.database)
        }
        match self {
            Self::CcWeb(set) => of(set),
            Self::Vcdb(vcdb) => of(&vcdb.set),
            Self::Fivr(set) => of(set),
            Self::Evve(evve) => of(&evve.set),
            Self::Relevant(set) => of(set),
        }
    }

    /// What is relevant to a query, for the rank of the first: of FIVR all near duplicates and scenes (DSVR).
    pub fn relevant(&self, query: usize) -> Vec<u32> {
        match self {
            Self::CcWeb(set) => {
                let labels = set.truths[query].labels.iter();
                labels.filter(|(_, label)| label.is_relevant()).map(|(video, _)| *video).collect()
            }
            Self::Vcdb(vcdb) => vcdb.set.truths[query].clone(),
            Self::Fivr(set) => set.truths[query].relevant(FivrTask::Dsvr),
            Self::Evve(evve) => evve.event_of(query).map(|event| event.positives.clone()).unwrap_or_default(),
            Self::Relevant(set) => set.truths[query].clone(),
        }
    }

    /// The published scores, by their published names. A score that has no value (FIVR without a video that is relevant for a task) is NaN.
    ///
    /// # Errors
    /// [`TcaError::Metric`], and those of `results`.
    pub fn scores(&self, collection: &Collection, results: &OfQuery<'_>) -> Result<Vec<(String, f64)>, TcaError> {
        let (_, queries, _) = self.lists();
        let each =
            |judge: &mut dyn FnMut(usize, Option<u32>, &Results) -> Result<(), TcaError>| -> Result<(), TcaError> {
                for (place, query) in queries.iter().enumerate() {
                    if let Some(results) = results(place)? {
                        judge(place, Some(*query), &results)?;
                    }
                }
                Ok(())
            };
        let named = |scores: &[(&str, f64)]| scores.iter().map(|(name, score)| ((*name).into(), *score)).collect();
        match self {
            Self::CcWeb(set) => {
                let mut evaluation = CcWebEvaluation::new(collection, Options::cc_web_as_published());
                each(&mut |at, own, results| Ok(evaluation.add(own, &set.truths[at], results)?))?;
                let report = evaluation.finish()?;
                Ok(named(&[
                    ("cc_web", report.cc_web.ap.mean),
                    ("cc_web*", report.cc_web_star.ap.mean),
                    ("cc_web_clean", report.cc_web_clean.ap.mean),
                    ("cc_web*_clean", report.cc_web_star_clean.ap.mean),
                ]))
            }
            Self::Fivr(set) => {
                let options = Options::fivr_as_published();
                let mut evaluation = FivrEvaluation::new(collection, &FivrTask::ALL, options);
                each(&mut |at, own, results| Ok(evaluation.add(own, &set.truths[at], results)?))?;
                let score = |report: Result<crate::metrics::near_duplicate::Report, _>| {
                    report.map_or(f64::NAN, |report| report.ap.mean)
                };
                let tasks = evaluation.finish().into_iter();
                Ok(tasks.map(|task| (task.task.to_string(), score(task.report))).collect())
            }
            Self::Evve(evve) => {
                let mut evaluation = EvveEvaluation::new(collection, evve.events.len(), Options::evve_as_published());
                each(&mut |at, own, results| {
                    let event = evve.set.truths[at];
                    let positives = evve.event_of(at).map_or(&[][..], |event| &event.positives);
                    Ok(evaluation.add(event, own, positives, results)?)
                })?;
                let report = evaluation.finish()?;
                let events = evve.events.iter().zip(report.events);
                let events = events.map(|(event, score)| (format!("mAP {}", event.name), score.unwrap_or(f64::NAN)));
                Ok(std::iter::once(("mAP".to_string(), report.all.ap.mean)).chain(events).collect())
            }
            Self::Vcdb(_) | Self::Relevant(_) => {
                let options = match self {
                    Self::Vcdb(_) => Options::vcdb_as_published(),
                    _ => Options::activity_net_as_published(),
                };
                let mut evaluation = Evaluation::new(collection, options);
                each(&mut |at, own, results| Ok(evaluation.add(own, &self.relevant(at), results).map(|_| ())?))?;
                Ok(named(&[("mAP", evaluation.finish()?.ap.mean)]))
            }
        }
    }
}
