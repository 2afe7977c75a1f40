"""Names to classes: the suite's own, third parties' entry points, plug-in files."""

import pickle
import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import bench.registry
from bench.datasets.source import DatasetSource
from bench.errors import BenchError
from bench.registry import DATASETS_GROUP, JUDGES_GROUP, RECOMMENDERS_GROUP, Registry

PLUGIN = '''
import numpy as np
from bench.recommender import Recommender

class _Base(Recommender):
    """Abstract: no recommender of its own."""

    def state(self):
        return {}

    def load_state(self, state, dataset):
        pass

    def _fit(self, dataset, watch):
        pass

class Zero(_Base):
    name = "zero"
    label = "Zero"
    source = "a test"

    def _score(self, users):
        return np.zeros((len(users), self.n_items), np.float32)

Alias = Zero
'''


def plugin(folder: Path, text: str, name: str = "my_model.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> types.ModuleType:
    """A package of somebody else's, `theirs`, installed beside the suite's entry points."""
    module = types.ModuleType("theirs")
    exec(compile(PLUGIN, "theirs.py", "exec"), vars(module))
    monkeypatch.setitem(sys.modules, "theirs", module)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "half_installed.py").write_text("import a_library_that_is_missing\n")
    installed = bench.registry.entry_points
    theirs = [
        EntryPoint("zero", "theirs:Zero", RECOMMENDERS_GROUP),
        EntryPoint("nothing", "theirs:Nothing", RECOMMENDERS_GROUP),
        EntryPoint("other-name", "theirs:Zero", RECOMMENDERS_GROUP),
        EntryPoint("no-model", "theirs:PLUGIN", RECOMMENDERS_GROUP),
        EntryPoint("nameless", "theirs:_Base", RECOMMENDERS_GROUP),
        EntryPoint("half", "half_installed:Model", RECOMMENDERS_GROUP),
        EntryPoint("shop", "theirs:Shop", DATASETS_GROUP),
        EntryPoint("no-source", "theirs:Zero", DATASETS_GROUP),
        EntryPoint("half-shop", "half_installed:Shop", DATASETS_GROUP),
        EntryPoint("no-judge", "theirs:Zero", JUDGES_GROUP),
        EntryPoint("half-judge", "half_installed:Judge", JUDGES_GROUP),
    ]
    module.PLUGIN = PLUGIN  # type: ignore[attr-defined]  # something that is no class

    class Shop(DatasetSource):
        name = "shop"
        description = "somebody else's shop"

        def prepare(self, folder: Path) -> None: ...

    module.Shop = Shop  # type: ignore[attr-defined]

    def entry_points(*, group: str) -> list[EntryPoint]:
        return [*installed(group=group), *(point for point in theirs if point.group == group)]

    monkeypatch.setattr(bench.registry, "entry_points", entry_points)
    module.theirs = theirs  # type: ignore[attr-defined]
    return module


def test_the_suites_own_are_in_the_papers_order() -> None:
    names = Registry().recommender_names()
    assert names[:7] == ["rand", "poprank", "warp", "bpr-mf", "visrank", "fm", "vbpr"]
    for name in names:
        assert Registry().recommender(name).name == name
    assert "synthetic_fashion" in Registry().source_names()
    assert Registry().source("synthetic_fashion").name == "synthetic_fashion"


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("vbrp", "vbpr"), ("BPR-MF", "bpr-mf"), ("bpr_mf", "bpr-mf"), ("pop", "poprank")],
)
def test_the_nearest_recommender_is_named(wrong: str, near: str) -> None:
    message = f"unknown recommender '{wrong}': did you mean '{near}'\\? `bench list` shows all"
    with pytest.raises(BenchError, match=message):
        Registry().recommender(wrong)


def test_nothing_is_near() -> None:
    with pytest.raises(BenchError, match="unknown recommender 'xyzzy': `bench list` shows all"):
        Registry().recommender("xyzzy")


def test_the_nearest_data_set_is_named() -> None:
    message = "unknown data set 'synthetic': did you mean 'synthetic_fashion'"
    with pytest.raises(BenchError, match=message):
        Registry().source("synthetic")


def test_a_plugin_file_adds_its_recommenders_once(tmp_path: Path) -> None:
    registry = Registry((plugin(tmp_path, PLUGIN),))
    assert registry.recommender_names()[-1] == "zero"
    found = registry.recommender("zero")
    assert found.label == "Zero"
    assert pickle.loads(pickle.dumps(found)) is found  # for worker processes
    with pytest.raises(BenchError, match="did you mean 'zero'"):
        registry.recommender("zeros")
    with pytest.raises(BenchError, match="unknown recommender 'zero'"):
        Registry().recommender("zero")


def test_two_plugin_files_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = plugin(tmp_path / "a", PLUGIN)
    second = plugin(tmp_path / "b", PLUGIN.replace('"zero"', '"nought"'))
    registry = Registry((first, second))
    assert registry.recommender_names()[-2:] == ["nought", "zero"]
    assert registry.recommender("zero") is not registry.recommender("nought")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", r"my_model.py cannot be imported: SyntaxError: .*line 1"),
        ("import a_library_that_is_missing", r"ModuleNotFoundError: .*a_library_that_is_missing"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("x = 1", r"my_model.py defines no subclass of bench.recommender.Recommender"),
        ("from baselines.vbpr import Vbpr", "defines no subclass"),
        (PLUGIN.replace('name = "zero"', ""), "class Zero has no `name`"),
        (PLUGIN.replace('"zero"', '"my/zero"'), "the name 'my/zero' must be lower-case"),
        (PLUGIN.replace('"zero"', "7"), "class Zero has no `name`"),
        (PLUGIN.replace('"zero"', '"vbpr"'), "the name 'vbpr' is taken; give the class another"),
        (PLUGIN + "\nclass Two(Zero):\n    pass\n", "the name 'zero' is taken"),
    ],
)  # fmt: skip
def test_plugin_files_that_do_not_work(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=message):
        Registry((plugin(tmp_path, text),))


def test_plugin_files_that_are_not_there_or_no_python(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"nowhere\.py: no such file"):
        Registry((tmp_path / "nowhere.py",))
    with pytest.raises(BenchError, match="no such file"):
        Registry((tmp_path,))
    with pytest.raises(BenchError, match=r"my_model.txt: not a Python file .*\.py"):
        Registry((plugin(tmp_path, PLUGIN, "my_model.txt"),))


def test_a_broken_plugin_leaves_no_module_behind(tmp_path: Path) -> None:
    before = set(sys.modules)
    with pytest.raises(BenchError, match="ZeroDivisionError"):
        Registry((plugin(tmp_path, "1 / 0"),))
    assert not {name for name in set(sys.modules) - before if name.startswith("bench_plugin")}


def test_a_third_partys_recommender_joins(third_party: types.ModuleType) -> None:
    registry = Registry()
    assert "zero" in registry.recommender_names()
    assert registry.recommender("zero") is third_party.Zero
    # Behind the paper's columns.
    assert registry.recommender_names()[:7] == Registry().recommender_names()[:7]
    assert registry.recommender_names().index("zero") > 6


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("half", r"'half' \(half_installed:Model\) cannot be imported: ModuleNotFoundError"),
        ("nothing", r"'nothing' \(theirs:Nothing\) cannot be imported: AttributeError"),
        ("other-name", r"'other-name' \(theirs:Zero\) calls itself 'zero'"),
        ("no-model", r"'no-model' \(theirs:PLUGIN\) is no subclass of bench.recommender"),
        ("nameless", r"'nameless' \(theirs:_Base\) calls itself None"),
    ],
)  # fmt: skip
def test_an_entry_point_that_does_not_work_is_reported_by_name(name: str, message: str) -> None:
    registry = Registry()
    assert name in registry.recommender_names()  # listed, with its reason when it is used
    with pytest.raises(BenchError, match=message):
        registry.recommender(name)
    assert registry.recommender("vbpr").name == "vbpr"  # the others work


def test_third_party_data_sets(third_party: types.ModuleType) -> None:
    registry = Registry()
    assert isinstance(registry.source("shop"), third_party.Shop)
    with pytest.raises(BenchError, match=r"'half-shop' \(half_installed:Shop\) cannot be imported"):
        registry.source("half-shop")
    with pytest.raises(BenchError, match=r"'no-source' .* is no subclass of .*DatasetSource"):
        registry.source("no-source")


def test_a_name_that_two_packages_claim_stands_for_neither(third_party: types.ModuleType) -> None:
    third_party.theirs.append(EntryPoint("vbpr", "theirs:Zero", RECOMMENDERS_GROUP))
    message = r"'vbpr' is taken by several packages \(baselines.vbpr:Vbpr, theirs:Zero\)"
    with pytest.raises(BenchError, match=message):
        Registry().recommender("vbpr")
    # The same package found twice, as with a checkout beside its installation, is one.
    third_party.theirs.append(
        EntryPoint("fm", "baselines.fm:FactorizationMachine", RECOMMENDERS_GROUP)
    )
    assert Registry().recommender("fm").name == "fm"
    assert Registry().recommender_names().count("fm") == 1


def test_a_plugin_file_may_not_take_a_third_partys_name(
    third_party: types.ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match="the name 'zero' is taken"):
        Registry((plugin(tmp_path, PLUGIN),))


def test_judges_of_images(third_party: types.ModuleType) -> None:
    registry = Registry()
    assert {"classifier", "inception", "no-judge"} <= set(registry.judge_names())
    for name in ("classifier", "inception"):
        assert registry.judge(name).name == name
    with pytest.raises(BenchError, match="unknown judge 'inceptoin': did you mean 'inception'"):
        registry.judge("inceptoin")
    with pytest.raises(BenchError, match=r"'no-judge' .* is no subclass of bench.judge"):
        registry.judge("no-judge")
    with pytest.raises(BenchError, match="half-judge"):
        registry.judge("half-judge")
