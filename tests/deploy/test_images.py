"""What the Dockerfiles promise, read with a real parser. `deploy/images/try.sh` runs the images, by hand."""

import io
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from dockerfile_parse import DockerfileParser

from daybook import __version__
from daybook.cli.stack.kubeconfig import write_images
from daybook.cli.stack.project import Project
from daybook.localpods.images import find_image
from daybook.workspaces.workspace import DEFAULT_IMAGE
from deploy.rendered import AIRFLOW, PROJECT, WITHOUT_HELM, render

IMAGES = ["notebook", "airflow", "spark"]
USERS = {"notebook": "1000:1000", "airflow": "50000:0", "spark": "1000:1000"}
LABELS = {"title", "description", "licenses", "version", "revision", "base.name"}


def parsed(name: str) -> DockerfileParser:
    text = (PROJECT / "deploy" / "images" / name / "Dockerfile").read_bytes()
    return DockerfileParser(fileobj=io.BytesIO(text))


def last_stage(name: str) -> list[dict]:
    steps = parsed(name).structure
    return steps[max(index for index, step in enumerate(steps) if step["instruction"] == "FROM") :]


def values(steps: list[dict], instruction: str) -> list[str]:
    return [step["value"] for step in steps if step["instruction"] == instruction]


@pytest.mark.parametrize("name", IMAGES)
def test_the_user_is_a_number_that_is_not_root(name: str) -> None:
    assert values(last_stage(name), "USER")[-1] == USERS[name]


@pytest.mark.parametrize("name", IMAGES)
def test_the_base_is_an_argument_with_a_tag_that_does_not_move(name: str) -> None:
    steps = parsed(name).structure
    assert values(steps, "FROM") == ["${BASE} AS build", "${BASE}"]
    base = values(steps, "ARG")[0].removeprefix("BASE=")
    assert ":" in base
    assert not base.endswith(":latest")


@pytest.mark.parametrize("name", IMAGES)
def test_whatever_pip_fetches_has_a_hash(name: str) -> None:
    runs = " && ".join(values(parsed(name).structure, "RUN"))
    installs = [each for each in re.split(r"&&|;", runs) if re.search(r"\bpip\b.*\b(install|wheel)\b", each)]
    assert installs
    for each in installs:
        assert "--no-deps" in each, each
        local = each.rstrip().endswith(" .") or "--no-index" in each
        assert local or "--require-hashes" in each, each


@pytest.mark.parametrize("name", IMAGES)
def test_nothing_names_an_index_or_a_secret(name: str) -> None:
    text = parsed(name).content
    assert not re.search(r"https?://|--(extra-)?index-url|--trusted-host", text)
    assert not re.search(r"(?i)(password|secret|token)\s*=", text)


@pytest.mark.parametrize("name", IMAGES)
def test_pips_settings_and_tools_stay_in_the_build_stage(name: str) -> None:
    final = last_stage(name)
    assert not [each for each in values(final, "COPY") if "images/pip" in each or "requirements" in each]
    assert [each for each in values(final, "COPY") if each.startswith("--from=build")]
    assert not re.search(r"gcc|pip (install|wheel)|maven|mvn", " ".join(values(final, "RUN")))


@pytest.mark.parametrize("name", IMAGES)
def test_of_debians_packages_an_image_has_java_alone_and_only_where_spark_is(name: str) -> None:
    installed = re.findall(r"apt-get install (.*?) +(?:&&|$)", " ".join(values(last_stage(name), "RUN")))
    assert installed == (['--yes --no-install-recommends "${JAVA}"'] if name == "spark" else [])


@pytest.mark.parametrize("name", IMAGES)
def test_labels_and_health_check_are_there(name: str) -> None:
    final = last_stage(name)
    labels = " ".join(values(final, "LABEL"))
    assert {each for each in LABELS if f"org.opencontainers.image.{each}=" in labels} == LABELS
    assert values(final, "HEALTHCHECK")


@pytest.mark.parametrize("name", IMAGES)
def test_it_builds_without_buildkit(name: str) -> None:
    text = parsed(name).content
    assert not re.search(r"--mount=|<<|^# *syntax=", text, re.MULTILINE)


@pytest.mark.parametrize("name", IMAGES)
def test_every_file_that_is_copied_is_there_and_sent_to_the_build(name: str) -> None:
    ignore = (PROJECT / ".dockerignore").read_text().splitlines()
    sent = [path for line in ignore if line.startswith("!") for path in PROJECT.glob(line[1:])]
    copies = [each.split()[:-1] for each in values(parsed(name).structure, "COPY") if "--from=build" not in each]
    sources = [PROJECT / word for words in copies for word in words if not word.startswith("--")]
    assert sources
    for source in sources:
        assert source.exists(), source
        assert any(source == path or path in source.parents for path in sent), source


@pytest.mark.parametrize(
    ("name", "entrypoint"), [("notebook", '["daybook"]'), ("spark", '["python", "-m", "daybook.spark"]')]
)
def test_an_image_of_pods_keeps_nothing_where_they_mount_empty_folders(name: str, entrypoint: str) -> None:
    final = last_stage(name)
    targets = [each.split()[-1] for each in values(final, "COPY")]
    assert not [each for each in targets if each.startswith(("/home/daybook", "/tmp"))]
    assert values(final, "ENTRYPOINT") == [entrypoint]


def test_spark_and_notebooks_have_the_same_packages() -> None:
    """Functions that a notebook sends to Spark are unpickled there."""
    locks = {name: re.findall(r"-r (requirements/\S+)", parsed(name).content) for name in ("notebook", "spark")}
    assert set(locks["spark"]) == set(locks["notebook"]) - {"requirements/lab.txt"}


def test_a_server_of_the_image_is_on_the_port_that_policies_open() -> None:
    assert values(last_stage("spark"), "EXPOSE") == ["15002"]
    assert "15002" in (PROJECT / "deploy/kubernetes/workspace/network-policies.yaml").read_text()


def test_an_image_of_ours_has_the_packages_version_wherever_it_is_named() -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert __version__ == version
    files = [PROJECT / ".env.example", PROJECT / "README.md"]
    files += [path for folder in ("deploy", "docs") for path in (PROJECT / folder).rglob("*") if path.is_file()]
    texts = {path: path.read_bytes().decode(errors="replace") for path in files}
    tags = [
        (path, tag)
        for path, text in texts.items()
        for tag in re.findall(r"daybook/(?:notebook|airflow|spark):(\w+(?:\.\w+)*)", text)
    ]
    assert len({path for path, _ in tags}) > 5
    assert not [(path, tag) for path, tag in tags if tag != version]
    chart = yaml.safe_load(texts[PROJECT / "deploy/kubernetes/values/airflow.yaml"])
    assert chart["images"]["airflow"]["tag"] == version


def test_the_default_image_is_the_one_that_is_built_here_and_that_a_local_stack_has(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.state.mkdir()
    write_images(project)
    assert find_image(project.images, DEFAULT_IMAGE).name == "daybook/notebook"
    assert f"daybook/notebook:{__version__}" == DEFAULT_IMAGE


def test_the_dev_overlay_takes_the_images_that_are_built_here() -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert {each.image for each in render("dev").workspaces} == {f"daybook/notebook:{version}"}
    pods = [each["spec"]["template"]["spec"] for each in render(WITHOUT_HELM).of("Deployment", AIRFLOW)]
    images = {each["image"] for pod in pods for each in [*pod["containers"], *pod["initContainers"]]}
    assert images == {f"daybook/airflow:{version}"}
