"""The contract suites on the built-in components."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neurogloss.builtin.corpora.bundled import BundledCorpus
from neurogloss.builtin.corpora.configs import BundledConfig, FilesConfig, SplitOn, SyntheticCorpusConfig
from neurogloss.builtin.corpora.files import FilesCorpus
from neurogloss.builtin.corpora.generated import SyntheticCorpus
from neurogloss.builtin.executors.configs import LocalConfig
from neurogloss.builtin.executors.local import LocalExecutor
from neurogloss.builtin.explainers.asking_configs import TokenActivationConfig
from neurogloss.builtin.explainers.configs import RandomTextConfig, TokenTableConfig
from neurogloss.builtin.explainers.random_text import RandomTextExplainer
from neurogloss.builtin.explainers.token_activation import TokenActivationExplainer
from neurogloss.builtin.explainers.token_table import TokenTableExplainer
from neurogloss.builtin.llms.configs import OracleConfig, ScriptedConfig
from neurogloss.builtin.llms.oracle import OracleModel
from neurogloss.builtin.llms.scripted import ScriptedModel
from neurogloss.builtin.scorers.configs import SimulationScorerConfig
from neurogloss.builtin.scorers.simulation import SimulationScorer
from neurogloss.builtin.simulators.configs import JsonConfig, Layout, LogprobConfig, Mode, TableConfig
from neurogloss.builtin.simulators.json import JsonSimulator
from neurogloss.builtin.simulators.logprob import LogprobSimulator
from neurogloss.builtin.simulators.table import TableSimulator
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.records.explanations import Explanation
from neurogloss.records.requests import Completion, GenerateReply, GenerateRequest
from neurogloss.store.configs import SqliteStoreConfig
from neurogloss.store.sql import SqlResultStore
from neurogloss.testing import (
    CorpusContract,
    ExecutorContract,
    ExplainerContract,
    LanguageModelContract,
    ResultStoreContract,
    SimulationScorerContract,
    SimulatorContract,
    SubjectContract,
)
from neurogloss.testing.executor import JournalledWork
from neurogloss.testing.explainer import ExplainerFor
from neurogloss.testing.fakes import FakeLanguageModel
from neurogloss.testing.records import token_table_explanation
from neurogloss.testing.result_store import OpenStore
from neurogloss.testing.scorer import ScorerFor
from neurogloss.testing.simulator import SimulatorFor

_PUZZLES = '{"birds": {"explanation": "birds", "sentences": [["The", [" heron", 7]], ["A", " fox", "."]]}}'


class TestBundledCorpus(CorpusContract):
    @pytest.fixture
    def corpus(self) -> BundledCorpus:
        return BundledCorpus(BundledConfig())


class TestTextFiles(CorpusContract):
    @pytest.fixture
    def corpus(self, tmp_path: Path) -> FilesCorpus:
        (tmp_path / "a.txt").write_text("The heron waits.\n\nCafé, 猫 and 🐈.\n", encoding="utf-8")
        (tmp_path / "b.txt").write_text("The widow sings.\n", encoding="utf-8")
        return FilesCorpus(FilesConfig(paths=[str(tmp_path / "*.txt")], split_on=SplitOn.BLANK_LINE))


class TestConversationFiles(CorpusContract):
    @pytest.fixture
    def corpus(self, tmp_path: Path) -> FilesCorpus:
        chats = [[{"role": "user", "content": f"question {n}"}, {"role": "assistant", "content": "é"}] for n in (1, 2)]
        lines = "\n".join(json.dumps({"chat": chat}) for chat in chats)
        (tmp_path / "chats.jsonl").write_text(lines, encoding="utf-8")
        return FilesCorpus(FilesConfig(paths=[str(tmp_path / "chats.jsonl")], messages_field="chat"))


class TestSyntheticCorpus(CorpusContract):
    @pytest.fixture
    def corpus(self) -> SyntheticCorpus:
        return SyntheticCorpus(SyntheticCorpusConfig(n_documents=30))


class TestPuzzles(CorpusContract):
    @pytest.fixture
    def corpus(self, tmp_path: Path) -> SyntheticCorpus:
        (tmp_path / "puzzles.json").write_text(_PUZZLES, encoding="utf-8")
        return SyntheticCorpus(SyntheticCorpusConfig(puzzles=str(tmp_path / "puzzles.json")))


class TestSyntheticSubject(SubjectContract):
    @pytest.fixture
    def subject(self) -> SyntheticSubject:
        return SyntheticSubject(SyntheticConfig())


class TestSyntheticSubjectWithBos(SubjectContract):
    @pytest.fixture
    def subject(self) -> SyntheticSubject:
        return SyntheticSubject(SyntheticConfig(bos=True))


class TestSyntheticSubjectWithPuzzles(SubjectContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> SyntheticSubject:
        (tmp_path / "puzzles.json").write_text(_PUZZLES, encoding="utf-8")
        return SyntheticSubject(SyntheticConfig(units=str(tmp_path / "puzzles.json")))


class TestOracleModel(LanguageModelContract):
    @pytest.fixture
    def llm(self) -> OracleModel:
        return OracleModel(OracleConfig())


class TestScriptedModel(LanguageModelContract):
    @pytest.fixture
    def llm(self) -> ScriptedModel:
        return ScriptedModel(ScriptedConfig())

    @pytest.fixture
    def failing_llm(self) -> ScriptedModel:
        return ScriptedModel(ScriptedConfig(fail_share=1.0))


class TestScriptedModelWithoutTen(TestScriptedModel):
    @pytest.fixture
    def llm(self) -> ScriptedModel:
        return ScriptedModel(ScriptedConfig(ten_is_a_token=False))


class TestScriptedModelThatOnlyGenerates(LanguageModelContract):
    @pytest.fixture
    def llm(self) -> ScriptedModel:
        return ScriptedModel(ScriptedConfig(provides=["generate"]))

    @pytest.fixture
    def failing_llm(self) -> ScriptedModel:
        return ScriptedModel(ScriptedConfig(provides=["generate"], fail_share=1.0))


class TestTokenActivationExplainer(ExplainerContract):
    @pytest.fixture
    def explainer_for(self) -> ExplainerFor:
        return lambda llm: TokenActivationExplainer(TokenActivationConfig(), llm=llm)


class TestTokenActivationExplainerWithSamples(ExplainerContract):
    @pytest.fixture
    def explainer_for(self) -> ExplainerFor:
        return lambda llm: TokenActivationExplainer(TokenActivationConfig(samples=3, window=4), llm=llm)

    @pytest.fixture
    def llm(self) -> ScriptedModel:
        return ScriptedModel(ScriptedConfig())


class TestTokenTableExplainer(ExplainerContract):
    @pytest.fixture
    def explainer_for(self) -> ExplainerFor:
        return lambda llm: TokenTableExplainer(TokenTableConfig())


class TestRandomTextExplainer(ExplainerContract):
    @pytest.fixture
    def explainer_for(self) -> ExplainerFor:
        return lambda llm: RandomTextExplainer(RandomTextConfig())


@pytest.mark.parametrize(
    "config", [LogprobConfig(), LogprobConfig(mode=Mode.ONE_AT_A_TIME), LogprobConfig(layout=Layout.COMPACT)]
)
class TestLogprobSimulator(SimulatorContract):
    @pytest.fixture
    def simulator_for(self, config: LogprobConfig) -> SimulatorFor:
        return lambda llm: LogprobSimulator(config, llm=llm)


class _JsonWriter(FakeLanguageModel):
    """Gives each token that the last message lists the level of its length."""

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        tokens = json.loads(request.messages[-1].content.rpartition("Tokens: ")[2].splitlines()[0])
        entries = [{"token": token, "activation": min(10, len(token))} for token in tokens]
        return GenerateReply((Completion(json.dumps(entries)),))


class TestJsonSimulator(SimulatorContract):
    @pytest.fixture
    def simulator_for(self) -> SimulatorFor:
        return lambda llm: JsonSimulator(JsonConfig(), llm=llm)

    @pytest.fixture
    def llm(self) -> LanguageModel:
        return _JsonWriter()


class TestTableSimulator(SimulatorContract):
    @pytest.fixture
    def simulator_for(self) -> SimulatorFor:
        return lambda llm: TableSimulator(TableConfig())

    @pytest.fixture
    def explanation(self) -> Explanation:
        return token_table_explanation()


class TestSimulationScorer(SimulationScorerContract):
    @pytest.fixture
    def scorer_for(self) -> ScorerFor:
        config = SimulationScorerConfig(n_bootstrap=50, n_permutations=50)
        return lambda simulator: SimulationScorer(config, simulator=simulator)


class TestSqlResultStore(ResultStoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: SqlResultStore(SqliteStoreConfig(root=str(tmp_path / "store")))


@pytest.mark.parametrize("concurrency", [1, 3, 100])
class TestLocalExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, concurrency: int) -> LocalExecutor:
        return LocalExecutor(LocalConfig(concurrency=concurrency))


def test_the_journal_of_the_work_is_what_the_suite_reads(tmp_path: Path) -> None:
    """Guards the executor suite's own evidence: without a journal it would see no mistake."""
    work = JournalledWork(tmp_path / "journal.txt")
    work._note("open")
    assert (tmp_path / "journal.txt").read_text(encoding="utf-8") == "open\n"
