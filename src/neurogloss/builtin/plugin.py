"""The built-in components, registered through the same hooks as anybody's."""

from __future__ import annotations

from neurogloss.builtin.corpora.configs import BundledConfig, FilesConfig, SyntheticCorpusConfig
from neurogloss.builtin.embedders.configs import HashedWordsConfig
from neurogloss.builtin.executors.configs import LocalConfig
from neurogloss.builtin.explainers.configs import (
    ActivationsAndLogitsConfig,
    ConceptsConfig,
    ContrastiveConfig,
    ExecutableConfig,
    MaxActivatingConfig,
    OtherUnitConfig,
    RandomTextConfig,
    SummaryConfig,
    TokenActivationConfig,
    TokenListConfig,
    TokenTableConfig,
    WrittenConfig,
)
from neurogloss.builtin.llms.configs import OracleConfig, ScriptedConfig
from neurogloss.builtin.negatives.configs import (
    DecoderNegativesConfig,
    EmbeddingNegativesConfig,
    NeighbourNegativesConfig,
    RandomNegativesConfig,
)
from neurogloss.builtin.scorers.configs import SimulationScorerConfig
from neurogloss.builtin.simulators.configs import JsonConfig, LogprobConfig, RulesConfig, TableConfig
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.plugin.component import Component
from neurogloss.plugin.hookspecs import hookimpl
from neurogloss.store.configs import SqliteStoreConfig


@hookimpl
def neurogloss_register_components() -> list[Component]:
    """The components that need no plugin."""
    return [
        Component(
            kind="corpus",
            name="bundled",
            config=BundledConfig,
            factory="neurogloss.builtin.corpora.bundled:BundledCorpus",
            summary="the short documents in a dozen registers that come with neurogloss",
        ),
        Component(
            kind="corpus",
            name="files",
            config=FilesConfig,
            factory="neurogloss.builtin.corpora.files:FilesCorpus",
            summary="your own text and JSON Lines files",
        ),
        Component(
            kind="corpus",
            name="synthetic",
            config=SyntheticCorpusConfig,
            factory="neurogloss.builtin.corpora.generated:SyntheticCorpus",
            summary="generated documents in which every unit of the synthetic subject fires; or puzzles",
        ),
        Component(
            kind="subject",
            name="synthetic",
            config=SyntheticConfig,
            factory="neurogloss.builtin.subjects.synthetic:SyntheticSubject",
            summary="no model: units that follow written rules, with their true explanations",
        ),
        Component(
            kind="llm",
            name="scripted",
            config=ScriptedConfig,
            factory="neurogloss.builtin.llms.scripted:ScriptedModel",
            summary="no model: replies that depend on the request alone",
            provides=("generate", "choice_logprobs", "json_schema"),
        ),
        Component(
            kind="llm",
            name="oracle",
            config=OracleConfig,
            factory="neurogloss.builtin.llms.oracle:OracleModel",
            summary="no model: exact answers about the synthetic subject's units, or chance",
            provides=("generate", "choice_logprobs"),
        ),
        Component(
            kind="explainer",
            name="token_activation",
            config=TokenActivationConfig,
            factory="neurogloss.builtin.explainers.token_activation:TokenActivationExplainer",
            summary="prose, from tokens shown with their activation levels",
            needs=("llm",),
            requires=("generate",),
            explanations=("ProseExplanation",),
        ),
        Component(
            kind="explainer",
            name="token_list",
            config=TokenListConfig,
            factory="neurogloss.builtin.explainers.token_list:TokenListExplainer",
            summary="prose, from the tokens with the highest mean activation",
            needs=("llm",),
            requires=("generate",),
            explanations=("ProseExplanation",),
        ),
        Component(
            kind="explainer",
            name="max_activating",
            config=MaxActivatingConfig,
            factory="neurogloss.builtin.explainers.max_activating:MaxActivatingExplainer",
            summary="prose, from texts with the firing tokens marked",
            needs=("llm",),
            requires=("generate",),
            explanations=("ProseExplanation",),
        ),
        Component(
            kind="explainer",
            name="contrastive",
            config=ContrastiveConfig,
            factory="neurogloss.builtin.explainers.contrastive:ContrastiveExplainer",
            summary="prose, from texts on which the unit fires and similar ones on which it does not",
            needs=("llm",),
            requires=("generate",),
            explanations=("ProseExplanation",),
            parts={"negatives": "negatives"},
        ),
        Component(
            kind="explainer",
            name="activations_and_logits",
            config=ActivationsAndLogitsConfig,
            factory="neurogloss.builtin.explainers.activations_and_logits:ActivationsAndLogitsExplainer",
            summary="prose, from what the unit reads and the output tokens it promotes and suppresses",
            needs=("llm", "subject"),
            requires=("generate", "output_weights"),
            explanations=("ProseExplanation",),
        ),
        Component(
            kind="explainer",
            name="summary",
            config=SummaryConfig,
            factory="neurogloss.builtin.explainers.summary:SummaryExplainer",
            summary="prose, from a short prompt: plain texts and their firing tokens",
            needs=("llm",),
            requires=("generate",),
            explanations=("ProseExplanation",),
        ),
        Component(
            kind="explainer",
            name="concepts",
            config=ConceptsConfig,
            factory="neurogloss.builtin.explainers.concepts:ConceptsExplainer",
            summary="several concepts, for units that respond to several",
            needs=("llm",),
            requires=("generate",),
            explanations=("ConceptsExplanation", "ProseExplanation"),
        ),
        Component(
            kind="explainer",
            name="written",
            config=WrittenConfig,
            factory="neurogloss.builtin.explainers.written:WrittenExplainer",
            summary="what a person wrote: a text, or a file with a text for each unit",
            explanations=("ProseExplanation",),
        ),
        Component(
            kind="explainer",
            name="other_unit",
            config=OtherUnitConfig,
            factory="neurogloss.builtin.explainers.other_unit:OtherUnitExplainer",
            summary="another unit's gloss; a null",
            parts={"of": "explainer"},
        ),
        Component(
            kind="explainer",
            name="token_table",
            config=TokenTableConfig,
            factory="neurogloss.builtin.explainers.token_table:TokenTableExplainer",
            summary="the mean activation of each token; the baseline",
            explanations=("TokenTableExplanation",),
        ),
        Component(
            kind="explainer",
            name="executable",
            config=ExecutableConfig,
            factory="neurogloss.builtin.explainers.executable:ExecutableExplainer",
            summary="a short list of rules on tokens and what stands before them, learned without a language model",
            explanations=("RulesExplanation",),
        ),
        Component(
            kind="explainer",
            name="random_text",
            config=RandomTextConfig,
            factory="neurogloss.builtin.explainers.random_text:RandomTextExplainer",
            summary="prose that has nothing to do with the unit; a null",
            explanations=("ProseExplanation",),
        ),
        Component(
            kind="simulator",
            name="logprob",
            config=LogprobConfig,
            factory="neurogloss.builtin.simulators.logprob:LogprobSimulator",
            summary="levels from a language model's log-probabilities",
            needs=("llm",),
            requires=("choice_logprobs",),
            explanations=("ProseExplanation",),
        ),
        Component(
            kind="simulator",
            name="json",
            config=JsonConfig,
            factory="neurogloss.builtin.simulators.json:JsonSimulator",
            summary="levels written as JSON, by a language model that tells no log-probabilities",
            needs=("llm",),
            requires=("generate",),
            explanations=("ProseExplanation",),
        ),
        Component(
            kind="simulator",
            name="table",
            config=TableConfig,
            factory="neurogloss.builtin.simulators.table:TableSimulator",
            summary="activations looked up in a token table",
            explanations=("TokenTableExplanation",),
        ),
        Component(
            kind="simulator",
            name="rules",
            config=RulesConfig,
            factory="neurogloss.builtin.simulators.rules:RulesSimulator",
            summary="activations from the rules of an executable explanation, run on the tokens' texts",
            explanations=("RulesExplanation",),
        ),
        Component(
            kind="scorer",
            name="simulation",
            config=SimulationScorerConfig,
            factory="neurogloss.builtin.scorers.simulation:SimulationScorer",
            summary="correlation of simulated with real activations",
            needs=("simulator",),
        ),
        Component(
            kind="negatives",
            name="random",
            config=RandomNegativesConfig,
            factory="neurogloss.builtin.negatives.random:RandomNegatives",
            summary="random records on which the unit does not fire",
        ),
        Component(
            kind="negatives",
            name="neighbours",
            config=NeighbourNegativesConfig,
            factory="neurogloss.builtin.negatives.neighbours:NeighbourNegatives",
            summary="top records of similar units on which the unit does not fire",
        ),
        Component(
            kind="negatives",
            name="embedding",
            config=EmbeddingNegativesConfig,
            factory="neurogloss.builtin.negatives.embedding:EmbeddingNegatives",
            summary="texts near those on which the unit fires, and on which it does not",
            parts={"embedder": "embedder"},
        ),
        Component(
            kind="negatives",
            name="decoder",
            config=DecoderNegativesConfig,
            factory="neurogloss.builtin.negatives.decoder:DecoderNegatives",
            summary="top records of units that write nearly the same, on which the unit does not fire",
            needs=("subject",),
            requires=("output_weights",),
        ),
        Component(
            kind="embedder",
            name="hashed_words",
            config=HashedWordsConfig,
            factory="neurogloss.builtin.embedders.hashed_words:HashedWordsEmbedder",
            summary="no model: a bag of hashed words; the baseline",
        ),
        Component(
            kind="store",
            name="sqlite",
            config=SqliteStoreConfig,
            factory="neurogloss.store.sql:SqlResultStore",
            summary="results in one SQLite file, activations beside it",
        ),
        Component(
            kind="executor",
            name="local",
            config=LocalConfig,
            factory="neurogloss.builtin.executors.local:LocalExecutor",
            summary="this process, many items at a time",
        ),
    ]


@hookimpl
def neurogloss_config_packages() -> list[str]:
    """The presets that come with neurogloss."""
    return ["neurogloss.conf"]
