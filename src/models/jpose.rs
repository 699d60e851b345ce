//! JPoSE: Joint Part-of-Speech Embeddings, one [`Mmen`] per part of speech and a combined action space.
//!
//! Wray et al., "Fine-Grained Action Retrieval Through Multiple Parts-of-Speech Embeddings", ICCV 2019;
//! trained with the relevance-based margin of Falcon et al., "Relevance-based Margin for Contrastively-trained
//! Video Retrieval Models", ICMR 2022.

use std::marker::PhantomData;

use dfdx::prelude::{Const, Dim, Tensor, WithEmptyTape};
use rand::Rng;

use super::mmen::{Mmen, MmenConfig};
use crate::blocks::{
    Combination, Concat, ConcatConfig, Config, Contains, Named, Parameters, PartOfSpeech, PartOrder, Phase, PosSet,
    PosText,
};
use crate::embedding::Embedding;
use crate::ops::{self, LayerTape, NORM_EPS, OpError, OpsDevice, RecordingTape};

/// The verb space.
#[derive(Debug, Clone, Copy)]
pub struct Verb;

/// The noun space.
#[derive(Debug, Clone, Copy)]
pub struct Noun;

impl PartOfSpeech for Verb {
    const NAME: &'static str = "verb";
}

impl PartOfSpeech for Noun {
    const NAME: &'static str = "noun";
}

crate::parts_of_speech! {
    /// The parts of speech of the paper.
    pub VerbNoun: Verb, Noun
}

/// The action space: the combined parts of speech of the set `P`.
#[derive(Debug, Clone, Copy)]
pub struct Action<P: PosSet>(PhantomData<P>);

/// Describes a [`Jpose`] over the parts of speech `P`: widths of video `V`, text `X`, embeddings `E`, and a combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JposeConfig<P, V: Dim, X: Dim, E: Dim, C> {
    /// Width of the video features.
    pub video: V,
    /// Width of the text features of every part of speech.
    pub text: X,
    /// Width of the embedding of one part of speech.
    pub embedding: E,
    /// How the parts become the action embedding.
    pub combination: C,
    /// The set, a marker.
    pub parts: PhantomData<P>,
}

/// One full [`Mmen`] per part of speech. Every video tower reads the same video features; each text tower reads the
/// features of its part of speech.
///
/// `C` combines the parts (`Concat` as published by default, or `Learned`).
#[derive(Debug, Clone)]
pub struct Jpose<P, V: Dim, X: Dim, E: Dim, C, D: OpsDevice> {
    mmens: Named<Mmen<P, V, X, E, D>>,
    /// `comb_func`.
    pub combination: C,
}

/// The published configuration on EPIC-Kitchens-100: 3 x 1024 video features, word vectors of the files' width,
/// embeddings of 256, concatenated to 512.
pub type JposeEpicConfig = JposeConfig<VerbNoun, Const<3072>, usize, Const<256>, ConcatConfig<Const<512>>>;
/// See [`JposeEpicConfig`].
pub type JposeEpic<D> = Jpose<VerbNoun, Const<3072>, usize, Const<256>, Concat<Const<512>>, D>;

impl<P, V: Dim, X: Dim, E: Dim, C> JposeConfig<P, V, X, E, C> {
    /// Names the three widths and the combination.
    pub fn new(video: V, text: X, embedding: E, combination: C) -> Self {
        Self { video, text, embedding, combination, parts: PhantomData }
    }

    fn mmen(&self) -> MmenConfig<P, V, X, E> {
        MmenConfig::new(self.video, self.text, self.embedding)
    }
}

impl<P: PosSet, V: Dim, X: Dim, E: Dim, C, D: OpsDevice> Config<D> for JposeConfig<P, V, X, E, C>
where
    C: Config<D, Built: Combination<E, D>>,
{
    type Built = Jpose<P, V, X, E, C::Built, D>;

    fn num_parameters(&self) -> usize {
        P::NAMES.len() * Config::<D>::num_parameters(&self.mmen()) + self.combination.num_parameters()
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let mmens = P::NAMES.iter().map(|name| Ok((*name, self.mmen().build(device, rng)?)));
        let mmens = mmens.collect::<Result<_, OpError>>()?;
        Ok(Jpose { mmens, combination: self.combination.build(device, rng)? })
    }
}

impl<P: PosSet, V: Dim, X: Dim, E: Dim, C, D: OpsDevice> Jpose<P, V, X, E, C, D> {
    /// Embeds videos in the space of one part of speech.
    ///
    /// # Shapes
    /// `(B, V)` to `(B, E)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn embed_video_part<S: PartOfSpeech, B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, V), f32, D, T>,
    ) -> Result<Embedding<S, B, E, D, T::Output>, OpError>
    where
        P: Contains<S>,
    {
        Ok(Embedding::new(self.mmens.modules()[P::INDEX].embed_video(x)?.into_tensor()))
    }

    /// Embeds the text of one part of speech in its space.
    ///
    /// # Shapes
    /// `(B, X)` to `(B, E)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn embed_text_part<S: PartOfSpeech, B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, X), f32, D, T>,
    ) -> Result<Embedding<S, B, E, D, T::Output>, OpError>
    where
        P: Contains<S>,
    {
        Ok(Embedding::new(self.mmens.modules()[P::INDEX].embed_text(x)?.into_tensor()))
    }

    /// What the action embedding of videos is made of: for each part of speech, in the order of the set, the gated embedding
    /// (already of unit length) without the second norm.
    ///
    /// # Shapes
    /// `(B, V)` to `(B, E)` each.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn video_parts<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, V), f32, D, T>,
    ) -> Result<Vec<Tensor<(B, E), f32, D, T::Output>>, OpError> {
        // The tape so far goes with the first part; the tapes of all parts are merged when they are combined.
        let mut inputs: Vec<_> = self.mmens.modules()[1..].iter().map(|_| x.with_empty_tape()).collect();
        inputs.insert(0, x);
        self.mmens.modules().iter().zip(inputs).map(|(mmen, x)| mmen.video_tower(x)).collect()
    }

    /// What the action embedding of captions is made of; see [`Jpose::video_parts`].
    ///
    /// # Shapes
    /// `(B, X)` to `(B, E)` each.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn text_parts<B: Dim, T: LayerTape<D>>(
        &self,
        text: PosText<P, B, X, D, T>,
    ) -> Result<Vec<Tensor<(B, E), f32, D, T::Output>>, OpError> {
        let inputs = text.into_parts();
        self.mmens.modules().iter().zip(inputs).map(|(mmen, x)| mmen.text_tower(x)).collect()
    }
}

/// Embeddings of a batch in the action space.
pub type ActionEmbedding<P, B, E, C, D, T> = Embedding<Action<P>, B, <C as Combination<E, D>>::Out, D, T>;

impl<P: PosSet, V: Dim, X: Dim, E: Dim, C: Combination<E, D>, D: OpsDevice> Jpose<P, V, X, E, C, D> {
    /// The combined parts of videos without the final norm.
    ///
    /// # Shapes
    /// `(B, V)` to `(B, C::Out)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn combine_video<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, V), f32, D, T>,
        order: PartOrder,
    ) -> Result<Tensor<(B, C::Out), f32, D, T::Output>, OpError> {
        self.combination.forward(order.arrange(self.video_parts(x)?), Phase::Evaluation)
    }

    /// The combined parts of captions without the final norm.
    ///
    /// # Shapes
    /// `(B, X)` for every part of speech to `(B, C::Out)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn combine_text<B: Dim, T: LayerTape<D>>(
        &self,
        text: PosText<P, B, X, D, T>,
        order: PartOrder,
    ) -> Result<Tensor<(B, C::Out), f32, D, T::Output>, OpError> {
        self.combination.forward(order.arrange(self.text_parts(text)?), Phase::Evaluation)
    }

    /// Embeds videos in the action space (evaluation).
    ///
    /// # Shapes
    /// `(B, V)` to `(B, C::Out)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn embed_video<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, V), f32, D, T>,
        order: PartOrder,
    ) -> Result<ActionEmbedding<P, B, E, C, D, T::Output>, OpError> {
        Ok(Embedding::new(ops::l2_normalize(self.combine_video(x, order)?, NORM_EPS)?))
    }

    /// Embeds captions in the action space (evaluation).
    ///
    /// # Shapes
    /// `(B, X)` for every part of speech to `(B, C::Out)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn embed_text<B: Dim, T: LayerTape<D>>(
        &self,
        text: PosText<P, B, X, D, T>,
        order: PartOrder,
    ) -> Result<ActionEmbedding<P, B, E, C, D, T::Output>, OpError> {
        Ok(Embedding::new(ops::l2_normalize(self.combine_text(text, order)?, NORM_EPS)?))
    }

    /// The action embedding of parts from [`Jpose::video_parts`] or [`Jpose::text_parts`].
    ///
    /// # Shapes
    /// `(B, E)` each to `(B, C::Out)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree, [`OpError::TooFew`] for a learned combination of fewer than two
    /// rows.
    pub fn combine<B: Dim, T: RecordingTape<D>>(
        &self,
        parts: Vec<Tensor<(B, E), f32, D, T>>,
        order: PartOrder,
        phase: Phase,
    ) -> Result<ActionEmbedding<P, B, E, C, D, T>, OpError> {
        let combined = self.combination.forward(order.arrange(parts), phase)?;
        Ok(Embedding::new(ops::l2_normalize(combined, NORM_EPS)?))
    }
}

impl<P: PosSet, V: Dim, X: Dim, E: Dim, C: Parameters<D>, D: OpsDevice> Parameters<D> for Jpose<P, V, X, E, C, D> {
    crate::visit_fields! { D; mmens: module = "MMENs", combination: module = "comb_func" }
}
